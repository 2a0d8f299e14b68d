//! Has a lane settle a batch, whatever happens: failures that pass are retried, a command that the database refuses or
//! that makes the lane panic is found in halves and stands alone, and what is past its deadline is not executed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use onsale_common::contract::{Code, Envelope, Outcome, Rejection};
use onsale_common::time::Time;
use uuid::Uuid;

use super::LaneWorker;
use crate::failure::Remedy;

const RETRY_PAUSE_MIN: Duration = Duration::from_millis(10);
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(400);

/// A command that the lane could not settle, for the dead letters.
pub(super) struct Casualty {
    pub(super) command: Arc<Envelope>,
    pub(super) reason: String,
}

/// One outcome for each command, and the commands that had to be given up.
pub(super) struct Settled {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) casualties: Vec<Casualty>,
}

/// Settles a batch.
pub(super) async fn settle<L: LaneWorker>(lane: &Arc<L>, commands: Vec<Arc<Envelope>>) -> Settled {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; commands.len()];
    let mut casualties = Vec::new();
    // Ranges still to do; halves of a failed range are pushed back, the earlier half on top.
    let mut ranges = Vec::new();
    ranges.push(0..commands.len());
    while let Some(range) = ranges.pop() {
        match settle_range(lane, &commands[range.clone()]).await {
            Ok(settled) => {
                for (slot, outcome) in outcomes[range].iter_mut().zip(settled) {
                    *slot = Some(outcome);
                }
            }
            Err(reason) if range.len() == 1 => {
                let command = commands[range.start].clone();
                tracing::error!(command = %command.id, kind = command.command.name().as_str(), reason, "a command could not be settled");
                outcomes[range.start] = Some(Outcome::rejected(&Rejection::of(Code::Internal)));
                casualties.push(Casualty { command, reason });
            }
            Err(reason) => {
                tracing::warn!(commands = range.len(), reason, "a batch failed and is tried in halves");
                let middle = range.start + range.len() / 2;
                ranges.push(middle..range.end);
                ranges.push(range.start..middle);
            }
        }
    }
    let outcomes = outcomes.into_iter().map(|outcome| outcome.expect("every range was settled")).collect();
    Settled { outcomes, casualties }
}

/// Settles some commands; the error says why one of them must be the cause.
async fn settle_range<L: LaneWorker>(lane: &Arc<L>, commands: &[Arc<Envelope>]) -> Result<Vec<Outcome>, String> {
    let mut pause = RETRY_PAUSE_MIN;
    loop {
        let now = Time::now();
        let in_time: Vec<_> = commands.iter().filter(|command| command.deadline > now).cloned().collect();
        let settled = if in_time.is_empty() {
            Vec::new()
        } else {
            // A task of its own: a panic ends only that, and database work is never cancelled half-way.
            match tokio::spawn(lane.clone().settle(in_time.clone())).await {
                Ok(Ok(outcomes)) => outcomes,
                Ok(Err(failure)) if failure.remedy() == Remedy::Isolate => return Err(failure.to_string()),
                Ok(Err(failure)) if failure.is_lock_timeout() && in_progress(&in_time) => {
                    vec![Outcome::rejected(&Rejection::of(Code::IdempotencyInProgress))]
                }
                Ok(Err(failure)) => {
                    tracing::warn!(lane = %L::LANE, commands = in_time.len(), %failure, "a batch is tried again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                    continue;
                }
                Err(panic) => return Err(format!("the lane panicked: {panic}")),
            }
        };
        let mut settled = settled.into_iter();
        let mut late = too_late(lane, commands.iter().filter(|command| command.deadline <= now)).await.into_iter();
        let outcome = |command: &Arc<Envelope>| if command.deadline > now { settled.next() } else { late.next() };
        return Ok(commands.iter().map(outcome).map(|outcome| outcome.expect("each has one of its own")).collect());
    }
}

/// What is answered to commands that came too late: what they did before, or that nothing was done.
async fn too_late<L: LaneWorker>(lane: &Arc<L>, commands: impl Iterator<Item = &Arc<Envelope>>) -> Vec<Outcome> {
    let commands: Vec<_> = commands.collect();
    let with_effect = |command: &&&Arc<Envelope>| command.command.name().has_effect();
    let ids: Vec<Uuid> = commands.iter().filter(with_effect).map(|command| command.id).collect();
    let kept = if ids.is_empty() { Ok(HashMap::new()) } else { lane.kept(&ids).await };
    if let Err(failure) = &kept {
        tracing::warn!(lane = %L::LANE, %failure, "what late commands did before is not known");
    }
    let outcome = |command: &Arc<Envelope>| match &kept {
        Ok(kept) => kept.get(&command.id).cloned().ok_or(Code::DeadlineExceeded),
        Err(_) if command.command.name().has_effect() => Err(Code::Timeout),
        Err(_) => Err(Code::DeadlineExceeded),
    };
    commands.into_iter().map(|command| outcome(command).map_err(Rejection::of).into()).collect()
}

/// Whether the one command that waited for a lock in vain may have waited for another with its idempotency key.
fn in_progress(commands: &[Arc<Envelope>]) -> bool {
    matches!(commands, [only] if only.idempotency_key.is_some())
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
