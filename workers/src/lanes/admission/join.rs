//! Joining a waiting room: at once active while there is room and nobody waits, else a place at the end of the line.

use std::collections::HashMap;
use std::sync::Arc;

use onsale_common::contract::admission::{IssueToken, TokenStatus};
use onsale_common::contract::{Code, Command, Envelope, Outcome, Rejection};
use onsale_common::ids::{QueueToken, ScheduleId, UserId};
use onsale_common::time::Time;

use super::AdmissionLane;
use crate::domain::room::Room;
use crate::domain::token::Token;
use crate::failure::Failure;
use crate::lanes::batch::Batch;
use crate::lanes::rooms;
use crate::redis::rooms::{RoomChange, RoomGlance};
use crate::sorted::sorted;
use crate::store;
use crate::store::rooms::Admitted;
use crate::store::tokens::NewToken;

/// A user in a schedule's room.
type Standing = (UserId, ScheduleId);

/// What the decisions look at.
struct Loaded {
    /// Those users that exist, sorted.
    users: Vec<i64>,
    rooms: HashMap<ScheduleId, Room>,
    /// Free slots of the rooms that are locked; the others take nobody in now.
    free: HashMap<ScheduleId, u32>,
    /// Active users of the locked rooms, at most.
    active: HashMap<ScheduleId, u32>,
    live: HashMap<Standing, Token>,
}

/// What was decided, in the order of arrival.
#[derive(Default)]
struct Joined {
    new: Vec<(usize, NewToken)>,
    lapsed: Vec<QueueToken>,
}

impl AdmissionLane {
    pub(super) async fn join(&self, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let glances = self.glance(&commands).await?;
        let mut batch = Batch::begin(&self.pool, commands).await?;
        let open = batch.open();
        let mut loaded = self.load(&mut batch, &open, &glances).await?;
        let joined = self.decide(&mut batch, &open, &mut loaded)?;
        let tokens = store_joined(&mut batch, &joined, &loaded).await?;
        let now = batch.now();
        let mut waiting: HashMap<ScheduleId, u64> =
            glances.iter().map(|(schedule, glance)| (*schedule, glance.waiting)).collect();
        for ((n, _), token) in joined.new.iter().zip(&tokens) {
            let mut place = 0;
            if token.status == TokenStatus::Waiting {
                let last = waiting.entry(token.schedule).or_default();
                *last += 1;
                place = *last;
            }
            let view = self.view(token, place, loaded.rooms.get(&token.schedule), now);
            batch.settle(*n, Ok(Outcome::done(&view)));
        }
        let mut outcomes = batch.commit().await?;
        self.tell_redis(&joined, &tokens).await;
        self.correct_places(&joined, &tokens, &loaded, now, &mut outcomes).await;
        Ok(outcomes)
    }

    /// A glance at Redis spares a full room's row: nobody is admitted on its word, only kept from trying.
    async fn glance(&self, commands: &[Arc<Envelope>]) -> Result<HashMap<ScheduleId, RoomGlance>, Failure> {
        let schedules =
            sorted(commands.iter().filter_map(|command| asked(command)).map(|ask| ask.schedule_id).collect());
        let Some(glances) = self.redis.glance(&schedules).await else { return Ok(HashMap::new()) };
        if glances.values().all(|glance| glance.built) {
            return Ok(glances);
        }
        let mut db = self.pool.acquire().await?;
        for schedule in schedules.iter().filter(|schedule| !glances[schedule].built) {
            rooms::build(&mut db, &self.redis, *schedule).await?;
        }
        Ok(self.redis.glance(&schedules).await.unwrap_or_default())
    }

