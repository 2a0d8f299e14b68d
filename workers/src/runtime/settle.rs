//! Has a lane settle a batch, whatever happens: failures that pass are retried, a command that the database refuses, that
//! makes the lane panic, or that wants a row which somebody keeps locked, is found in halves and stands alone, and what is
//! past its deadline is not executed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onsale_common::contract::{Code, Envelope, Outcome, Rejection};
use onsale_common::time::Time;
use uuid::Uuid;

use super::LaneWorker;
use crate::failure::Remedy;
use crate::store::pool;

const RETRY_PAUSE_MIN: Duration = Duration::from_millis(10);
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(400);
/// How long commands wait for a row that somebody keeps locked. A worker that hangs keeps its rows for two seconds, until
/// Postgres ends its transaction.
const LOCKED_MAX: Duration = Duration::from_secs(3);
const LOCKED_PAUSE: Duration = Duration::from_millis(50);

/// A command that the lane could not settle, for the dead letters.
pub(super) struct Casualty {
    pub(super) command: Arc<Envelope>,
    pub(super) reason: String,
    /// Whether its answer says that it may be sent again: then that is enough, where somebody hears it.
    pub(super) may_come_again: bool,
}

/// One outcome for each command, and the commands that had to be given up.
pub(super) struct Settled {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) casualties: Vec<Casualty>,
}

/// Settles a batch.
pub(super) async fn settle<L: LaneWorker>(lane: &Arc<L>, commands: Vec<Arc<Envelope>>) -> Settled {
    let locked_until = Instant::now() + LOCKED_MAX;
    let mut outcomes: Vec<Option<Outcome>> = vec![None; commands.len()];
    let mut casualties = Vec::new();
    // Ranges still to do; halves of a failed range are pushed back, the earlier half on top.
    let mut ranges = Vec::new();
    ranges.push(0..commands.len());
    // Those who want a locked row wait here until all the others are settled.
    let mut parted = Vec::new();
    let mut in_haste = false;
    loop {
        if ranges.is_empty() && !parted.is_empty() {
            tokio::time::sleep(LOCKED_PAUSE).await;
            ranges.extend(parted.drain(..).rev());
        }
        let Some(range) = ranges.pop() else { break };
        let some = &commands[range.clone()];
        let halves = || {
            let middle = range.start + range.len() / 2;
            [middle..range.end, range.start..middle]
        };
        match settle_range(lane, some, in_haste).await {
            Ok(settled) => {
                for (slot, outcome) in outcomes[range].iter_mut().zip(settled) {
                    *slot = Some(outcome);
                }
            }
            Err(Obstacle::Locked(reason)) if Instant::now() > locked_until => {
                tracing::warn!(lane = %L::LANE, commands = range.len(), reason, "a row is locked for too long");
                let told = unsettled(lane, some.iter(), waited_in_vain).await;
                for ((slot, outcome), command) in outcomes[range].iter_mut().zip(told).zip(some) {
                    if !outcome.ok {
                        let (command, reason) = (command.clone(), reason.clone());
                        casualties.push(Casualty { command, reason, may_come_again: true });
                    }
                    *slot = Some(outcome);
                }
            }
            Err(Obstacle::Locked(_)) if range.len() == 1 => parted.push(range),
            Err(Obstacle::Locked(reason)) => {
                tracing::warn!(lane = %L::LANE, commands = range.len(), reason, "a batch is tried in halves, to part who wants a locked row");
                ranges.extend(halves());
                in_haste = true;
            }
            Err(Obstacle::OneOfThem(reason)) if range.len() == 1 => {
                let command = some[0].clone();
                tracing::error!(command = %command.id, kind = command.command.name().as_str(), reason, "a command could not be settled");
                outcomes[range.start] = Some(Outcome::rejected(&Rejection::of(Code::Internal)));
                casualties.push(Casualty { command, reason, may_come_again: false });
            }
            Err(Obstacle::OneOfThem(reason)) => {
                tracing::warn!(lane = %L::LANE, commands = range.len(), reason, "a batch failed and is tried in halves");
                ranges.extend(halves());
            }
        }
    }
    let outcomes = outcomes.into_iter().map(|outcome| outcome.expect("every range was settled")).collect();
    Settled { outcomes, casualties }
}

/// Why commands cannot be settled together.
enum Obstacle {
    /// One of them must be the cause.
    OneOfThem(String),
    /// One of them wants a row that somebody keeps locked.
    Locked(String),
}

