//! What an HTTP dialect is made of: a table of endpoints, each of which turns its requests into one command.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use hyper::{Method, StatusCode};
use matchit::Params;
use onsale_common::contract::command::{CommandData, decode_data};
use onsale_common::contract::{Code, Command, Rejection};
use onsale_common::ids::{QueueToken, ScheduleId};
use percent_encoding::percent_decode_str;

use crate::answer::{Answer, Failure};
use crate::caller::{Caller, Demand};
use crate::query::Query;

/// One HTTP API: where it is mounted, what it offers, and how it words its answers.
pub(crate) struct Dialect {
    /// What its paths begin with.
    pub(crate) mount: &'static str,
    /// Its endpoints, a group per file.
    pub(crate) groups: &'static [&'static [Endpoint]],
    /// Words a success.
    pub(crate) done: fn(StatusCode, &[u8]) -> Answer,
    /// Words a failure, its own or the ingress's.
    pub(crate) failed: fn(&Failure) -> Answer,
}

/// The methods that endpoints have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Read; also answers HEAD.
    Get,
    /// Create or act.
    Post,
    /// Change.
    Patch,
    /// Give back.
    Delete,
}

impl Verb {
    /// The verb that a request's method asks for; HEAD is a GET whose body hyper leaves out.
    pub(crate) fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::POST => Some(Self::Post),
            Method::PATCH => Some(Self::Patch),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }

    /// The method's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether requests carry a body.
    pub(crate) const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Patch)
    }
}

/// How an endpoint makes its command.
type Make = fn(&mut Ask<'_>) -> Result<Command, Rejection>;

/// One row of a dialect's table.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint {
    /// The method.
    pub(crate) verb: Verb,
    /// The path below the mount, with parameters in braces.
    pub(crate) path: &'static str,
    /// Who may ask.
    pub(crate) demand: Demand,
    /// Makes the command.
    pub(crate) command: Make,
    /// The status of a success.
    pub(crate) status: StatusCode,
    /// Whether `Idempotency-Key` means something here.
    pub(crate) keyed: bool,
}

impl Endpoint {
    /// A read.
    pub(crate) const fn get(path: &'static str, demand: Demand, command: Make) -> Self {
        Self { verb: Verb::Get, path, demand, command, status: StatusCode::OK, keyed: false }
    }

    /// An action; 200 unless [`Endpoint::created`] says otherwise.
    pub(crate) const fn post(path: &'static str, demand: Demand, command: Make) -> Self {
        Self { verb: Verb::Post, ..Self::get(path, demand, command) }
    }

    /// A change of what is given.
    pub(crate) const fn patch(path: &'static str, demand: Demand, command: Make) -> Self {
        Self { verb: Verb::Patch, ..Self::get(path, demand, command) }
    }

    /// A removal, answered without a body.
    pub(crate) const fn delete(path: &'static str, demand: Demand, command: Make) -> Self {
        Self { verb: Verb::Delete, status: StatusCode::NO_CONTENT, ..Self::get(path, demand, command) }
    }

    /// Success is 201.
    pub(crate) const fn created(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }

    /// Takes an `Idempotency-Key`.
    pub(crate) const fn keyed(self) -> Self {
        Self { keyed: true, ..self }
    }
}

/// One request as an endpoint sees it: admitted, read, and not yet understood.
pub(crate) struct Ask<'r> {
    /// Who asks; an endpoint whose path is a token puts it here.
    pub(crate) caller: Caller,
    /// The query parameters.
    pub(crate) query: Query<'r>,
    params: Params<'r, 'r>,
    body: &'r str,
}

impl<'r> Ask<'r> {
    /// Puts a request together.
    ///
    /// # Errors
    /// `INVALID_REQUEST` when the body is not a JSON object in UTF-8, or the query repeats itself.
    pub(crate) fn new(
        caller: Caller,
        params: Params<'r, 'r>,
        query: &'r str,
        body: Option<&'r [u8]>,
    ) -> Result<Self, Rejection> {
        let body = body.map_or(Ok(""), object)?;
        Ok(Self { caller, query: Query::parse(query)?, params, body })
    }

    /// An id of the path.
    ///
    /// # Errors
    /// `INVALID_REQUEST` that names the path parameter.
    pub(crate) fn id<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Rejection> {
        self.param(name).parse().map_err(|range| Rejection::invalid_field(name, &format!("must be {range}")))
    }

