//! Has a lane settle a batch, whatever happens: failures that pass are retried, a command that the database refuses, that
//! makes the lane panic, or that wants a row which somebody keeps locked, is found in halves and stands alone, and what is
//! past its deadline is not executed.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onsale_common::contract::{Code, Envelope, Outcome, Rejection};
use onsale_common::time::Time;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::LaneWorker;
use crate::failure::{Failure, Remedy};
use crate::store::pool;

const RETRY_PAUSE_MIN: Duration = Duration::from_millis(10);
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(400);
/// How long those who want a locked row are tried again. With what the first try waits for a lock, this is longer than
/// the two seconds for which a worker that hangs keeps its rows.
const LOCKED_MAX: Duration = Duration::from_secs(2);
const LOCKED_PAUSE: Duration = Duration::from_millis(100);
/// How long the work of a batch may take. Postgres bounds each of its steps far below that; what takes longer waits for
/// an answer that was lost on its way.
const WORK_MAX: Duration = Duration::from_secs(60);

/// A command that the lane could not settle, for the dead letters.
pub(super) struct Casualty {
    /// Its place in the batch.
    pub(super) at: usize,
    pub(super) reason: String,
    /// Whether its answer says that it may be sent again: then that is enough, where somebody hears it.
    pub(super) may_come_again: bool,
}

/// What became of a batch.
pub(super) struct Settled {
    /// One for each command; none of those that want a locked row.
    outcomes: Vec<Option<Outcome>>,
    /// Those that had to be given up.
    pub(super) casualties: Vec<Casualty>,
}

impl Settled {
    /// Whether some commands of the batch are settled.
    pub(super) fn has(&self, range: &Range<usize>) -> bool {
        self.outcomes[range.clone()].iter().all(Option::is_some)
    }

    /// The outcomes of some commands that are settled.
    pub(super) fn of(&self, range: &Range<usize>) -> impl Iterator<Item = Outcome> {
        self.outcomes[range.clone()].iter().map(|outcome| outcome.clone().expect("what is answered is settled"))
    }

    /// That a command was too late, or one too many, says that nothing was done, which is not known of one that another
    /// worker may be at.
    fn doubt_undone(&mut self, commands: &[Arc<Envelope>], came_again: &[bool]) {
        let undone = [Code::DeadlineExceeded, Code::Overloaded].map(|code| Outcome::rejected(&Rejection::of(code)));
        for ((outcome, command), came_again) in self.outcomes.iter_mut().zip(commands).zip(came_again) {
            if *came_again
                && command.command.name().has_effect()
                && outcome.as_ref().is_some_and(|outcome| undone.contains(outcome))
            {
                *outcome = Some(Outcome::rejected(&Rejection::of(Code::Timeout)));
            }
        }
    }

    fn keep(&mut self, first: usize, outcomes: Vec<Outcome>) {
        for (slot, outcome) in self.outcomes[first..].iter_mut().zip(outcomes) {
            *slot = Some(outcome);
        }
    }

    fn bury(&mut self, at: usize, command: &Envelope, reason: String) {
        tracing::error!(command = %command.id, kind = command.command.name().as_str(), reason, "a command could not be settled");
        self.give_up(at, Code::Internal, reason);
    }

    fn give_up(&mut self, at: usize, code: Code, reason: String) {
        let may_come_again = code != Code::Internal;
        self.outcomes[at] = Some(Outcome::rejected(&Rejection::of(code)));
        self.casualties.push(Casualty { at, reason, may_come_again });
    }
}

/// Settles a batch, but for those who want a row that somebody keeps locked. `came_again` says which commands another
/// worker may be at, so that what it does with them is not known.
pub(super) async fn settle<L: LaneWorker>(lane: &Arc<L>, commands: &[Arc<Envelope>], came_again: &[bool]) -> Settled {
    let mut settled = Settled { outcomes: vec![None; commands.len()], casualties: Vec::new() };
    // Ranges still to do; halves of a failed range are pushed back, the earlier half on top.
    let mut ranges = Vec::new();
    ranges.push(0..commands.len());
    let mut in_haste = false;
    while let Some(range) = ranges.pop() {
        match settle_range(lane, &commands[range.clone()], in_haste).await {
            Ok(outcomes) => settled.keep(range.start, outcomes),
            Err(Obstacle::OneOfThem(reason)) if range.len() == 1 => {
                settled.bury(range.start, &commands[range.start], reason);
            }
            Err(Obstacle::Locked(_)) if range.len() == 1 => {}
            Err(obstacle) => {
                tracing::warn!(lane = %L::LANE, commands = range.len(), %obstacle, "a batch failed and is tried in halves");
                // To wait for a lock once is enough to find that it is for long.
                in_haste |= matches!(obstacle, Obstacle::Locked(_));
                let middle = range.start + range.len() / 2;
                ranges.push(middle..range.end);
                ranges.push(range.start..middle);
            }
        }
    }
    settled.doubt_undone(commands, came_again);
    settled
}

