//! One request as an endpoint sees it: its path, query and body, read but not yet understood.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use matchit::Params;
use onsale_common::contract::parse::{decode_data, parse};
use onsale_common::contract::{Code, Command, CommandData, Rejection};
use onsale_common::ids::{QueueToken, ScheduleId};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::query::Query;

/// One request, admitted.
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
    /// `INVALID_REQUEST` when the body is not a JSON object in UTF-8, or the query has too many parameters.
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

    /// The body as a dialect's own type.
    ///
    /// # Errors
    /// `INVALID_REQUEST` that names the field.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        parse(self.body)
    }

    /// The text of a path parameter. One that is not UTF-8 parses as nothing.
    pub(crate) fn param(&self, name: &str) -> Cow<'r, str> {
        let raw = self.params.get(name).unwrap_or_default();
        percent_decode_str(raw).decode_utf8().unwrap_or_default()
    }
}

/// A command put together from path and query, after its own check.
///
/// # Errors
/// What the check says.
pub(crate) fn checked<T: CommandData>(data: T) -> Result<Command, Rejection> {
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
