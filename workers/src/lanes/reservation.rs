//! The reservation lane: holds, releases, reading reservations, and the log of attempts.

mod attempts;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use onsale_common::contract::event::{SeatsHeld, SeatsReleased};
use onsale_common::contract::reservation::{GetReservation, ReservationStatus};
use onsale_common::contract::{Code, Command, Envelope, Lane, Outcome, Rejection};
use onsale_common::ids::{QueueToken, ReservationId, ScheduleId, SeatId, UserId};
use onsale_common::time::Time;
use serde_json::json;
use uuid::Uuid;

use super::batch::Batch;
use super::callers::Callers;
use super::{holds, views};
use crate::config::Limits;
use crate::domain::hold::{Release, Reservation, Sale, seat_taken};
use crate::failure::Failure;
use crate::redis::Redis;
use crate::redis::keeper::LockKeeper;
use crate::redis::seats::{Asking, Freed, Verdict};
use crate::runtime::LaneWorker;
use crate::sorted::sorted;
use crate::store;
use crate::store::expiry::Which;
use crate::store::numbers::Numbers;
use crate::store::outbox::NewEvent;
use crate::store::pool::Pool;
use crate::store::reservations::Changed;
use crate::store::sale::Wanted;

/// How long after Redis failed it is asked again to release locks.
const RELEASE_PAUSE: Duration = Duration::from_secs(1);

/// What the lane needs.
pub struct ReservationLane {
    /// The truth.
    pub pool: Pool,
    /// Seat locks.
    pub redis: Redis,
    /// Those of committed holds.
    pub keeper: LockKeeper,
    /// Lifetimes and limits.
    pub limits: Limits,
    /// Numbers for new reservations.
    pub numbers: Numbers,
}

impl LaneWorker for ReservationLane {
    const LANE: Lane = Lane::Reservation;

    async fn settle(self: Arc<Self>, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes: Vec<Option<Outcome>> = self.turn_away_losers(&commands).await;
        let rest = |outcomes: &[Option<Outcome>], effect: bool| -> Vec<usize> {
            let wanted = |n: &usize| outcomes[*n].is_none() && commands[*n].command.name().has_effect() == effect;
            (0..commands.len()).filter(wanted).collect()
        };
        for (effect, indices) in [(true, rest(&outcomes, true)), (false, rest(&outcomes, false))] {
            if indices.is_empty() {
                continue;
            }
            let some = indices.iter().map(|n| commands[*n].clone()).collect();
            let settled = if effect { self.write(some).await? } else { self.read(some).await? };
            for (n, outcome) in indices.into_iter().zip(settled) {
                outcomes[n] = Some(outcome);
            }
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.expect("every command has an effect or not")).collect())
    }

    async fn kept(&self, commands: &[Uuid]) -> Result<HashMap<Uuid, Outcome>, Failure> {
        store::outcomes::kept(&self.pool, commands).await
    }
}

/// What came of an attempt to settle commands.
enum Written {
    Settled(Vec<Outcome>),
    /// Nothing was settled: these holds have to be ended first.
    RanOut(Vec<ReservationId>),
}

/// What a transaction changed, to be stored and then told to Redis.
#[derive(Default)]
struct Changes {
    held: Vec<Reservation>,
    cancelled: Vec<Reservation>,
    freed: Vec<SeatId>,
    rejected: Vec<Freed>,
}