/// Settles those who wanted a locked row, each by itself, as soon as they can have it; after a while they are given up.
/// They take `turns` with those of other batches.
pub(super) async fn settle_parted<L: LaneWorker>(
    lane: &Arc<L>,
    commands: &[Arc<Envelope>],
    settled: &mut Settled,
    turns: &Mutex<()>,
    came_again: &[bool],
) {
    let locked_until = Instant::now() + LOCKED_MAX;
    loop {
        let open: Vec<usize> = (0..commands.len()).filter(|n| settled.outcomes[*n].is_none()).collect();
        if open.is_empty() {
            return settled.doubt_undone(commands, came_again);
        }
        tokio::time::sleep(LOCKED_PAUSE).await;
        for n in open {
            let turn = turns.lock().await;
            let tried = settle_range(lane, &commands[n..=n], true).await;
            drop(turn);
            match tried {
                Ok(outcomes) => settled.keep(n, outcomes),
                Err(Obstacle::OneOfThem(reason)) => settled.bury(n, &commands[n], reason),
                Err(Obstacle::Locked(_)) if Instant::now() < locked_until => {}
                Err(Obstacle::Locked(reason)) => {
                    tracing::warn!(lane = %L::LANE, reason, "a row is locked for too long; a command may come again");
                    match kept_or(lane, &commands[n..=n], |command| locked_out(command, came_again[n])).await.remove(0)
                    {
                        Ok(outcome) => settled.outcomes[n] = Some(outcome),
                        Err(code) => settled.give_up(n, code, reason),
                    }
                }
            }
        }
    }
}

/// Why a command that waited for a locked row was not settled: it may have waited for another with its idempotency key.
fn locked_out(command: &Envelope, may_be_under_way: bool) -> Code {
    match (&command.idempotency_key, may_be_under_way) {
        (Some(_), _) => Code::IdempotencyInProgress,
        (None, true) => Code::Timeout,
        (None, false) => Code::Overloaded,
    }
}

/// Why commands cannot be settled together.
#[derive(Debug, thiserror::Error)]
enum Obstacle {
    /// One of them must be the cause.
    #[error("{0}")]
    OneOfThem(String),
    /// One of them wants a row that somebody keeps locked.
    #[error("{0}")]
    Locked(String),
}

/// Settles some commands; what passes is waited for.
async fn settle_range<L: LaneWorker>(
    lane: &Arc<L>,
    commands: &[Arc<Envelope>],
    in_haste: bool,
) -> Result<Vec<Outcome>, Obstacle> {
    let mut pause = RETRY_PAUSE_MIN;
    // Whether an attempt may still be committed: then nobody can say of those whose time is over that nothing was done.
    let mut in_doubt = false;
    loop {
        let now = Time::now();
        let in_time: Vec<_> = commands.iter().filter(|command| command.deadline > now).cloned().collect();
        let settled = if in_time.is_empty() {
            Vec::new()
        } else {
            let work = lane.clone().settle(in_time.clone());
            let done = if in_haste {
                pool::bounded(WORK_MAX, pool::in_haste(work)).await
            } else {
                pool::bounded(WORK_MAX, work).await
            };
            match done {
                Ok(Ok(outcomes)) => outcomes,
                Ok(Err(failure)) => match failure.remedy() {
                    Remedy::Isolate => return Err(Obstacle::OneOfThem(failure.to_string())),
                    Remedy::Part => return Err(Obstacle::Locked(failure.to_string())),
                    Remedy::Retry => {
                        tracing::warn!(lane = %L::LANE, commands = in_time.len(), %failure, "a batch is tried again");
                        in_doubt |= failure.may_be_committed();
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(RETRY_PAUSE_MAX);
                        continue;
                    }
                },
                Err(panic) => return Err(Obstacle::OneOfThem(format!("the lane panicked: {panic}"))),
            }
        };
        let mut settled = settled.into_iter();
        let late: Vec<_> = commands.iter().filter(|command| command.deadline <= now).cloned().collect();
        let too_late = |command: &Envelope| {
            let in_doubt = in_doubt && command.command.name().has_effect();
            if in_doubt { Code::Timeout } else { Code::DeadlineExceeded }
        };
        let late = kept_or(lane, &late, too_late).await.into_iter();
        let mut late = late.map(|known| known.unwrap_or_else(|code| Outcome::rejected(&Rejection::of(code))));
        let outcome = |command: &Arc<Envelope>| if command.deadline > now { settled.next() } else { late.next() };
        return Ok(commands.iter().map(outcome).map(|outcome| outcome.expect("each has one of its own")).collect());
    }
}

