//! The waiting room: joining it sets the cookie.

use std::fmt::Display;
use std::str::FromStr;

use hyper::header::HeaderValue;
use onsale_common::contract::admission::{GetToken, IssueToken, TokenStatus, TokenView};
use onsale_common::contract::{Code, Example, Rejection};
use onsale_common::ids::{QueueToken, UserId};
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::zoneless::Zoneless;
use super::COOKIE;
use crate::answer::{Done, Failure};
use crate::ask::{Ask, real_schedule};
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::shape::{Param, SCHEDULE_ID};
use crate::talk::{Talk, done};

pub(super) const GROUP: Group = Group {
    name: "The waiting room",
    endpoints: &[Endpoint::post("/api/queue/tokens", Demand::LOGIN)
        .talks("issueToken", "Join the waiting room of a schedule, or ask how one stands in it.", |talk| {
            Box::pin(join(talk))
        })
        .queries(&[USER_ID, SCHEDULE_ID.required()])
        .gives::<QueueState>()
        .sets_cookie(COOKIE)
        .fails(&[Code::UserNotFound, Code::ScheduleNotFound])],
};

const USER_ID: Param = Param::of::<UserId>("userId", "Who joins.", "1").required();

/// How long a client keeps the cookie: as long as a place in line lasts by default.
const COOKIE_MAX_AGE_S: u32 = 12 * 60 * 60;

/// Where a user stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct QueueState {
    /// In line, or admitted.
    queue_status: QueueStatus,
    /// The wait to expect, in seconds; only in line.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_wait_time: Option<u64>,
    /// The server's clock.
    server_time: Zoneless,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum QueueStatus {
    Wait,
    Active,
}

impl QueueState {
    fn at(now: Time, token: &TokenView) -> Self {
        let waits = token.status == TokenStatus::Waiting;
        Self {
            queue_status: if waits { QueueStatus::Wait } else { QueueStatus::Active },
            estimated_wait_time: waits.then_some(token.estimated_wait_time_minutes * 60),
            server_time: now.into(),
        }
    }
}

impl Example for QueueState {
    fn example() -> Self {
        let token = TokenView::example();
        Self::at(token.issued_at, &token)
    }
}

async fn join(mut talk: Talk<'_>) -> Result<Done, Failure> {
    let user_id: UserId = required(&mut talk.ask, "userId")?;
    let schedule_id = real_schedule(required(&mut talk.ask, "scheduleId")?)?;
    talk.go_on_as(user_id).await?;
    let issue = || talk.effect(IssueToken { user_id, schedule_id });
    let token = match issue().await {
        Err(failure) if failure.code == Code::TokenExists => {
            let token = talk.command(GetToken { token: existing(&failure) }).await?;
            // It may have ended since.
            if matches!(token.status, TokenStatus::Waiting | TokenStatus::Active) { token } else { issue().await? }
        }
        token => token?,
    };
    Ok(Done { set_cookie: Some(cookie(token.token)), ..done(&QueueState::at(Time::now(), &token)) })
}

/// A query parameter that there must be.
fn required<T: FromStr<Err: Display>>(ask: &mut Ask<'_>, name: &str) -> Result<T, Rejection> {
    let text = ask.query.text(name)?.ok_or_else(|| Rejection::invalid_field(name, "is required"))?;
    text.parse().map_err(|range| Rejection::invalid_field(name, &format!("must be {range}")))
}

/// The token that the user has already.
fn existing(failure: &Failure) -> Option<QueueToken> {
    failure.rejection().details.get("token")?.as_str()?.parse().ok()
}

fn cookie(token: QueueToken) -> HeaderValue {
    let token = token.uuid();
    let cookie = format!("{COOKIE}={token}; HttpOnly; Secure; Path=/; Max-Age={COOKIE_MAX_AGE_S}; SameSite=Lax");
    HeaderValue::try_from(cookie).expect("a UUID is visible ASCII")
}