impl ReservationLane {
    /// Asks Redis who comes too late; the others, and everybody when Redis is away, go to Postgres.
    async fn turn_away_losers(&self, commands: &[Arc<Envelope>]) -> Vec<Option<Outcome>> {
        let mut outcomes = vec![None; commands.len()];
        let (mut indices, mut asking) = (Vec::new(), Vec::new());
        let mut released = false;
        for (n, command) in commands.iter().enumerate() {
            released |= matches!(command.command, Command::ReleaseReservation(_));
            // Seats of another schedule are Postgres' to refuse, whose locks are not among those of the hold's schedule,
            // and so is a token that does not open it.
            if let (Command::HoldSeats(hold), Some(token)) = (&command.command, command.token)
                && hold.seat_ids.as_slice().iter().all(|seat| seat.schedule() == hold.schedule_id)
                && [hold.schedule_id, ScheduleId::SERVICE_WIDE].contains(&token.schedule())
            {
                indices.push(n);
                // What may be answered with more than who was first is Postgres' to say, and so is what has become of
                // seats that may be released a moment before.
                let contested = command.idempotency_key.is_some() || hold.only_hold || released;
                asking.push(Asking { command: command.id, token, contested, hold });
            }
        }
        for (n, verdict) in indices.into_iter().zip(self.redis.lock_seats(&asking, Time::now()).await) {
            if let Verdict::Lost(seats) = verdict {
                outcomes[n] = Some(Outcome::rejected(&seat_taken(seats)));
            }
        }
        outcomes
    }

    async fn write(&self, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let mut ended = Vec::new();
        loop {
            match self.try_write(commands.clone(), &ended).await? {
                Written::Settled(outcomes) => return Ok(outcomes),
                // Their end comes before the next hold of their seats, for whoever follows the events.
                Written::RanOut(holds) => {
                    holds::expire(&self.pool, &self.redis, Which::These(&holds)).await?;
                    ended = holds;
                }
            }
        }
    }

    /// Settles the commands, unless a seat that they want is of a hold that ran out and that nobody has ended yet.
    async fn try_write(&self, commands: Vec<Arc<Envelope>>, ended: &[ReservationId]) -> Result<Written, Failure> {
        let wanted = wanted(&commands);
        let (mut batch, answers) = Batch::begin_and_ask(&self.pool, commands, |more| wanted.ask(more)).await?;
        let found = wanted.found(answers, self.limits.seats_per_user)?;
        let callers = Callers::from(found.tokens);
        let proven = |command: &Envelope| match &command.command {
            Command::HoldSeats(hold) => {
                callers.of(command).ok().map(|token| token.user).filter(|user| *user == hold.user_id)
            }
            _ => None,
        };
        batch.replay_keys(proven).await?;
        let open = batch.open();
        attempts::record(&mut batch, &open, &callers).await?;
        let open = batch.open();
        let mut sale = Sale {
            schedules: found.windows,
            seats: views::by_id(found.seats),
            reservations: found.reservations.into_iter().map(|reservation| (reservation.id, reservation)).collect(),
            seats_of_users: found.seats_of_users,
            holds_of_users: holds_of_users(&mut batch, &open).await?,
        };
        let ran_out = sale.ran_out(batch.now());
        if !ran_out.is_empty() && ran_out != ended {
            batch.abandon().await?;
            return Ok(Written::RanOut(ran_out));
        }
        let changes = self.decide(&mut batch, &open, &callers, &mut sale).await?;
        let holds = holds_of_touched_tokens(&mut batch, &changes, &callers).await?;
        let outcomes = batch.commit_with(Some(&rows(&changes, &sale, &holds))).await?;
        self.tell_redis(&changes, &sale).await;
        Ok(Written::Settled(outcomes))
    }

    /// Decides the open commands one after another, in their order of arrival.
    async fn decide(
        &self,
        batch: &mut Batch,
        open: &[(usize, Arc<Envelope>)],
        callers: &Callers,
        sale: &mut Sale,
    ) -> Result<Changes, Failure> {
        let holds = open.iter().filter(|(_, command)| matches!(command.command, Command::HoldSeats(_))).count();
        let mut numbers = self.numbers.draw(batch.db(), holds).await?.into_iter();
        let now = batch.now();
        let mut changes = Changes::default();
        for (n, command) in open {
            let result = match &command.command {
                Command::HoldSeats(hold) => {
                    let number = numbers.next().expect("a number was drawn for each hold");
                    let id = ReservationId::new(hold.schedule_id.compose(number));
                    let held = callers
                        .of(command)
                        .and_then(|caller| sale.hold(hold, command.id, caller, id, now, self.limits.hold_ttl));
                    match held {
                        Ok(reservation) => {
                            let view = views::reservation(&reservation, &sale.seats, now);
                            batch.event(held_event(&reservation));
                            changes.held.push(reservation);
                            Ok(Outcome::done(&view))
                        }
                        Err(rejection) => {
                            let freed = |seat: &SeatId| Freed { seat: *seat, command: command.id, was_held: false };
                            changes.rejected.extend(hold.seat_ids.as_slice().iter().map(freed));
                            Err(rejection)
                        }
                    }
                }
                Command::ReleaseReservation(release) => {
                    let id = release.reservation_id;
                    callers.of(command).and_then(|caller| sale.release(id, caller, now)).map(|release| {
                        if let Release::Freed(seats) = release {
                            let reservation = sale.reservations[&id].clone();
                            batch.event(released_event(&reservation));
                            changes.freed.extend(seats);
                            changes.cancelled.push(reservation);
                        }
                        Outcome::done(&json!({}))
                    })
                }
                _ => Err(Rejection::of(Code::Internal)),
            };
            batch.settle(*n, result);
        }
        Ok(changes)
    }

