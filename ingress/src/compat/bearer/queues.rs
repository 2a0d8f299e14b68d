//! The waiting room of the whole service.

use futures_util::future::join;
use onsale_common::contract::admission::{GetToken, IssueToken, TokenStatus, TokenView};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::{QueueToken, ScheduleId};
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::Failure;
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::username::Username;
use super::{EXAMPLE_USER, TOKEN, token_user, user_named};

pub(super) const GROUP: Group = Group {
    name: "The waiting room",
    endpoints: &[
        Endpoint::post("/queues", Demand::LOGIN)
            .talks("issueToken", "Join the waiting room", |talk| answer_with(join_queue(talk)))
            .takes::<JoinQueue>()
            .gives::<Token>()
            .created()
            .fails(&[Code::UserNotFound, Code::TokenExists]),
        Endpoint::get("/queues/{userId}", TOKEN)
            .talks("getToken", "Read the place and state of a token", |talk| answer_with(look(talk)))
            .gives::<Token>()
            .fails(&[Code::UserNotFound, Code::Forbidden]),
    ],
};

/// Who joins.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JoinQueue {
    /// The user, by name.
    user_id: Username,
}

impl Example for JoinQueue {
    fn example() -> Self {
        Self { user_id: Example::example() }
    }
}

/// Where a token stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum QueueStatus {
    /// In the waiting room.
    Wait,
    /// Admitted: may hold and pay.
    Active,
}

/// A live queue token.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Token {
    /// The token: keep it secret.
    token_id: QueueToken,
    /// Whose it is.
    user_id: String,
    /// How many are served up to and including this one; 0 once active.
    priority: u64,
    /// Where it stands.
    status: QueueStatus,
    /// When it joined.
    token_issued_at: Time,
    /// When it was admitted; null while it waits.
    active_at: Option<Time>,
    /// When it runs out; null while it waits.
    expire_at: Option<Time>,
}

impl Token {
    fn of(username: String, token: TokenView) -> Result<Self, Failure> {
        let (status, expire_at) = match token.status {
            TokenStatus::Waiting => (QueueStatus::Wait, None),
            TokenStatus::Active => (QueueStatus::Active, Some(token.expires_at)),
            TokenStatus::Expired | TokenStatus::Used => return Err(Code::TokenExpired.into()),
        };
        Ok(Self {
            token_id: token.token,
            user_id: username,
            priority: token.queue_position,
            status,
            token_issued_at: token.issued_at,
            active_at: token.active_at,
            expire_at,
        })
    }
}

impl Example for Token {
    fn example() -> Self {
        const OF_THE_SERVICE: QueueToken =
            QueueToken::from_uuid(Uuid::from_u128(0x0000_0059_9bf2_8f08_ae68_465e_9dcd_54bf));
        let token = TokenView { token: OF_THE_SERVICE, ..TokenView::example() };
        Self::of(EXAMPLE_USER.to_owned(), token).expect("the example is live")
    }
}

async fn join_queue(mut talk: Talk<'_>) -> Result<Token, Failure> {
    let body: JoinQueue = talk.ask.read()?;
    let user = user_named(&talk, body.user_id.as_str()).await?;
    // The login, where one is demanded, must be the user's.
    talk.go_on_as(user.user_id).await?;
    let room = IssueToken { user_id: user.user_id, schedule_id: ScheduleId::SERVICE_WIDE };
    Token::of(user.username, talk.effect(room).await?)
}

async fn look(talk: Talk<'_>) -> Result<Token, Failure> {
    let name = talk.ask.param("userId");
    let (user, token) = join(token_user(&talk, &name), talk.command(GetToken::default())).await;
    Token::of(user?.username, token?)
}
