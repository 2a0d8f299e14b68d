//! Joining a concert's queue.

use hyper::StatusCode;
use onsale_common::contract::admission::{GetToken, IssueToken, TokenStatus, TokenView};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::{QueueToken, UserId};
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::{Done, Failure};
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, done};

use super::names::{name_of, name_of_entry, named};
use super::user::who_logged_in;
use super::{CONCERT_EXAMPLE, USER_EXAMPLE};

pub(super) const GROUP: Group = Group {
    name: "The queue",
    endpoints: &[Endpoint::post("/queue/token", Demand::LOGIN_ALWAYS)
        .talks("joinQueue", "Join a concert's queue; again, see one's place in it.", |talk| Box::pin(join(talk)))
        .takes::<Join>()
        .gives::<Entry>()
        .created()
        .also_gives::<Entry>(StatusCode::OK)
        .fails(&[Code::ConcertNotFound, Code::UserNotFound])],
};

/// Whose queue, and who joins.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Join {
    /// The concert.
    concert_id: Uuid,
    /// The user who logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
}

impl Example for Join {
    fn example() -> Self {
        Self { concert_id: name_of(CONCERT_EXAMPLE), user_id: None }
    }
}

/// A user's entry in a concert's queue.
#[derive(Serialize, JsonSchema)]
struct Entry {
    /// Its id: a user has one entry at a time in a concert's queue.
    id: Uuid,
    /// Whose.
    user_id: Uuid,
    /// For which concert.
    concert_id: Uuid,
    /// How many are served up to and including this one; 0 when it is the user's turn.
    queue_position: u64,
    /// The wait to expect, in minutes.
    wait_time: String,
    /// The queue token, for `Queue-Token`: keep it secret.
    token: QueueToken,
    /// When the user joined.
    created_at: Time,
    /// When the user's turn came, or else when the user joined.
    updated_at: Time,
}

impl Entry {
    fn of(view: &TokenView, user: UserId, user_id: Uuid) -> Self {
        let concert = view.token.schedule();
        Self {
            id: name_of_entry(concert, user),
            user_id,
            concert_id: name_of(concert),
            queue_position: view.queue_position,
            wait_time: format!("{}분", view.estimated_wait_time_minutes),
            token: view.token,
            created_at: view.issued_at,
            updated_at: view.active_at.unwrap_or(view.issued_at),
        }
    }
}

impl Example for Entry {
    fn example() -> Self {
        Self::of(&Example::example(), IssueToken::example().user_id, USER_EXAMPLE)
    }
}

async fn join(mut talk: Talk<'_>) -> Result<Done, Failure> {
    let join: Join = talk.ask.read()?;
    let schedule_id = named(join.concert_id)?;
    let user = who_logged_in(&talk, join.user_id).await?;
    talk.vouch_for(user.user_id);
    let entry = |view| done(&Entry::of(&view, user.user_id, user.uuid));
    match talk.command(IssueToken { user_id: user.user_id, schedule_id }).await {
        Ok(issued) => Ok(entry(issued)),
        Err(failure) if failure.code == Code::TokenExists => {
            let had = had(&talk, &failure).await?;
            Ok(Done { status: Some(StatusCode::OK), ..entry(had) })
        }
        Err(failure) => Err(failure),
    }
}

/// The token that the user had before.
async fn had(talk: &Talk<'_>, exists: &Failure) -> Result<TokenView, Failure> {
    let details = exists.rejection().details;
    let token = details.get("token").and_then(|token| token.as_str()?.parse().ok()).ok_or(Code::Internal)?;
    let view = talk.command(GetToken { token: Some(token) }).await?;
    match view.status {
        TokenStatus::Waiting | TokenStatus::Active => Ok(view),
        // It ended this moment.
        TokenStatus::Expired | TokenStatus::Used => Err(Code::TokenExpired.into()),
    }
}
