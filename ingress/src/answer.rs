//! Answers: what was done, why something was not, and how the canonical dialect words both.

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use onsale_common::amqp::rpc::{CallError, RawReply};
use onsale_common::contract::{Code, Rejection};
use serde::Deserialize;
use serde_json::Value;

/// A whole HTTP answer, never streamed.
pub(crate) type Answer = Response<Full<Text>>;

/// A body: what a worker wrote, between what a dialect puts before and after it. The parts meet on the wire; a seat map is
/// not copied for the sake of a few bytes around it.
pub(crate) type Text = Chain<Chain<&'static [u8], Bytes>, &'static [u8]>;

/// How to present a queue token where nothing else is said.
pub(crate) const QUEUE_TOKEN_CHALLENGE: &str = "Queue-Token";

/// The name of the header that every answer carries.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a caller that was refused should wait: the backlog of a healthy system is gone by then.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// What became of a request that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done {
    /// The data of the answer, JSON.
    pub(crate) data: Bytes,
    /// A status other than the endpoint's usual one.
    pub(crate) status: Option<StatusCode>,
    /// A cookie for the client.
    pub(crate) set_cookie: Option<HeaderValue>,
}

impl From<Bytes> for Done {
    fn from(data: Bytes) -> Self {
        Self { data, status: None, set_cookie: None }
    }
}

/// How a dialect says a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The sentence; the rejection's own where there is none.
    pub(crate) message: Option<&'static str>,
}

/// A code that an endpoint says in words of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnWords {
    /// The code.
    pub(crate) code: Code,
    /// How it is said here.
    pub(crate) words: Words,
}

impl OwnWords {
    /// Says a code with a status and a sentence.
    pub(crate) const fn new(code: Code, status: StatusCode, message: &'static str) -> Self {
        Self { code, words: Words { status, message: Some(message) } }
    }
}

/// Why a request was not done, with its error object as the canonical dialect shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The word that clients match on.
    pub(crate) code: Code,
    /// `{"code", "message", "details"}`, JSON.
    pub(crate) error: Bytes,
    /// How to say it, where the code alone does not decide that.
    pub(crate) words: Option<Words>,
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        let error = serde_json::to_vec(&rejection).expect("rejections have string keys only");
        Self { code: rejection.code, error: error.into(), words: None }
    }
}

impl From<OwnWords> for Failure {
    fn from(own: OwnWords) -> Self {
        Self { words: Some(own.words), ..own.code.into() }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Rejection::of(code).into()
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused => Code::Overloaded.into(),
            CallError::NoAnswer => Code::Timeout.into(),
        }
    }
}

impl Failure {
    /// The rejection that the error object was written from.
    pub(crate) fn rejection(&self) -> Rejection {
        serde_json::from_slice(&self.error).unwrap_or_else(|_| self.code.into())
    }

    /// What is wrong, as one sentence: `words` where the dialect has its own, and each fault by its field.
    pub(crate) fn sentence(&self, words: Words) -> String {
        let rejection = self.rejection();
        let mut sentence = words.message.map_or_else(|| rejection.message.to_string(), str::to_owned);
        if self.code == Code::InvalidRequest
            && let Some(Value::Object(fields)) = rejection.details.get("fields")
        {
            let faults: Vec<String> =
                fields.iter().map(|(field, fault)| format!("{field} {}", fault.as_str().unwrap_or_default())).collect();
            sentence = format!("{}: {}", sentence.trim_end_matches('.'), faults.join("; "));
        }
        sentence
    }

    /// Reads the code out of a worker's error object, and keeps the object as the worker wrote it.
    fn from_worker(error: Bytes) -> Self {
        #[derive(Deserialize)]
        struct OnlyCode {
            code: Code,
        }
        match serde_json::from_slice(&error) {
            // Nothing was done: for an HTTP client that is the same as never having been taken in.
            Ok(OnlyCode { code: Code::DeadlineExceeded }) => Code::Overloaded.into(),
            Ok(OnlyCode { code }) => Self { code, error, words: None },
            Err(fault) => {
                tracing::error!(%fault, "a worker's error is not what the contract says");
                Code::Internal.into()
            }
        }
    }
}

/// The data of a reply, or why there is none.
///
/// # Errors
/// What the worker rejected, or that there was no reply.
pub(crate) fn outcome(reply: Result<RawReply, CallError>) -> Result<Bytes, Failure> {
    match reply? {
        RawReply { ok: true, json } => Ok(json),
        RawReply { ok: false, json } => Err(Failure::from_worker(json)),
    }
}