    async fn load(
        &self,
        batch: &mut Batch,
        open: &[(usize, Arc<Envelope>)],
        glances: &HashMap<ScheduleId, RoomGlance>,
    ) -> Result<Loaded, Failure> {
        let asks: Vec<&IssueToken> = open.iter().filter_map(|(_, command)| asked(command)).collect();
        let schedules = sorted(asks.iter().map(|ask| ask.schedule_id.get()).collect());
        let users = sorted(asks.iter().map(|ask| ask.user_id.get()).collect());
        let mut rooms: HashMap<ScheduleId, Room> =
            store::rooms::read(batch.db(), &schedules, &self.limits).await?.into_iter().collect();
        let seems_full = |schedule: &ScheduleId, room: &Room| {
            room.paused
                || glances.get(schedule).is_some_and(|glance| {
                    glance.built && (glance.waiting > 0 || glance.active >= u64::from(room.capacity))
                })
        };
        let to_lock: Vec<i64> =
            sorted(rooms.iter().filter(|(id, room)| !seems_full(id, room)).map(|(id, _)| id.get()).collect());
        let (mut free, mut active) = (HashMap::new(), HashMap::new());
        if !to_lock.is_empty() {
            for (schedule, room) in store::rooms::lock(batch.db(), &to_lock, &self.limits).await? {
                // Whoever waits comes first; the freed slot itself, or the next tick of cron, admits them.
                if !store::rooms::anybody_waits(batch.db(), schedule).await? {
                    let joiners = asks.iter().filter(|ask| ask.schedule_id == schedule).count();
                    let wanted = u32::try_from(joiners).unwrap_or(u32::MAX);
                    let active_now = rooms::active_for(batch.db(), schedule, &room, wanted).await?;
                    free.insert(schedule, room.free(active_now));
                    active.insert(schedule, active_now);
                }
                rooms.insert(schedule, room);
            }
        }
        let users = sorted(store::users::existing(batch.db(), &users).await?);
        let pairs = sorted(asks.iter().map(|ask| (ask.user_id.get(), ask.schedule_id.get())).collect());
        let (of_users, in_schedules): (Vec<i64>, Vec<i64>) = pairs.into_iter().unzip();
        let live = store::tokens::lock_live_of(batch.db(), &of_users, &in_schedules).await?;
        let live = live.into_iter().map(|token| ((token.user, token.schedule), token)).collect();
        Ok(Loaded { users, rooms, free, active, live })
    }

    fn decide(
        &self,
        batch: &mut Batch,
        open: &[(usize, Arc<Envelope>)],
        loaded: &mut Loaded,
    ) -> Result<Joined, Failure> {
        let now = batch.now();
        let mut joined = Joined::default();
        let mut joined_now: HashMap<Standing, QueueToken> = HashMap::new();
        for (n, command) in open {
            let Some(ask) = asked(command) else {
                batch.settle(*n, Err(Code::Internal.into()));
                continue;
            };
            let lapsed = match may_join(self.logins_demanded, command.caller, ask, loaded, &joined_now, now) {
                Ok(lapsed) => lapsed,
                Err(rejection) => {
                    batch.settle(*n, Err(rejection));
                    continue;
                }
            };
            joined.lapsed.extend(lapsed);
            let token = QueueToken::draw(ask.schedule_id).map_err(|error| Failure::Randomness(error.to_string()))?;
            joined_now.insert((ask.user_id, ask.schedule_id), token);
            let free = loaded.free.entry(ask.schedule_id).or_insert(0);
            let active = *free > 0;
            *free -= u32::from(active);
            let expires_at = now.plus(if active { self.limits.active_ttl } else { self.limits.waiting_ttl });
            let new = NewToken { token, schedule: ask.schedule_id, user: ask.user_id, active, expires_at };
            joined.new.push((*n, new));
        }
        Ok(joined)
    }

    async fn tell_redis(&self, joined: &Joined, tokens: &[Token]) {
        let mut changes: Vec<RoomChange> = joined.lapsed.iter().copied().map(RoomChange::Gone).collect();
        changes.extend(tokens.iter().map(|token| match token.status {
            TokenStatus::Active => RoomChange::Active(token.token, token.user, token.expires_at),
            _ => RoomChange::Waits(token.token, token.ordinal),
        }));
        self.redis.change_rooms(&changes).await;
    }

