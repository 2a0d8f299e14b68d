//! The admission lane: joining a waiting room, reading a token, leaving.

mod join;

use std::collections::HashMap;
use std::sync::Arc;

use onsale_common::contract::admission::{TokenStatus, TokenView};
use onsale_common::contract::{Code, Command, Envelope, Lane, Outcome, Rejection};
use onsale_common::ids::{QueueToken, ScheduleId};
use onsale_common::time::Time;
use serde_json::json;
use uuid::Uuid;

use super::batch::Batch;
use super::rooms;
use crate::config::Limits;
use crate::domain::room::Room;
use crate::domain::token::{Token, minutes_to_wait};
use crate::failure::Failure;
use crate::redis::Redis;
use crate::redis::rooms::RoomChange;
use crate::runtime::LaneWorker;
use crate::sorted::sorted;
use crate::store;
use crate::store::pool::Pool;

/// What the lane needs.
pub struct AdmissionLane {
    /// The truth.
    pub pool: Pool,
    /// Order and active set.
    pub redis: Redis,
    /// Lifetimes and limits.
    pub limits: Limits,
    /// Whether only a login proves who joins.
    pub logins_demanded: bool,
}

impl LaneWorker for AdmissionLane {
    const LANE: Lane = Lane::Admission;

    async fn settle(self: Arc<Self>, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; commands.len()];
        let group = |wanted: fn(&Command) -> bool| -> Vec<usize> {
            (0..commands.len()).filter(|n| wanted(&commands[*n].command)).collect()
        };
        let leaving = group(|command| matches!(command, Command::LeaveQueue(_)));
        let joining = group(|command| matches!(command, Command::IssueToken(_)));
        let asking = group(|command| matches!(command, Command::GetToken(_)));
        let pick = |indices: &[usize]| indices.iter().map(|n| commands[*n].clone()).collect::<Vec<_>>();
        // Those who leave make room for those who join, and whoever asks is told what holds after both.
        if !leaving.is_empty() {
            fill(&mut outcomes, &leaving, self.leave(pick(&leaving)).await?);
        }
        if !joining.is_empty() {
            fill(&mut outcomes, &joining, self.join(pick(&joining)).await?);
        }
        if !asking.is_empty() {
            fill(&mut outcomes, &asking, self.read(&pick(&asking)).await?);
        }
        let nothing = || Outcome::rejected(&Rejection::of(Code::Internal));
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(nothing)).collect())
    }

    async fn kept(&self, commands: &[Uuid]) -> Result<HashMap<Uuid, Outcome>, Failure> {
        store::outcomes::kept(&self.pool, commands).await
    }
}

fn fill(outcomes: &mut [Option<Outcome>], indices: &[usize], settled: Vec<Outcome>) {
    for (n, outcome) in indices.iter().zip(settled) {
        outcomes[*n] = Some(outcome);
    }
}

/// The token that a command is about: of its data, or of its envelope.
fn subject(command: &Envelope) -> Result<QueueToken, Rejection> {
    let named = match &command.command {
        Command::GetToken(get) => get.token,
        Command::LeaveQueue(leave) => leave.token,
        _ => None,
    };
    named.or(command.token).ok_or_else(|| Code::TokenMissing.into())
}

fn subjects(commands: &[Arc<Envelope>]) -> Vec<Uuid> {
    sorted(commands.iter().filter_map(|command| subject(command).ok()).map(QueueToken::uuid).collect())
}

impl AdmissionLane {
    /// Leaving again is fine: the caller has what it wants.
    async fn leave(&self, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let mut batch = Batch::begin(&self.pool, commands).await?;
        let open = batch.open();
        let wanted = subjects(&open.iter().map(|(_, command)| command.clone()).collect::<Vec<_>>());
        let tokens: HashMap<QueueToken, Token> =
            store::tokens::lock(batch.db(), &wanted).await?.into_iter().map(|token| (token.token, token)).collect();
        let now = batch.now();
        let mut ended = Vec::new();
        for (n, command) in open {
            let result = subject(&command).and_then(|token| {
                let token = tokens.get(&token).ok_or(Code::TokenNotFound)?;
                token.demand_vouched(command.caller)?;
                if matches!(token.status_at(now), TokenStatus::Waiting | TokenStatus::Active) {
                    ended.push(token.token);
                }
                Ok(Outcome::done(&json!({})))
            });
            batch.settle(n, result);
        }
        store::tokens::expire(batch.db(), &ended, now).await?;
        let outcomes = batch.commit().await?;
        self.redis.change_rooms(&ended.iter().copied().map(RoomChange::Gone).collect::<Vec<_>>()).await;
        for schedule in sorted(ended.iter().map(|token| token.schedule()).collect::<Vec<ScheduleId>>()) {
            // The leaving is committed; should this fail, the next tick of cron admits.
            if let Err(failure) = rooms::admit_waiting(&self.pool, &self.redis, &self.limits, schedule).await {
                tracing::warn!(%schedule, %failure, "nobody was admitted into a freed slot yet");
            }
        }
        Ok(outcomes)
    }

    async fn read(&self, commands: &[Arc<Envelope>]) -> Result<Vec<Outcome>, Failure> {
        let mut db = self.pool.acquire().await?;
        let now = Time::now();
        let tokens = store::tokens::read(&mut db, &subjects(commands)).await?;
        let schedules = sorted(tokens.iter().map(|token| token.schedule.get()).collect());
        let rooms: HashMap<ScheduleId, Room> =
            store::rooms::read(&mut db, &schedules, &self.limits).await?.into_iter().collect();
        let waiting: Vec<(QueueToken, i64)> = tokens
            .iter()
            .filter(|token| token.status_at(now) == TokenStatus::Waiting)
            .map(|token| (token.token, token.ordinal))
            .collect();
        db.give_back();
        let places = rooms::places(&self.pool, &self.redis, &waiting).await?;
        let places: HashMap<QueueToken, u64> = waiting.iter().map(|(token, _)| *token).zip(places).collect();
        let tokens: HashMap<QueueToken, &Token> = tokens.iter().map(|token| (token.token, token)).collect();
        let find = |command: &Envelope| {
            let token = tokens.get(&subject(command)?).ok_or(Code::TokenNotFound)?;
            token.demand_vouched(command.caller)?;
            let place = places.get(&token.token).copied().unwrap_or(0);
            Ok(Outcome::done(&self.view(token, place, rooms.get(&token.schedule), now)))
        };
        Ok(commands.iter().map(|command| find(command).into()).collect())
    }

    fn view(&self, token: &Token, place: u64, room: Option<&Room>, now: Time) -> TokenView {
        let rate = room.map_or(0.0, |room| room.admissions_per_s(self.limits.active_ttl, now));
        TokenView {
            token: token.token,
            queue_position: place,
            estimated_wait_time_minutes: minutes_to_wait(place, rate),
            status: token.status_at(now),
            issued_at: token.issued_at,
            active_at: token.active_at,
            expires_at: token.ends_at(),
        }
    }
}