    async fn tell_redis(&self, changes: &Changes, sale: &Sale) {
        let mut released = changes.rejected.clone();
        // Those that were released before are told once more: whoever released them may have died before it told.
        for over in sale.reservations.values().filter(|over| over.status == ReservationStatus::Cancelled) {
            released.extend(over.seats.iter().map(|seat| Freed { seat: *seat, command: over.command, was_held: true }));
        }
        if !self.redis.release_seats(&released).await {
            tokio::spawn(release_later(self.redis.clone(), released, self.limits.hold_ttl));
        }
        for held in &changes.held {
            self.keeper.keep(held.seats.iter().map(|seat| (*seat, held.command, held.expires_at)));
        }
    }

    async fn read(&self, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let mut db = self.pool.acquire().await?;
        let now = Time::now();
        let wanted = |command: &Envelope| match &command.command {
            Command::GetReservation(GetReservation { reservation_id }) => Some(*reservation_id),
            _ => None,
        };
        let callers = Callers::read(&mut db, commands.iter().map(|command| &**command)).await?;
        let ids = sorted(commands.iter().filter_map(|command| wanted(command)).map(ReservationId::get).collect());
        let reservations: HashMap<ReservationId, Reservation> =
            store::reservations::read(&mut db, &ids).await?.into_iter().map(|found| (found.id, found)).collect();
        let seats = reservations.values().flat_map(|found| &found.seats).map(|seat| seat.get()).collect();
        let seats = views::by_id(store::seats::read(&mut db, &sorted(seats)).await?);
        let find = |command: &Envelope| {
            let caller = callers.live(command, now)?;
            let found = wanted(command).and_then(|id| reservations.get(&id)).ok_or(Code::ReservationNotFound)?;
            found.demand_owner(caller)?;
            Ok(Outcome::done(&views::reservation(found, &seats, now)))
        };
        let logs = attempts::read(&mut db, &commands).await?;
        db.give_back();
        Ok(commands.iter().zip(logs).map(|(command, log)| log.unwrap_or_else(|| find(command)).into()).collect())
    }
}

/// Has Redis release locks when it is back: a lock that stays turns people away from a free seat until its hold would have
/// ended.
async fn release_later(redis: Redis, freed: Vec<Freed>, hold_ttl: Duration) {
    let ended_at = tokio::time::Instant::now() + hold_ttl;
    while tokio::time::Instant::now() < ended_at {
        tokio::time::sleep(RELEASE_PAUSE).await;
        if redis.release_seats(&freed).await {
            return;
        }
    }
}