/// Settles some commands; what passes is waited for.
async fn settle_range<L: LaneWorker>(
    lane: &Arc<L>,
    commands: &[Arc<Envelope>],
    in_haste: bool,
) -> Result<Vec<Outcome>, Obstacle> {
    let mut pause = RETRY_PAUSE_MIN;
    loop {
        let now = Time::now();
        let in_time: Vec<_> = commands.iter().filter(|command| command.deadline > now).cloned().collect();
        let settled = if in_time.is_empty() {
            Vec::new()
        } else {
            let work = lane.clone().settle(in_time.clone());
            // A task of its own: a panic ends only that, and database work is never cancelled half-way.
            let task = if in_haste { tokio::spawn(pool::in_haste(work)) } else { tokio::spawn(work) };
            match task.await {
                Ok(Ok(outcomes)) => outcomes,
                Ok(Err(failure)) => match failure.remedy() {
                    Remedy::Isolate => return Err(Obstacle::OneOfThem(failure.to_string())),
                    Remedy::Part => return Err(Obstacle::Locked(failure.to_string())),
                    Remedy::Retry => {
                        tracing::warn!(lane = %L::LANE, commands = in_time.len(), %failure, "a batch is tried again");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(RETRY_PAUSE_MAX);
                        continue;
                    }
                },
                Err(panic) => return Err(Obstacle::OneOfThem(format!("the lane panicked: {panic}"))),
            }
        };
        let mut settled = settled.into_iter();
        let late = commands.iter().filter(|command| command.deadline <= now);
        let mut late = unsettled(lane, late, |_| Code::DeadlineExceeded).await.into_iter();
        let outcome = |command: &Arc<Envelope>| if command.deadline > now { settled.next() } else { late.next() };
        return Ok(commands.iter().map(outcome).map(|outcome| outcome.expect("each has one of its own")).collect());
    }
}

/// What is answered to commands that are not settled: what they did before, or why nothing was done.
async fn unsettled<L: LaneWorker>(
    lane: &Arc<L>,
    commands: impl Iterator<Item = &Arc<Envelope>>,
    why: impl Fn(&Envelope) -> Code,
) -> Vec<Outcome> {
    let commands: Vec<_> = commands.collect();
    let with_effect = |command: &&&Arc<Envelope>| command.command.name().has_effect();
    let ids: Vec<Uuid> = commands.iter().filter(with_effect).map(|command| command.id).collect();
    let kept = if ids.is_empty() { Ok(HashMap::new()) } else { lane.kept(&ids).await };
    if let Err(failure) = &kept {
        tracing::warn!(lane = %L::LANE, %failure, "what commands did before is not known");
    }
    let outcome = |command: &Arc<Envelope>| match &kept {
        Ok(kept) => kept.get(&command.id).cloned().ok_or_else(|| why(command)),
        Err(_) if command.command.name().has_effect() => Err(Code::Timeout),
        Err(_) => Err(why(command)),
    };
    commands.into_iter().map(|command| outcome(command).map_err(Rejection::of).into()).collect()
}

/// Why a command that waited for a locked row was not settled: it may have waited for another with its idempotency key.
fn waited_in_vain(command: &Envelope) -> Code {
    if command.idempotency_key.is_some() { Code::IdempotencyInProgress } else { Code::Overloaded }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use onsale_common::contract::{Command, Lane, admission};

    use super::*;
    use crate::failure::Failure;

    /// A lane that refuses, panics or stumbles over the commands that it is told to.
    #[derive(Default)]
    struct Stumbling {
        refuses: Vec<Uuid>,
        panics: Vec<Uuid>,
        done: Vec<Uuid>,
        overtaken: Mutex<u32>,
    }

    impl LaneWorker for Stumbling {
        const LANE: Lane = Lane::Admission;

        async fn settle(self: Arc<Self>, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
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
        let settled = settle(&lane, commands.clone()).await;
        for (n, outcome) in settled.outcomes.iter().enumerate() {
            assert_eq!(outcome.ok, n != 17 && n != 80, "command {n}");
        }
        assert_eq!(
            settled.casualties.iter().map(|casualty| casualty.command.id).collect::<Vec<_>>(),
            [commands[17].id, commands[80].id]
        );
    }

    #[tokio::test]
    async fn a_command_past_its_deadline_is_not_executed() {
        let commands = commands(2, Time(Time::now().0 - chrono::TimeDelta::seconds(1)));
        let settled =
            settle(&Arc::new(Stumbling { panics: vec![commands[0].id], ..Default::default() }), commands).await;
        assert!(settled.outcomes.iter().all(|outcome| outcome.json.contains("DEADLINE_EXCEEDED")));
        assert!(settled.casualties.is_empty());
    }

    #[tokio::test]
    async fn what_was_done_before_the_deadline_is_told_after_it() {
        let past = Time(Time::now().0 - chrono::TimeDelta::seconds(1));
        let commands = commands_to(&Command::LeaveQueue(admission::LeaveQueue::default()), 2, past);
        let lane = Arc::new(Stumbling { done: vec![commands[1].id], ..Stumbling::default() });
        let outcomes = settle(&lane, commands.clone()).await.outcomes;
        assert!(outcomes[0].json.contains("DEADLINE_EXCEEDED"), "{outcomes:?}");
        assert_eq!(outcomes[1], Outcome::done(&commands[1].id));
        let away = Arc::new(Stumbling { refuses: vec![commands[0].id], ..Stumbling::default() });
        let outcomes = settle(&away, commands).await.outcomes;
        assert!(outcomes.iter().all(|outcome| outcome.json.contains("TIMEOUT")), "{outcomes:?}");
    }
}