/// What the canonical dialect puts around the data of a success.
pub(crate) const DONE_AROUND: [&str; 2] = [r#"{"success":true,"data":"#, "}"];

/// Failure in the canonical envelope.
pub(crate) fn failed_body(failure: &Failure, _: Words) -> Bytes {
    [br#"{"success":false,"error":"#, &failure.error[..], b"}"].concat().into()
}

/// How the canonical dialect says a code: its status and the rejection's own sentence.
pub(crate) const fn words(code: Code) -> Words {
    Words { status: status_of(code), message: None }
}

/// Failure where no dialect is spoken: at the operator's door, and before a request is known to be one.
pub(crate) fn failed(failure: &Failure) -> Answer {
    let words = words(failure.code);
    with_headers_of(failure.code, QUEUE_TOKEN_CHALLENGE, json(words.status, failed_body(failure, words)))
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}

/// An answer with a JSON body.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Answer {
    json_between(["", ""], status, body)
}

/// An answer whose JSON body is `data` with something around it. It is never cached: tokens, balances and seats are for
/// one caller, now.
pub(crate) fn json_between([before, after]: [&'static str; 2], status: StatusCode, data: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(before.as_bytes().chain(data).chain(after.as_bytes())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Adds the headers that a status owes its client: when to come again, or how to say who one is (RFC 9110, 11.6.1).
pub(crate) fn with_headers_of(code: Code, token_challenge: &'static str, mut answer: Answer) -> Answer {
    match answer.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            answer.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
        }
        StatusCode::UNAUTHORIZED => {
            let login = matches!(code, Code::LoginRequired | Code::LoginFailed);
            let scheme = HeaderValue::from_static(if login { "Bearer" } else { token_challenge });
            answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        _ => {}
    }
    answer
}

/// The HTTP status of a code.
pub(crate) const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::InvalidRequest | Code::InvalidAmount | Code::AmountMismatch => StatusCode::BAD_REQUEST,
        Code::TokenMissing
        | Code::TokenInvalid
        | Code::TokenExpired
        | Code::TokenNotActive
        | Code::LoginRequired
        | Code::LoginFailed => StatusCode::UNAUTHORIZED,
        Code::InsufficientBalance => StatusCode::PAYMENT_REQUIRED,
        Code::Forbidden | Code::WrongSchedule => StatusCode::FORBIDDEN,
        Code::UserNotFound
        | Code::ConcertNotFound
        | Code::ScheduleNotFound
        | Code::SeatNotFound
        | Code::ReservationNotFound
        | Code::PaymentNotFound
        | Code::TokenNotFound
        | Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code::TokenExists
        | Code::SeatTaken
        | Code::HoldExists
        | Code::AlreadyPaid
        | Code::ReservationExpired
        | Code::ReservationCancelled
        | Code::UsernameTaken
        | Code::EmailTaken
        | Code::IdempotencyInProgress => StatusCode::CONFLICT,
        Code::SeatLimitExceeded | Code::BookingClosed | Code::NotPayable | Code::IdempotencyKeyReused => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Code::Overloaded | Code::Unroutable | Code::DeadlineExceeded => StatusCode::SERVICE_UNAVAILABLE,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;

    fn body(answer: Answer) -> Value {
        let collected = futures_util::FutureExt::now_or_never(answer.into_body().collect());
        serde_json::from_slice(&collected.unwrap().unwrap().to_bytes()).unwrap()
    }

    #[test]
    fn success_passes_the_data_through() {
        let data = Bytes::from_static(br#"{"b":1,"a":[]}"#);
        let body = body(json_between(DONE_AROUND, StatusCode::OK, data));
        assert_eq!(body, json!({"success": true, "data": {"b": 1, "a": []}}));
    }

    #[test]
    fn every_code_is_an_error_with_its_envelope_and_headers() {
        for code in Code::ALL {
            let answer = failed(&Failure::from(*code));
            let status = answer.status();
            assert!(status.is_client_error() || status.is_server_error(), "{code:?}");
            assert_eq!(matches!(status.as_u16(), 429 | 503), answer.headers().contains_key(RETRY_AFTER), "{code:?}");
            assert_eq!(status == 401, answer.headers().contains_key(WWW_AUTHENTICATE), "{code:?}");
            let body = body(answer);
            assert_eq!(body["success"], false);
            assert_eq!(body["error"]["code"], code.as_str());
            assert!(body["error"]["details"].is_object(), "{code:?}");
        }
    }

    #[test]
    fn a_workers_error_keeps_its_words_and_decides_the_status() {
        let error = Bytes::from_static(br#"{"code":"SEAT_TAKEN","message":"m","details":{"seatIds":[1]}}"#);
        let failure = outcome(Ok(RawReply { ok: false, json: error.clone() })).unwrap_err();
        assert_eq!(failure, Failure { code: Code::SeatTaken, error, words: None });
        let late = RawReply { ok: false, json: br#"{"code":"DEADLINE_EXCEEDED","message":"m"}"#.as_slice().into() };
        assert_eq!(outcome(Ok(late)).unwrap_err().code, Code::Overloaded);
        let odd = RawReply { ok: false, json: br#"{"code":"FROM_THE_FUTURE"}"#.as_slice().into() };
        assert_eq!(outcome(Ok(odd)).unwrap_err().code, Code::Internal);
        assert_eq!(outcome(Err(CallError::Refused)).unwrap_err().code, Code::Overloaded);
        assert_eq!(outcome(Err(CallError::NoAnswer)).unwrap_err().code, Code::Timeout);
    }
}