    /// Other workers may have taken in others meanwhile: the place to tell is the one that Redis counts now.
    async fn correct_places(
        &self,
        joined: &Joined,
        tokens: &[Token],
        loaded: &Loaded,
        now: Time,
        outcomes: &mut [Outcome],
    ) {
        let numbered = joined.new.iter().map(|(n, _)| *n).zip(tokens);
        let waiting: Vec<(usize, &Token)> =
            numbered.filter(|(_, token)| token.status == TokenStatus::Waiting).collect();
        if waiting.is_empty() {
            return;
        }
        let asked: Vec<_> = waiting.iter().map(|(_, token)| (token.token, token.ordinal)).collect();
        // Without an answer the estimate of the transaction stands.
        let places = rooms::places_of_joiners(&self.pool, &self.redis, &asked).await.unwrap_or_default();
        for ((n, token), place) in waiting.into_iter().zip(places) {
            outcomes[n] = Outcome::done(&self.view(token, place, loaded.rooms.get(&token.schedule), now));
        }
    }
}

/// Whether a user may join; the token that has lapsed, if nobody has written that down yet.
fn may_join(
    logins_demanded: bool,
    caller: Option<UserId>,
    ask: &IssueToken,
    loaded: &Loaded,
    joined_now: &HashMap<Standing, QueueToken>,
    now: Time,
) -> Result<Option<QueueToken>, Rejection> {
    if loaded.users.binary_search(&ask.user_id.get()).is_err() {
        return Err(Code::UserNotFound.into());
    }
    if caller.is_some_and(|caller| caller != ask.user_id) {
        return Err(Code::Forbidden.into());
    }
    if !loaded.rooms.contains_key(&ask.schedule_id) {
        return Err(Code::ScheduleNotFound.into());
    }
    let standing = (ask.user_id, ask.schedule_id);
    // The owner gets the token back, so that it can go on; nobody else does.
    let exists = |token: QueueToken| match caller {
        None if logins_demanded => Rejection::of(Code::TokenExists),
        _ => Rejection::of(Code::TokenExists).with("token", token.uuid().to_string()),
    };
    if let Some(token) = joined_now.get(&standing) {
        return Err(exists(*token));
    }
    match loaded.live.get(&standing) {
        Some(token) if token.status_at(now) == TokenStatus::Expired => Ok(Some(token.token)),
        Some(token) => Err(exists(token.token)),
        None => Ok(None),
    }
}

/// Stores what was decided; returns the tokens as they are stored.
async fn store_joined(batch: &mut Batch, joined: &Joined, loaded: &Loaded) -> Result<Vec<Token>, Failure> {
    let now = batch.now();
    for (schedule, active) in &loaded.active {
        let admitted = joined.new.iter().filter(|(_, new)| new.active && new.schedule == *schedule).count();
        rooms::count_in(batch.db(), *schedule, &loaded.rooms[schedule], *active, admitted).await?;
    }
    store::tokens::expire(batch.db(), &joined.lapsed, now).await?;
    let new: Vec<NewToken> = joined.new.iter().map(|(_, new)| new.clone()).collect();
    let ordinals = store::tokens::insert(batch.db(), &new, now).await?;
    for new in new.iter().filter(|new| new.active) {
        let admitted = Admitted { token: new.token, user: new.user, expires_at: new.expires_at };
        batch.event(rooms::admitted_event(&admitted));
    }
    let token = |(new, ordinal): (NewToken, i64)| Token {
        token: new.token,
        schedule: new.schedule,
        user: new.user,
        ordinal,
        status: if new.active { TokenStatus::Active } else { TokenStatus::Waiting },
        issued_at: now,
        active_at: new.active.then_some(now),
        expires_at: new.expires_at,
        hold_until: None,
    };
    Ok(new.into_iter().zip(ordinals).map(token).collect())
}

fn asked(command: &Envelope) -> Option<&IssueToken> {
    match &command.command {
        Command::IssueToken(ask) => Some(ask),
        _ => None,
    }
}
