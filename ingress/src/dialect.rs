//! One HTTP API over the commands: where it is mounted, what it offers, and how it words its answers.

use std::collections::HashSet;

use bytes::Bytes;
use hyper::StatusCode;
use onsale_common::contract::Code;
use serde_json::Value;

use crate::answer::{self, Answer, Done, Failure, Words};
use crate::caller::Login;
use crate::endpoint::{Endpoint, Key};
use crate::shape::Param;

/// One HTTP API.
pub(crate) struct Dialect {
    /// Its name, in `/openapi/{name}.json` and for `ONSALE_ROOT_API`.
    pub(crate) name: &'static str,
    /// Its document's title.
    pub(crate) title: &'static str,
    /// What a newcomer should know of it, for its document.
    pub(crate) about: &'static str,
    /// What its paths begin with.
    pub(crate) mount: &'static str,
    /// Its endpoints, a group per file.
    pub(crate) groups: &'static [&'static Group],
    /// The parameters that its paths have.
    pub(crate) path_params: &'static [Param],
    /// Whether a query parameter that an endpoint does not know is a fault, or passed over.
    pub(crate) strict_query: bool,
    /// What the body of a success has before and after the data.
    pub(crate) done_around: [&'static str; 2],
    /// The schema of that body, around the schema of the data.
    pub(crate) done_schema: fn(Value) -> Value,
    /// How it says a code.
    pub(crate) words: fn(Code) -> Words,
    /// The body of a failure, in the words that were found for it.
    pub(crate) failed_body: fn(&Failure, Words) -> Bytes,
    /// The schema of that body.
    pub(crate) failed_schema: fn() -> Value,
    /// How its 401 says that a queue token is presented (RFC 9110, 11.6.1).
    pub(crate) token_challenge: &'static str,
}

/// Endpoints that belong together.
pub(crate) struct Group {
    /// What they are about.
    pub(crate) name: &'static str,
    /// The endpoints.
    pub(crate) endpoints: &'static [Endpoint],
}

impl Dialect {
    /// Every endpoint, in the order of its tables.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &'static Endpoint> {
        self.groups.iter().flat_map(|group| group.endpoints)
    }

    /// Words a success; 204 has no body.
    pub(crate) fn done(&self, endpoint: &Endpoint, done: Done) -> Answer {
        let status = done.status.unwrap_or(endpoint.status);
        let mut answer = match status {
            StatusCode::NO_CONTENT => answer::empty(status),
            _ => answer::json_between(self.done_around, status, done.data),
        };
        if let Some(cookie) = done.set_cookie {
            answer.headers_mut().insert(hyper::header::SET_COOKIE, cookie);
        }
        answer
    }

    /// Words a failure of an endpoint, or of a request that belongs to none.
    pub(crate) fn failed(&self, endpoint: Option<&Endpoint>, failure: &Failure) -> Answer {
        let words = self.words_for(endpoint, failure);
        let answer = answer::json(words.status, (self.failed_body)(failure, words));
        answer::with_headers_of(failure.code, self.token_challenge, answer)
    }

    /// The words for a failure: those that came with it, the endpoint's own, or the dialect's.
    pub(crate) fn words_for(&self, endpoint: Option<&Endpoint>, failure: &Failure) -> Words {
        let own = || endpoint?.own_words.iter().find(|own| own.code == failure.code).map(|own| own.words);
        failure.words.or_else(own).unwrap_or_else(|| (self.words)(failure.code))
    }
}

/// Every code that an endpoint can answer with: its own, and those of what it demands and reads.
pub(crate) fn codes_of(endpoint: &Endpoint) -> Vec<Code> {
    let mut codes = endpoint.fails.to_vec();
    codes.extend(endpoint.own_words.iter().map(|own| own.code));
    let demand = endpoint.demand;
    if demand.token.is_some() {
        codes.push(Code::TokenInvalid);
        if !demand.token_optional {
            codes.extend([Code::TokenMissing, Code::TokenExpired]);
        }
    }
    if demand.login != Login::Never {
        codes.extend([Code::LoginRequired, Code::Forbidden]);
    }
    if demand.admin_key {
        codes.extend([Code::LoginRequired, Code::Forbidden, Code::NotFound]);
    }
    if endpoint.has_body {
        codes.extend([Code::BodyTooLarge, Code::UnsupportedMediaType]);
    }
    let keyed = endpoint.key != Key::Ignored;
    if keyed {
        codes.extend([Code::IdempotencyInProgress, Code::IdempotencyKeyReused]);
    }
    if keyed || endpoint.has_body || endpoint.path.contains('{') || !endpoint.doc.queries.is_empty() {
        codes.push(Code::InvalidRequest);
    }
    codes.extend([Code::Overloaded, Code::Timeout, Code::Internal]);
    let mut seen = HashSet::new();
    codes.retain(|code| seen.insert(*code));
    codes
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::header::{RETRY_AFTER, WWW_AUTHENTICATE};

    use super::*;
    use crate::answer::OwnWords;
    use crate::caller::{Demand, Place};
    use crate::v1;

    const FULL: OwnWords = OwnWords::new(Code::SeatTaken, StatusCode::GONE, "full");
    const LATE: OwnWords = OwnWords::new(Code::SeatTaken, StatusCode::NOT_FOUND, "late");

    #[test]
    fn words_come_with_the_failure_or_are_the_endpoints_or_the_dialects() {
        let endpoint = Endpoint::post("/seats", Demand::NOTHING).says(&[FULL, LATE]);
        let words = |endpoint, failure: Failure| v1::DIALECT.words_for(endpoint, &failure);
        assert_eq!(words(Some(&endpoint), LATE.into()), LATE.words);
        assert_eq!(words(Some(&endpoint), Code::SeatTaken.into()), FULL.words);
        assert_eq!(words(Some(&endpoint), Code::Forbidden.into()), answer::words(Code::Forbidden));
        assert_eq!(words(None, Code::SeatTaken.into()), answer::words(Code::SeatTaken));
    }

    #[test]
    fn every_dialect_says_every_code_in_json_with_the_headers_that_its_status_owes() {
        for dialect in crate::DIALECTS {
            for code in Code::ALL {
                let what = format!("{}: {code:?}", dialect.name);
                let answer = dialect.failed(None, &(*code).into());
                let status = answer.status();
                assert!(status.is_client_error() || status.is_server_error(), "{what}");
                assert_eq!(status == 401, answer.headers().contains_key(WWW_AUTHENTICATE), "{what}");
                assert_eq!(matches!(status.as_u16(), 429 | 503), answer.headers().contains_key(RETRY_AFTER), "{what}");
                let body = futures_util::FutureExt::now_or_never(answer.into_body().collect()).unwrap().unwrap();
                let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap();
                assert!(body.as_object().is_some_and(|body| !body.is_empty()), "{what}: {body}");
            }
        }
    }

    #[test]
    fn codes_follow_from_what_an_endpoint_demands_and_stand_once() {
        let plain = codes_of(&Endpoint::get("/seats", Demand::NOTHING));
        assert_eq!(plain, [Code::Overloaded, Code::Timeout, Code::Internal]);
        let demand = Demand::token_or_login(Place::Bearer);
        let codes = codes_of(&Endpoint::post("/seats/{seatId}", demand).key_required().fails(&[Code::Forbidden]));
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len(), "{codes:?}");
        for code in [Code::TokenInvalid, Code::LoginRequired, Code::InvalidRequest, Code::IdempotencyKeyReused] {
            assert!(codes.contains(&code), "{code:?}");
        }
        assert!(!codes.contains(&Code::TokenMissing), "a login is as good");
    }
}
