//! The domain's rules under any order of commands, without any server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::HashMap;
use std::time::Duration;

use onsale_common::contract::admission::TokenStatus;
use onsale_common::contract::catalog::SeatStatus;
use onsale_common::contract::payment::{Pay, PaymentMethod};
use onsale_common::contract::reservation::{HoldSeats, ReservationStatus};
use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{PaymentId, QueueToken, ReservationId, ScheduleId, SeatId, UserId};
use onsale_common::money::Amount;
use onsale_common::time::Time;
use onsale_workers::domain::account::Account;
use onsale_workers::domain::caller::Caller;
use onsale_workers::domain::hold::{Release, Reservation, Sale, SaleWindow, Seat};
use onsale_workers::domain::payment::Till;
use onsale_workers::domain::token::{Need, Token, minutes_to_wait};
use proptest::prelude::*;
use uuid::Uuid;

const SCHEDULE: ScheduleId = ScheduleId::new(1);
const SEATS: i64 = 12;
const USERS: i64 = 5;
const SEATS_PER_USER: u32 = 4;
const HOLD_TTL: Duration = Duration::from_secs(300);
const PRICE: i64 = 100;

/// What a user may do, and the passing of time.
#[derive(Debug, Clone)]
enum Step {
    Hold { user: i64, seats: Vec<i64>, only: bool, said: Option<i64> },
    Release { user: i64, nth: usize },
    Pay { user: i64, nth: usize },
    Charge { user: i64, amount: i64 },
    Wait { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let user = 1..=USERS;
    prop_oneof![
        4 => (user.clone(), proptest::collection::btree_set(1..=SEATS, 1..=3), any::<bool>(), said())
            .prop_map(|(user, seats, only, said)| Step::Hold { user, seats: seats.into_iter().collect(), only, said }),
        1 => (user.clone(), 0..20_usize).prop_map(|(user, nth)| Step::Release { user, nth }),
        2 => (user.clone(), 0..20_usize).prop_map(|(user, nth)| Step::Pay { user, nth }),
        2 => (user, -10..500_i64).prop_map(|(user, amount)| Step::Charge { user, amount }),
        1 => (1..400_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// What a client believes that some seats cost.
fn said() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of((1..=4_i64).prop_map(|seats| seats * PRICE))
}

fn hold_of(user: i64, seats: Vec<i64>) -> Step {
    Step::Hold { user, seats, only: false, said: None }
}

/// A sale as the database would hold it, driven only through the domain's decisions.
struct World {
    now: Time,
    sale: Sale,
    accounts: HashMap<UserId, Account>,
    tokens: HashMap<UserId, Token>,
    reservations: Vec<Reservation>,
    entries: HashMap<UserId, i64>,
    paid: HashMap<ReservationId, i64>,
    next: i64,
}

impl World {
    fn new() -> Self {
        let now = Time::now();
        let window = SaleWindow {
            booking_open_at: now,
            booking_close_at: now.plus(Duration::from_secs(1_000_000)),
            paused: false,
            seats_per_user: SEATS_PER_USER,
        };
        let seat = |n: i64| Seat {
            id: SeatId::new(SCHEDULE.compose(n)),
            number: n as i32,
            price: PRICE,
            status: SeatStatus::Available,
            reservation: None,
            held_until: None,
        };
        let account = |user| Account {
            user: UserId::new(user),
            balance: 0,
            total_charged: 0,
            total_used: 0,
            version: 0,
            updated_at: now,
        };
        Self {
            now,
            sale: Sale {
                schedules: HashMap::from([(SCHEDULE, window)]),
                seats: (1..=SEATS).map(seat).map(|seat| (seat.id, seat)).collect(),
                ..Sale::default()
            },
            accounts: (1..=USERS).map(|user| (UserId::new(user), account(user))).collect(),
            tokens: (1..=USERS).map(|user| (UserId::new(user), token(user, TokenStatus::Active, now))).collect(),
            reservations: Vec::new(),
            entries: HashMap::new(),
            paid: HashMap::new(),
            next: 1,
        }
    }

    /// What a load step would find.
    fn load(&mut self) {
        let now = self.now;
        self.sale.reservations = self.reservations.iter().map(|found| (found.id, found.clone())).collect();
        self.sale.seats_of_users.clear();
        self.sale.holds_of_users.clear();
        for found in &self.reservations {
            let status = found.status_at(now);
            if matches!(status, ReservationStatus::Reserved | ReservationStatus::Paid) {
                *self.sale.seats_of_users.entry((found.user, SCHEDULE)).or_default() += found.seats.len() as u32;
            }
            if status == ReservationStatus::Reserved {
                *self.sale.holds_of_users.entry(found.user).or_default() += 1;
            }
        }
    }

    fn take(&mut self, step: Step) -> Result<(), Rejection> {
        self.load();
        let id = self.next;
        self.next += 1;
        match step {
            Step::Hold { user, seats, only, said } => {
                let live = |found: &&Reservation| {
                    found.user.get() == user && found.status_at(self.now) == ReservationStatus::Reserved
                };
                let live = self.reservations.iter().filter(live).count();
                let cost = seats.len() as i64 * PRICE;
                let held = self.hold(user, &seats, only, said, ReservationId::new(SCHEDULE.compose(id)));
                // Whatever else there was to say.
                let is_refused = said.is_some_and(|said| said != cost) || (only && live > 0);
                assert!(!(is_refused && held.is_ok()), "held beside {live} for {cost}, not {said:?}");
                match held.as_ref().map_err(|rejection| rejection.code) {
                    Err(Code::HoldExists) => assert!(only && live > 0),
                    Err(Code::AmountMismatch) => assert_ne!(said, Some(cost)),
                    _ => {}
                }
                held
            }
            Step::Release { user, nth } => self.release(user, nth),
            Step::Pay { user, nth } => self.pay(user, nth, PaymentId::new(SCHEDULE.compose(id))),
            Step::Charge { user, amount } => {
                let account = self.accounts.get_mut(&UserId::new(user)).unwrap();
                let entry = account.charge(Amount::new(amount), 400, 10_000, self.now)?;
                *self.entries.entry(entry.user).or_default() += entry.amount;
                Ok(())
            }
            Step::Wait { seconds } => {
                self.now = self.now.plus(Duration::from_secs(seconds));
                Ok(())
            }
        }
    }

    fn hold(
        &mut self,
        user: i64,
        seats: &[i64],
        only: bool,
        said: Option<i64>,
        id: ReservationId,
    ) -> Result<(), Rejection> {
        let seats: Vec<i64> = seats.iter().map(|n| SCHEDULE.compose(*n)).collect();
        let mut json =
            serde_json::json!({ "scheduleId": SCHEDULE, "seatIds": seats, "userId": user, "onlyHold": only });
        if let Some(said) = said {
            json["amount"] = said.into();
        }
        let command: HoldSeats = serde_json::from_value(json).unwrap();
        let token = &self.tokens[&UserId::new(user)];
        let held = self.sale.hold(&command, Uuid::now_v7(), token, id, self.now, HOLD_TTL)?;
        self.reservations.push(held);
        Ok(())
    }

    fn release(&mut self, user: i64, nth: usize) -> Result<(), Rejection> {
        let Some(id) = self.reservations.get(nth).map(|found| found.id) else { return Ok(()) };
        let token = self.tokens[&UserId::new(user)].clone();
        if let Release::Freed(_) = self.sale.release(id, &token, self.now)? {
            self.reservations[nth].status = ReservationStatus::Cancelled;
        }
        Ok(())
    }

    fn pay(&mut self, user: i64, nth: usize, id: PaymentId) -> Result<(), Rejection> {
        let Some(reservation) = self.reservations.get(nth).map(|found| found.id) else { return Ok(()) };
        let mut till = Till {
            reservations: self.sale.reservations.clone(),
            seats: self.sale.seats.clone(),
            accounts: self.accounts.clone(),
        };
        let user_id = UserId::new(user);
        let command =
            Pay { reservation_id: reservation, payment_method: PaymentMethod::Balance, user_id, amount: None };
        let entry = till.pay(&command, &self.tokens[&user_id], id, self.now)?;
        *self.entries.entry(entry.user).or_default() += entry.amount;
        *self.paid.entry(reservation).or_default() += 1;
        self.reservations[nth].status = ReservationStatus::Paid;
        self.sale.seats = till.seats;
        self.accounts = till.accounts;
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut owners: HashMap<SeatId, ReservationId> = HashMap::new();
        let mut seats_of: HashMap<UserId, u32> = HashMap::new();
        for found in &self.reservations {
            let status = found.status_at(self.now);
            if !matches!(status, ReservationStatus::Reserved | ReservationStatus::Paid) {
                continue;
            }
            *seats_of.entry(found.user).or_default() += found.seats.len() as u32;
            for seat in &found.seats {
                prop_assert_eq!(owners.insert(*seat, found.id), None, "a seat belongs to two live reservations");
                let seat = &self.sale.seats[seat];
                prop_assert_eq!(seat.reservation, Some(found.id));
                let sold = status == ReservationStatus::Paid;
                prop_assert_eq!(seat.status, if sold { SeatStatus::Sold } else { SeatStatus::Held });
            }
            prop_assert_eq!(
                self.paid.get(&found.id).copied().unwrap_or(0),
                i64::from(status == ReservationStatus::Paid)
            );
        }
        prop_assert!(seats_of.values().all(|seats| *seats <= SEATS_PER_USER), "a user has more seats than allowed");
        for seat in self.sale.seats.values() {
            let taken = seat.status_at(self.now) != SeatStatus::Available;
            prop_assert_eq!(taken, owners.contains_key(&seat.id), "a seat is taken exactly when somebody has it");
        }
        for account in self.accounts.values() {
            prop_assert!(account.balance >= 0);
            prop_assert_eq!(account.balance, self.entries.get(&account.user).copied().unwrap_or(0));
            prop_assert_eq!(account.balance, account.total_charged - account.total_used);
        }
        Ok(())
    }
}

fn token(user: i64, status: TokenStatus, now: Time) -> Token {
    Token {
        token: QueueToken::draw(SCHEDULE).unwrap(),
        schedule: SCHEDULE,
        user: UserId::new(user),
        ordinal: user,
        status,
        issued_at: now,
        active_at: Some(now),
        expires_at: now.plus(Duration::from_secs(1_000_000)),
        hold_until: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_order_of_commands_keeps_the_invariants(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            let rejected = world.take(step.clone()).err();
            world.check().map_err(|error| TestCaseError::fail(format!("after {step:?}, {rejected:?}: {error}")))?;
        }
    }

    #[test]
    fn waiting_grows_with_the_place_and_is_never_zero(place in 1..10_000_000_u64, per_s in 0.0..10_000.0_f64) {
        let minutes = minutes_to_wait(place, per_s);
        prop_assert!((1..=1440).contains(&minutes));
        prop_assert!(minutes_to_wait(place + 1, per_s) >= minutes);
    }
}

#[test]
fn a_token_opens_only_its_own_door() {
    let now = Time::now();
    let later = now.plus(Duration::from_secs(1_000_001));
    let waiting = token(1, TokenStatus::Waiting, now);
    let active = token(1, TokenStatus::Active, now);
    let code = |result: Result<(), Rejection>| result.err().map(|rejection| rejection.code);
    assert_eq!(code(waiting.demand(Need::Live, now)), None);
    assert_eq!(code(waiting.demand(Need::Active, now)), Some(Code::TokenNotActive));
    assert_eq!(code(active.demand(Need::Active, now)), None);
    assert_eq!(code(active.demand(Need::Live, later)), Some(Code::TokenExpired));
    assert_eq!(code(token(1, TokenStatus::Used, now).demand(Need::Live, now)), Some(Code::TokenExpired));
    assert_eq!(code(Caller::from(&active).demand_schedule(ScheduleId::new(2))), Some(Code::WrongSchedule));
    assert_eq!(code(Caller::from(&active).demand_user(UserId::new(2))), Some(Code::Forbidden));
    let service_wide = Token { schedule: ScheduleId::SERVICE_WIDE, ..active };
    assert_eq!(code(Caller::from(&service_wide).demand_schedule(ScheduleId::new(2))), None);
    assert_eq!(code(Caller::vouched_for(UserId::new(1)).demand_schedule(ScheduleId::new(2))), None);
    assert_eq!(code(Caller::vouched_for(UserId::new(1)).demand_user(UserId::new(2))), Some(Code::Forbidden));
}

#[test]
fn a_live_hold_keeps_its_token_alive() {
    let now = Time::now();
    let mut active = token(1, TokenStatus::Active, now);
    active.expires_at = now;
    assert_eq!(active.status_at(now), TokenStatus::Expired);
    active.hold_until = Some(now.plus(Duration::from_secs(1)));
    assert_eq!(active.status_at(now), TokenStatus::Active);
    assert_eq!(active.status_at(now.plus(Duration::from_secs(1))), TokenStatus::Expired);
}

#[test]
fn the_owner_of_a_paid_reservation_is_told_so_although_the_token_is_used() {
    let mut world = World::new();
    world.take(Step::Charge { user: 1, amount: 300 }).unwrap();
    world.take(hold_of(1, vec![1])).unwrap();
    world.take(Step::Pay { user: 1, nth: 0 }).unwrap();
    world.tokens.get_mut(&UserId::new(1)).unwrap().status = TokenStatus::Used;
    assert_eq!(world.take(Step::Pay { user: 1, nth: 0 }).unwrap_err().code, Code::AlreadyPaid);
    assert_eq!(world.take(hold_of(1, vec![2])).unwrap_err().code, Code::TokenExpired);
    assert_eq!(world.take(Step::Pay { user: 2, nth: 0 }).unwrap_err().code, Code::Forbidden);
}

#[test]
fn a_user_has_one_hold_at_a_time_where_that_is_asked_for() {
    let mut world = World::new();
    let only = |user: i64, seat: i64| Step::Hold { user, seats: vec![seat], only: true, said: None };
    world.take(only(1, 1)).unwrap();
    assert_eq!(world.take(only(1, 2)).unwrap_err().code, Code::HoldExists);
    assert_eq!(world.take(only(1, 1)).unwrap_err().code, Code::HoldExists, "before who has the seat");
    assert_eq!(world.take(only(2, 1)).unwrap_err().code, Code::SeatTaken);
    world.take(hold_of(1, vec![2])).unwrap();
    // Neither what is paid nor what has run out is a live hold.
    world.take(Step::Charge { user: 1, amount: 300 }).unwrap();
    world.take(Step::Pay { user: 1, nth: 0 }).unwrap();
    assert_eq!(world.take(only(1, 3)).unwrap_err().code, Code::HoldExists);
    world.take(Step::Wait { seconds: 300 }).unwrap();
    world.take(only(1, 3)).unwrap();
    world.take(Step::Release { user: 1, nth: 2 }).unwrap();
    world.take(only(1, 3)).unwrap();
}

#[test]
fn seats_are_held_at_the_price_that_was_said_or_not_at_all() {
    let mut world = World::new();
    let said = |amount: i64| Step::Hold { user: 1, seats: vec![1, 2], only: false, said: Some(amount) };
    let rejected = world.take(said(PRICE)).unwrap_err();
    assert_eq!((rejected.code, &rejected.details["totalAmount"]), (Code::AmountMismatch, &(2 * PRICE).into()));
    world.take(said(2 * PRICE)).unwrap();
}

#[test]
fn the_owner_of_a_hold_that_ran_out_is_told_so_although_the_token_is_over() {
    let mut world = World::new();
    world.take(hold_of(1, vec![1])).unwrap();
    world.take(Step::Wait { seconds: 300 }).unwrap();
    world.tokens.get_mut(&UserId::new(1)).unwrap().expires_at = world.now;
    world.tokens.get_mut(&UserId::new(2)).unwrap().expires_at = world.now;
    assert_eq!(world.take(Step::Pay { user: 1, nth: 0 }).unwrap_err().code, Code::ReservationExpired);
    assert_eq!(world.take(Step::Pay { user: 2, nth: 0 }).unwrap_err().code, Code::TokenExpired);
}
