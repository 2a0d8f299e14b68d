//! The payment lane: paying reservations from balances, and reading payments.

use std::collections::HashMap;
use std::sync::Arc;

use onsale_common::contract::event::PaymentCompleted;
use onsale_common::contract::payment::{PaidReservation, PaidSeat, Pay, PaymentMethod, PaymentStatus, PaymentView};
use onsale_common::contract::reservation::reservation_number;
use onsale_common::contract::{Code, Command, Envelope, Lane, Outcome};
use onsale_common::ids::{PaymentId, QueueToken, ScheduleId, SeatId};
use onsale_common::time::Time;
use uuid::Uuid;

use super::batch::Batch;
use super::callers::Callers;
use super::{rooms, views};
use crate::config::Limits;
use crate::domain::account::{Account, Entry};
use crate::domain::hold::Reservation;
use crate::domain::payment::Till;
use crate::failure::Failure;
use crate::redis::Redis;
use crate::redis::rooms::RoomChange;
use crate::runtime::LaneWorker;
use crate::sorted::sorted;
use crate::store;
use crate::store::numbers::Numbers;
use crate::store::outbox::NewEvent;
use crate::store::payments::NewPayment;
use crate::store::pool::Pool;

/// What the lane needs.
pub struct PaymentLane {
    /// The truth.
    pub pool: Pool,
    /// Seat locks and rooms.
    pub redis: Redis,
    /// Lifetimes and limits.
    pub limits: Limits,
    /// Numbers for new payments.
    pub numbers: Numbers,
}

impl LaneWorker for PaymentLane {
    const LANE: Lane = Lane::Payment;

    async fn settle(self: Arc<Self>, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let (paying, reading): (Vec<usize>, Vec<usize>) =
            (0..commands.len()).partition(|n| commands[*n].command.name().has_effect());
        let mut outcomes: Vec<Option<Outcome>> = vec![None; commands.len()];
        let pick = |indices: &[usize]| indices.iter().map(|n| commands[*n].clone()).collect::<Vec<_>>();
        if !paying.is_empty() {
            for (n, outcome) in paying.iter().zip(self.pay(pick(&paying)).await?) {
                outcomes[*n] = Some(outcome);
            }
        }
        if !reading.is_empty() {
            for (n, outcome) in reading.iter().zip(self.read(&pick(&reading)).await?) {
                outcomes[*n] = Some(outcome);
            }
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.expect("every command has an effect or not")).collect())
    }

    async fn kept(&self, commands: &[Uuid]) -> Result<HashMap<Uuid, Outcome>, Failure> {
        store::outcomes::kept(&self.pool, commands).await
    }
}

/// What a transaction changed.
#[derive(Default)]
struct Paid {
    payments: Vec<NewPayment>,
    entries: Vec<Entry>,
    used: Vec<QueueToken>,
    /// Tokens that go on, for as long as their other holds last.
    alive: Vec<(QueueToken, Time)>,
}

impl PaymentLane {
    async fn pay(&self, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let mut batch = Batch::begin(&self.pool, commands).await?;
        let open = batch.open();
        let callers = Callers::lock(batch.db(), open.iter().map(|(_, command)| &**command)).await?;
        let proven = |command: &Envelope| {
            let payer = asked(command).map(|pay| pay.user_id);
            callers.of(command).ok().map(|token| token.user).filter(|user| Some(*user) == payer)
        };
        batch.replay_keys(proven).await?;
        let open = batch.open();
        let mut till = load(&mut batch, &open).await?;
        let paid = self.decide(&mut batch, &open, &callers, &mut till).await?;
        store_accounts(&mut batch, &paid, &till).await?;
        let outcomes = batch.commit_with(Some(&rows(&paid, &till))).await?;
        self.free_slots(&paid, &till).await;
        Ok(outcomes)
    }

    /// Decides the open commands one after another, in their order of arrival.
    async fn decide(
        &self,
        batch: &mut Batch,
        open: &[(usize, Arc<Envelope>)],
        callers: &Callers,
        till: &mut Till,
    ) -> Result<Paid, Failure> {
        let mut numbers = self.numbers.draw(batch.db(), open.len()).await?.into_iter();
        let now = batch.now();
        let mut paid = Paid::default();
        let mut payers = Vec::new();
        for (n, command) in open {
            let Some(pay) = asked(command) else {
                batch.settle(*n, Err(Code::Internal.into()));
                continue;
            };
            let number = numbers.next().expect("a number was drawn for each command");
            let id = PaymentId::new(pay.reservation_id.schedule().compose(number));
            let result =
                callers.of(command).and_then(|caller| till.pay(pay, caller, id, now).map(|entry| (caller, entry)));
            let result = result.map(|(caller, entry)| {
                let reservation = &till.reservations[&pay.reservation_id];
                let view = view(id, reservation, till, now);
                batch.event(paid_event(id, reservation));
                paid.payments.push(NewPayment {
                    id,
                    reservation: reservation.id,
                    user: reservation.user,
                    amount: view.amount,
                });
                paid.entries.push(entry);
                payers.push((caller.token, caller.user));
                Outcome::done(&view)
            });
            batch.settle(*n, result);
        }
        tokens_after(batch, payers, &mut paid).await?;
        Ok(paid)
    }