/// The rows that the decisions look at.
///
/// For holds every other live token that opens the schedule to the user is locked too: together they are the user's lock
/// within the schedule. Of two holds with different tokens at least one sees the other's token, which was there before its
/// own, and waits for it.
fn wanted(commands: &[Arc<Envelope>]) -> Wanted {
    let mut wanted = Wanted::default();
    for command in commands {
        wanted.tokens.extend(command.token.map(QueueToken::uuid));
        match &command.command {
            Command::HoldSeats(hold) => {
                let other_room = command.token.map(|token| match token.schedule() {
                    ScheduleId::SERVICE_WIDE => hold.schedule_id,
                    _ => ScheduleId::SERVICE_WIDE,
                });
                wanted.other_tokens.extend(other_room.map(|room| (hold.user_id, room)));
                wanted.schedules.insert(hold.schedule_id.get());
                wanted.users.insert((hold.user_id, hold.schedule_id));
                wanted.seats.extend(hold.seat_ids.as_slice().iter().map(|seat| seat.get()));
            }
            Command::ReleaseReservation(release) => {
                wanted.reservations.insert(release.reservation_id.get());
            }
            _ => {}
        }
    }
    wanted
}

/// How many reservations the users have whose hold is to be their only one. Their accounts are locked first: another hold
/// may come with a token of another schedule, which no lock of this one's meets.
async fn holds_of_users(batch: &mut Batch, open: &[(usize, Arc<Envelope>)]) -> Result<HashMap<UserId, u32>, Failure> {
    let only_holder = |command: &Envelope| match &command.command {
        Command::HoldSeats(hold) if hold.only_hold => Some(hold.user_id.get()),
        _ => None,
    };
    let users = sorted(open.iter().filter_map(|(_, command)| only_holder(command)).collect());
    store::accounts::lock(batch.db(), &users).await?;
    let now = batch.now();
    Ok(store::reservations::holds_of_users(batch.db(), &users, now).await?.into_iter().collect())
}

/// What was decided, as rows. Redis is not told that holds keep their tokens alive for longer: there, a token that seems to
/// be over is one for Postgres to decide about.
fn rows<'a>(changes: &'a Changes, sale: &'a Sale, tokens: &'a [(QueueToken, Option<Time>)]) -> Changed<'a> {
    let mut seats: Vec<SeatId> = changes.held.iter().flat_map(|held| held.seats.iter().copied()).collect();
    seats.extend(&changes.freed);
    Changed {
        held: &changes.held,
        cancelled: &changes.cancelled,
        seats: sorted(seats).iter().filter_map(|id| sale.seats.get(id)).collect(),
        tokens,
    }
}

/// Until when live holds keep the tokens alive that this batch held or released with. Only tokens that the batch has
/// locked: a reservation may have been made with an older token of its user, which is over.
async fn holds_of_touched_tokens(
    batch: &mut Batch,
    changes: &Changes,
    callers: &Callers,
) -> Result<Vec<(QueueToken, Option<Time>)>, Failure> {
    let now = batch.now();
    let mut holds: HashMap<QueueToken, Option<Time>> = HashMap::new();
    let released: Vec<(QueueToken, UserId)> = changes
        .cancelled
        .iter()
        .map(|cancelled| (cancelled.token, cancelled.user))
        .filter(|(token, _)| callers.has(*token))
        .collect();
    if !released.is_empty() {
        holds.extend(released.iter().map(|(token, _)| (*token, None)));
        let over: Vec<i64> = changes.cancelled.iter().map(|cancelled| cancelled.id.get()).collect();
        for (token, until) in store::reservations::holds_of_tokens(batch.db(), &released, &over, now).await? {
            holds.insert(token, Some(until));
        }
    }
    // All holds of a batch end at the same time, later than any older one.
    holds.extend(changes.held.iter().map(|held| (held.token, Some(held.expires_at))));
    Ok(holds.into_iter().collect())
}

fn held_event(reservation: &Reservation) -> NewEvent {
    NewEvent::of(&SeatsHeld {
        reservation_id: reservation.id,
        schedule_id: reservation.id.schedule(),
        user_id: reservation.user,
        seat_ids: reservation.seats.clone(),
        total_amount: reservation.total_amount,
        expires_at: reservation.expires_at,
    })
}

fn released_event(reservation: &Reservation) -> NewEvent {
    NewEvent::of(&SeatsReleased {
        reservation_id: reservation.id,
        schedule_id: reservation.id.schedule(),
        user_id: reservation.user,
        seat_ids: reservation.seats.clone(),
        total_amount: reservation.total_amount,
    })
}
