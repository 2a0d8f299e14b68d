//! The operator's door at the root: is it alive, can it work, and its figures.

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use onsale_common::contract::Code;
use onsale_common::ops::Readiness;
use onsale_common::telemetry;

use crate::answer::{self, Answer};

/// Answers a request to the door; none when it is for somebody else.
pub(crate) fn answer(method: &Method, path: &str, ready: &Readiness) -> Option<Answer> {
    let door: fn(&Readiness) -> Answer = match path {
        "/health/live" => live,
        "/health/ready" => readiness,
        "/metrics" => metrics,
        _ => return None,
    };
    Some(if matches!(*method, Method::GET | Method::HEAD) {
        door(ready)
    } else {
        let mut refused = answer::failed(&Code::MethodNotAllowed.into());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        refused
    })
}

fn live(_: &Readiness) -> Answer {
    answer::json(StatusCode::OK, Bytes::from_static(br#"{"status":"live"}"#))
}

fn readiness(ready: &Readiness) -> Answer {
    if ready.get() {
        return answer::json(StatusCode::OK, Bytes::from_static(br#"{"status":"ready"}"#));
    }
    let body = br#"{"status":"not ready","reason":"no working link to the broker"}"#;
    answer::with_headers_of(
        Code::Overloaded,
        answer::QUEUE_TOKEN_CHALLENGE,
        answer::json(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(body)),
    )
}

fn metrics(_: &Readiness) -> Answer {
    let mut figures = answer::json(StatusCode::OK, telemetry::render_metrics().into());
    figures.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    figures
}