    /// Tells Redis what is sold and who is gone, and lets the next ones in.
    async fn free_slots(&self, paid: &Paid, till: &Till) {
        let sold: Vec<(SeatId, Uuid)> = paid
            .payments
            .iter()
            .map(|payment| &till.reservations[&payment.reservation])
            .flat_map(|reservation| reservation.seats.iter().map(|seat| (*seat, reservation.command)))
            .collect();
        let gone: Vec<RoomChange> = paid.used.iter().map(|token| RoomChange::Gone(*token)).collect();
        self.redis.mark_sold(&sold, &gone).await;
        for schedule in sorted(paid.used.iter().map(|token| token.schedule()).collect::<Vec<ScheduleId>>()) {
            let (pool, redis, limits) = (self.pool.clone(), self.redis.clone(), self.limits.clone());
            // Nobody waits for this to be answered; should it fail, the next tick of cron admits.
            tokio::spawn(async move {
                if let Err(failure) = rooms::admit_waiting(&pool, &redis, &limits, schedule).await {
                    tracing::warn!(%schedule, %failure, "nobody was admitted into a freed slot yet");
                }
            });
        }
    }

    async fn read(&self, commands: &[Arc<Envelope>]) -> Result<Vec<Outcome>, Failure> {
        let mut db = self.pool.acquire().await?;
        let now = Time::now();
        let callers = Callers::read(&mut db, commands.iter().map(|command| &**command)).await?;
        let wanted = |command: &Envelope| match &command.command {
            Command::GetPayment(get) => Some(get.payment_id),
            _ => None,
        };
        let ids = sorted(commands.iter().filter_map(|command| wanted(command)).map(PaymentId::get).collect());
        let payments: HashMap<PaymentId, PaymentView> =
            store::payments::read(&mut db, &ids).await?.into_iter().map(|found| (found.payment_id, found)).collect();
        db.give_back();
        let find = |command: &Envelope| {
            let caller = callers.live(command, now)?;
            let found = wanted(command).and_then(|id| payments.get(&id)).ok_or(Code::PaymentNotFound)?;
            caller.demand_user(found.user_id)?;
            caller.demand_schedule(found.payment_id.schedule())?;
            Ok(Outcome::done(found))
        };
        Ok(commands.iter().map(|command| find(command).into()).collect())
    }
}

fn asked(command: &Envelope) -> Option<&Pay> {
    match &command.command {
        Command::Pay(pay) => Some(pay),
        _ => None,
    }
}

/// Loads, in the global lock order, every row that the decisions look at.
async fn load(batch: &mut Batch, open: &[(usize, Arc<Envelope>)]) -> Result<Till, Failure> {
    let asks: Vec<&Pay> = open.iter().filter_map(|(_, command)| asked(command)).collect();
    let ids = sorted(asks.iter().map(|ask| ask.reservation_id.get()).collect());
    let reservations = store::reservations::lock(batch.db(), &ids).await?;
    let seats = reservations.iter().flat_map(|found| &found.seats).map(|seat| seat.get()).collect();
    let seats = views::by_id(store::seats::lock(batch.db(), &sorted(seats)).await?);
    let users = sorted(asks.iter().map(|ask| ask.user_id.get()).collect());
    let accounts = store::accounts::lock(batch.db(), &users).await?;
    Ok(Till {
        reservations: reservations.into_iter().map(|found| (found.id, found)).collect(),
        seats,
        accounts: accounts.into_iter().map(|account| (account.user, account)).collect(),
    })
}

/// Paying frees the slot, unless the token has another live hold: then it lives until that is paid or ends.
async fn tokens_after(
    batch: &mut Batch,
    payers: Vec<(QueueToken, onsale_common::ids::UserId)>,
    paid: &mut Paid,
) -> Result<(), Failure> {
    if payers.is_empty() {
        return Ok(());
    }
    let now = batch.now();
    let now_paid: Vec<i64> = paid.payments.iter().map(|payment| payment.reservation.get()).collect();
    let payers = sorted(payers);
    let holds: HashMap<QueueToken, Time> =
        store::reservations::holds_of_tokens(batch.db(), &payers, &now_paid, now).await?.into_iter().collect();
    for (token, _) in payers {
        match holds.get(&token) {
            Some(until) => paid.alive.push((token, *until)),
            None => paid.used.push(token),
        }
    }
    Ok(())
}

/// Stores the payers' accounts and the ledger.
async fn store_accounts(batch: &mut Batch, paid: &Paid, till: &Till) -> Result<(), Failure> {
    let payers = sorted(paid.entries.iter().map(|entry| entry.user).collect::<Vec<_>>());
    let payers: Vec<&Account> = payers.iter().filter_map(|user| till.accounts.get(user)).collect();
    let now = batch.now();
    store::accounts::store(batch.db(), &payers, &paid.entries, now).await?;
    Ok(())
}

/// The other rows that were changed.
fn rows<'a>(paid: &'a Paid, till: &'a Till) -> store::payments::Paid<'a> {
    let sold = paid.payments.iter().flat_map(|payment| &till.reservations[&payment.reservation].seats);
    store::payments::Paid {
        payments: &paid.payments,
        seats: sold.filter_map(|id| till.seats.get(id)).collect(),
        used: &paid.used,
        alive: &paid.alive,
    }
}

fn view(id: PaymentId, reservation: &Reservation, till: &Till, now: Time) -> PaymentView {
    let seats = reservation.seats.iter().filter_map(|seat| till.seats.get(seat));
    PaymentView {
        payment_id: id,
        reservation_id: reservation.id,
        user_id: reservation.user,
        amount: reservation.total_amount,
        payment_method: PaymentMethod::Balance,
        status: PaymentStatus::Completed,
        paid_at: now,
        reservation: PaidReservation {
            reservation_number: reservation_number(reservation.id),
            seats: seats.map(|seat| PaidSeat { seat_number: seat.number, price: seat.price }).collect(),
        },
    }
}

fn paid_event(id: PaymentId, reservation: &Reservation) -> NewEvent {
    NewEvent::of(&PaymentCompleted {
        payment_id: id,
        reservation_id: reservation.id,
        schedule_id: id.schedule(),
        user_id: reservation.user,
        seat_ids: reservation.seats.clone(),
        amount: reservation.total_amount,
    })
}