    /// The `scheduleId` of the path: a real schedule, not the service-wide room.
    ///
    /// # Errors
    /// `INVALID_REQUEST` that names it.
    pub(crate) fn schedule_id(&self) -> Result<ScheduleId, Rejection> {
        self.id("scheduleId").and_then(real_schedule)
    }

    /// The `token` of the path, which is also who asks.
    ///
    /// # Errors
    /// `TOKEN_NOT_FOUND`: what is not a token is no token of ours.
    pub(crate) fn path_token(&mut self) -> Result<QueueToken, Rejection> {
        let token = self.param("token").parse().map_err(|_| Rejection::of(Code::TokenNotFound))?;
        self.caller.token = Some(token);
        Ok(token)
    }

    /// The body as a command's data.
    ///
    /// # Errors
    /// `INVALID_REQUEST` that names the field, or what the command's own check says.
    pub(crate) fn body<T: CommandData>(&self) -> Result<T, Rejection> {
        decode_data(self.body)
    }

    /// The body as a command's data, together with an id of the path. A body that has the id as well gives it twice.
    ///
    /// # Errors
    /// As [`Ask::body`].
    pub(crate) fn body_with<T: CommandData>(&self, name: &str, id: impl Display) -> Result<T, Rejection> {
        // `object` saw the brace.
        let rest = self.body.strip_prefix('{').unwrap_or(self.body);
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        decode_data(&format!("{{\"{name}\":{id}{comma}{rest}"))
    }

    /// The text of a path parameter. One that is not UTF-8 parses as nothing.
    fn param(&self, name: &str) -> Cow<'r, str> {
        let raw = self.params.get(name).unwrap_or_default();
        percent_decode_str(raw).decode_utf8().unwrap_or_default()
    }
}

/// A command put together from path and query, after its own check.
///
/// # Errors
/// What the check says.
pub(crate) fn checked<T: CommandData + Into<Command>>(data: T) -> Result<Command, Rejection> {
    data.check()?;
    Ok(data.into())
}

/// Refuses schedule 0, which is not a schedule but the service-wide waiting room.
///
/// # Errors
/// `INVALID_REQUEST` that names `scheduleId`.
pub(crate) fn real_schedule(schedule: ScheduleId) -> Result<ScheduleId, Rejection> {
    if schedule == ScheduleId::SERVICE_WIDE {
        return Err(Rejection::invalid_field("scheduleId", "must be a whole number from 1 on"));
    }
    Ok(schedule)
}

/// The body as text that begins as a JSON object. Without this look an array of values would be taken field by field.
fn object(body: &[u8]) -> Result<&str, Rejection> {
    let text = std::str::from_utf8(body).map_err(|_| Rejection::invalid_field("body", "is not UTF-8"))?;
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Err(Rejection::invalid_field("body", "is required: a JSON object"));
    }
    if !text.starts_with('{') {
        return Err(Rejection::invalid_field("body", "must be a JSON object"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use onsale_common::contract::account::ChargeBalance;
    use onsale_common::ids::{MAX_ID, UserId};
    use proptest::prelude::*;

    use super::*;

    /// Asks with a path of one segment.
    fn with_path<T>(segment: &str, body: &str, look: impl FnOnce(&Ask<'_>) -> T) -> Option<T> {
        let mut router = matchit::Router::new();
        router.insert("/{userId}", ()).unwrap();
        let path = format!("/{segment}");
        let params = router.at(&path).ok()?.params;
        let ask = Ask::new(Caller::default(), params, "", Some(body.as_bytes())).unwrap();
        Some(look(&ask))
    }

    proptest! {
        #[test]
        fn ids_of_the_path_are_read_or_named(segment in "[^/]{0,24}") {
            if let Some(Err(rejection)) = with_path(&segment, "{}", |ask| ask.id::<UserId>("userId")) {
                prop_assert!(rejection.details["fields"]["userId"].is_string());
            }
        }

        #[test]
        fn ids_in_range_are_read(id in 1..=MAX_ID, amount in 1..i64::MAX) {
            prop_assert_eq!(with_path(&id.to_string(), "{}", |ask| ask.id("userId")), Some(Ok(UserId::new(id))));
            let body = format!(" {{ \"amount\": {amount} }} ");
            let data = with_path("1", &body, |ask| ask.body_with::<ChargeBalance>("userId", id)).unwrap().unwrap();
            prop_assert_eq!((data.user_id.get(), data.amount.positive()), (id, Some(amount)));
        }

        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(text) = object(&body) {
                let _ = with_path("1", text, |ask| ask.body_with::<ChargeBalance>("userId", 1));
            }
        }
    }
}