/// What some commands that are not settled did before, or else why nothing was done.
async fn kept_or<L: LaneWorker>(
    lane: &Arc<L>,
    commands: &[Arc<Envelope>],
    why: impl Fn(&Envelope) -> Code,
) -> Vec<Result<Outcome, Code>> {
    let with_effect = |command: &&Arc<Envelope>| command.command.name().has_effect();
    let ids: Vec<Uuid> = commands.iter().filter(with_effect).map(|command| command.id).collect();
    let kept = if ids.is_empty() {
        Ok(HashMap::new())
    } else {
        let lane = lane.clone();
        let asked = pool::bounded(WORK_MAX, async move { lane.kept(&ids).await }).await;
        asked.unwrap_or_else(|panic| {
            tracing::error!(%panic, "looking for what commands did before ended");
            Err(Failure::Silent)
        })
    };
    if let Err(failure) = &kept {
        tracing::warn!(lane = %L::LANE, %failure, "what commands did before is not known");
    }
    let outcome = |command: &Arc<Envelope>| match &kept {
        Ok(kept) => kept.get(&command.id).cloned().ok_or_else(|| why(command)),
        Err(_) if command.command.name().has_effect() => Err(Code::Timeout),
        Err(_) => Err(why(command)),
    };
    commands.iter().map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use onsale_common::contract::{Command, Lane, admission};

    use super::*;

    /// A lane that refuses, panics or stumbles over the commands that it is told to, or hears nothing of Postgres.
    #[derive(Default)]
    struct Stumbling {
        hears_nothing: Mutex<u32>,
        refuses: Vec<Uuid>,
        panics: Vec<Uuid>,
        done: Vec<Uuid>,
        overtaken: Mutex<u32>,
    }

    impl LaneWorker for Stumbling {
        const LANE: Lane = Lane::Admission;

        async fn settle(self: Arc<Self>, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
            let hears_nothing = {
                let mut times = self.hears_nothing.lock().unwrap();
                let hears_nothing = *times > 0;
                *times -= u32::from(hears_nothing);
                hears_nothing
            };
            if hears_nothing {
                std::future::pending::<()>().await;
            }
            {
                let mut overtaken = self.overtaken.lock().unwrap();
                if *overtaken > 0 {
                    *overtaken -= 1;
                    return Err(Failure::Overtaken("test"));
                }
            }
            assert!(!commands.iter().any(|command| self.panics.contains(&command.id)), "told to panic");
            if commands.iter().any(|command| self.refuses.contains(&command.id)) {
                return Err(Failure::Postgres(sqlx::Error::RowNotFound));
            }
            Ok(commands.iter().map(|command| Outcome::done(&command.id)).collect())
        }

        async fn kept(&self, commands: &[Uuid]) -> Result<HashMap<Uuid, Outcome>, Failure> {
            if commands.iter().any(|id| self.refuses.contains(id)) {
                return Err(Failure::Postgres(sqlx::Error::PoolTimedOut));
            }
            Ok(commands.iter().filter(|id| self.done.contains(id)).map(|id| (*id, Outcome::done(id))).collect())
        }
    }

    fn commands(n: usize, deadline: Time) -> Vec<Arc<Envelope>> {
        commands_to(&Command::GetToken(admission::GetToken::default()), n, deadline)
    }

    fn commands_to(command: &Command, n: usize, deadline: Time) -> Vec<Arc<Envelope>> {
        let command = || Envelope {
            id: Uuid::now_v7(),
            deadline,
            token: None,
            caller: None,
            idempotency_key: None,
            command: command.clone(),
        };
        (0..n).map(|_| Arc::new(command())).collect()
    }

    #[tokio::test]
    async fn a_refused_and_a_panicking_command_harm_only_themselves() {
        let commands = commands(100, Time::now().plus(Duration::from_secs(60)));
        let lane = Arc::new(Stumbling {
            refuses: vec![commands[17].id],
            panics: vec![commands[80].id],
            overtaken: Mutex::new(3),
            ..Stumbling::default()
        });
        let settled = settle(&lane, &commands, &[false; 100]).await;
        for (n, outcome) in settled.of(&(0..100)).enumerate() {
            assert_eq!(outcome.ok, n != 17 && n != 80, "command {n}");
        }
        assert_eq!(settled.casualties.iter().map(|casualty| casualty.at).collect::<Vec<_>>(), [17, 80]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_hears_nothing_of_postgres_is_given_up_and_begun_again() {
        let commands = commands(3, Time::now().plus(Duration::from_secs(3600)));
        let lane = Arc::new(Stumbling { hears_nothing: Mutex::new(2), ..Stumbling::default() });
        let started = tokio::time::Instant::now();
        assert!(settle(&lane, &commands, &[false; 3]).await.of(&(0..3)).all(|outcome| outcome.ok));
        assert!(started.elapsed() >= WORK_MAX * 2, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_too_late_after_an_attempt_that_may_be_committed_does_not_hear_that_nothing_was_done() {
        let soon = Time::now().plus(Duration::from_millis(20));
        let commands = commands_to(&Command::LeaveQueue(admission::LeaveQueue::default()), 1, soon);
        let lane = Arc::new(Stumbling { hears_nothing: Mutex::new(u32::MAX), ..Stumbling::default() });
        let outcomes: Vec<_> = settle(&lane, &commands, &[false]).await.of(&(0..1)).collect();
        assert!(outcomes[0].json.contains("TIMEOUT"), "{outcomes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_in_time_although_nobody_waits_for_it_any_more() {
        let (alive, dropped) = tokio::sync::oneshot::channel::<()>();
        let work = async move {
            let _alive = alive;
            std::future::pending::<Result<(), Failure>>().await
        };
        let waiter = tokio::spawn(pool::bounded(WORK_MAX, work));
        tokio::task::yield_now().await;
        waiter.abort();
        assert!(tokio::time::timeout(WORK_MAX * 2, dropped).await.is_ok_and(|alive| alive.is_err()));
    }

    #[tokio::test]
    async fn a_command_past_its_deadline_is_not_executed() {
        let commands = commands(2, Time(Time::now().0 - chrono::TimeDelta::seconds(1)));
        let lane = Arc::new(Stumbling { panics: vec![commands[0].id], ..Default::default() });
        let settled = settle(&lane, &commands, &[true; 2]).await;
        assert!(settled.of(&(0..2)).all(|outcome| outcome.json.contains("DEADLINE_EXCEEDED")));
        assert!(settled.casualties.is_empty());
    }

    #[tokio::test]
    async fn what_was_done_before_the_deadline_is_told_after_it() {
        let past = Time(Time::now().0 - chrono::TimeDelta::seconds(1));
        let commands = commands_to(&Command::LeaveQueue(admission::LeaveQueue::default()), 2, past);
        let lane = Arc::new(Stumbling { done: vec![commands[1].id], ..Stumbling::default() });
        let outcomes: Vec<_> = settle(&lane, &commands, &[false; 2]).await.of(&(0..2)).collect();
        assert!(outcomes[0].json.contains("DEADLINE_EXCEEDED"), "{outcomes:?}");
        assert_eq!(outcomes[1], Outcome::done(&commands[1].id));
        let outcomes: Vec<_> = settle(&lane, &commands, &[true; 2]).await.of(&(0..2)).collect();
        assert!(outcomes[0].json.contains("TIMEOUT"), "another worker may be at it: {outcomes:?}");
        assert_eq!(outcomes[1], Outcome::done(&commands[1].id));
        let away = Arc::new(Stumbling { refuses: vec![commands[0].id], ..Stumbling::default() });
        let outcomes: Vec<_> = settle(&away, &commands, &[false; 2]).await.of(&(0..2)).collect();
        assert!(outcomes.iter().all(|outcome| outcome.json.contains("TIMEOUT")), "{outcomes:?}");
    }
}
