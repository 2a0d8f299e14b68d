//! The log of attempts: fans write it, organisers read it. It keeps that somebody tried, whatever comes of the hold.

use std::collections::HashSet;
use std::sync::Arc;

use onsale_common::contract::page::{PAGE_LIMIT_DEFAULT, cursor_after};
use onsale_common::contract::reservation::{AttemptPage, AttemptView};
use onsale_common::contract::{Code, Command, Envelope, Outcome, Rejection};
use onsale_common::ids::SeatId;
use sqlx::PgConnection;

use super::sorted;
use crate::domain::attempt::Attempt;
use crate::failure::Failure;
use crate::lanes::batch::Batch;
use crate::lanes::callers::Callers;
use crate::store;
use crate::store::attempts::AttemptsAsked;

/// Settles those commands of a batch that record an attempt.
pub(super) async fn record(
    batch: &mut Batch,
    open: &[(usize, Arc<Envelope>)],
    callers: &Callers,
) -> Result<(), Failure> {
    let asked = |command: &Envelope| match &command.command {
        Command::RecordAttempt(record) => Some(record.seat_id),
        _ => None,
    };
    let asked: Vec<(usize, &Envelope, SeatId)> =
        open.iter().filter_map(|(n, command)| Some((*n, &**command, asked(command)?))).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let now = batch.now();
    let seats = sorted(asked.iter().map(|(_, _, seat)| seat.get()).collect());
    // Not locked: whoever has the seat is none of the log's business.
    let seats: HashSet<SeatId> =
        store::seats::read(batch.db(), &seats).await?.into_iter().map(|seat| seat.id).collect();
    let (mut recorded, mut attempts) = (Vec::new(), Vec::new());
    for (n, command, seat) in asked {
        match callers.of(command).and_then(|token| Attempt::new(seat, seats.contains(&seat), token, now)) {
            Ok(attempt) => {
                recorded.push(n);
                attempts.push(attempt);
            }
            Err(rejection) => batch.settle(n, Err(rejection)),
        }
    }
    let ids = store::attempts::insert(batch.db(), &attempts, now).await?;
    for ((n, attempt), attempt_id) in recorded.into_iter().zip(attempts).zip(ids) {
        let Attempt { seat, user, token } = attempt;
        let view = AttemptView { attempt_id, seat_id: seat, user_id: user, token, attempted_at: now };
        batch.settle(n, Ok(Outcome::done(&view)));
    }
    Ok(())
}

/// Answers those commands that read the log, in their order; nothing for the others.
pub(super) async fn read(
    db: &mut PgConnection,
    commands: &[Arc<Envelope>],
) -> Result<Vec<Option<Result<Outcome, Rejection>>>, Failure> {
    let asked = |command: &Arc<Envelope>| match &command.command {
        Command::ListAttempts(list) => Some(AttemptsAsked {
            schedule: list.schedule_id,
            after: cursor_after(list.cursor.as_deref()),
            // One more than asked tells whether there is a next page.
            limit: list.limit.unwrap_or(PAGE_LIMIT_DEFAULT) + 1,
        }),
        _ => None,
    };
    let asked: Vec<Option<AttemptsAsked>> = commands.iter().map(asked).collect();
    let wanted: Vec<AttemptsAsked> = asked.iter().copied().flatten().collect();
    let mut pages = store::attempts::pages(db, &wanted).await?.into_iter();
    let mut answer = |asked: AttemptsAsked| match pages.next().flatten() {
        Some(found) => Ok(Outcome::done(&page(found, asked.limit as usize - 1))),
        None => Err(Code::ScheduleNotFound.into()),
    };
    Ok(asked.into_iter().map(|asked| asked.map(&mut answer)).collect())
}

fn page(mut attempts: Vec<AttemptView>, limit: usize) -> AttemptPage {
    let is_last = attempts.len() <= limit;
    attempts.truncate(limit);
    let last = attempts.last().filter(|_| !is_last);
    let next_cursor = last.map(|last| last.attempt_id.to_string());
    AttemptPage { attempts, next_cursor }
}
