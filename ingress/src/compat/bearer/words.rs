//! Failures: `{"status": "CONFLICT", "message": …}`, with the name of the HTTP status and a sentence in Korean.

use bytes::Bytes;
use hyper::StatusCode;
use onsale_common::contract::Code;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::{self, Failure, Words};

/// How it says a code.
pub(super) const fn words(code: Code) -> Words {
    let status = match code {
        Code::ReservationExpired => StatusCode::GONE,
        Code::NotPayable => StatusCode::CONFLICT,
        code => answer::status_of(code),
    };
    Words { status, message: Some(message(code)) }
}

const fn message(code: Code) -> &'static str {
    match code {
        Code::InvalidRequest => "요청 값이 올바르지 않습니다.",
        Code::InvalidAmount => "유효하지 않은 금액입니다.",
        Code::AmountMismatch => "결제 금액이 일치하지 않습니다.",
        Code::TokenMissing => "대기열 토큰이 필요합니다.",
        Code::TokenInvalid => "유효하지 않은 토큰입니다.",
        Code::TokenExpired => "만료된 토큰입니다.",
        Code::TokenNotActive => "아직 활성화되지 않은 토큰입니다.",
        Code::LoginRequired => "로그인이 필요합니다.",
        Code::LoginFailed => "이메일 또는 비밀번호가 올바르지 않습니다.",
        Code::InsufficientBalance => "잔액이 부족합니다.",
        Code::Forbidden => "다른 사용자의 정보에 접근할 수 없습니다.",
        Code::WrongSchedule => "다른 일정의 토큰입니다.",
        Code::UserNotFound => "등록되지 않은 사용자입니다.",
        Code::ConcertNotFound => "등록되지 않은 콘서트입니다.",
        Code::ScheduleNotFound => "등록되지 않은 콘서트 일정입니다.",
        Code::SeatNotFound => "등록되지 않은 좌석입니다.",
        Code::ReservationNotFound => "등록되지 않은 예약입니다.",
        Code::PaymentNotFound => "등록되지 않은 결제입니다.",
        Code::TokenNotFound => "등록되지 않은 토큰입니다.",
        Code::NotFound => "존재하지 않는 경로입니다.",
        Code::MethodNotAllowed => "지원하지 않는 HTTP 메서드입니다.",
        Code::BodyTooLarge => "요청 본문이 너무 큽니다.",
        Code::UnsupportedMediaType => "요청 본문은 application/json이어야 합니다.",
        Code::HeadersTooLarge => "요청 헤더가 너무 큽니다.",
        Code::TokenExists => "이미 토큰이 존재합니다.",
        Code::SeatTaken => "이미 예약된 좌석입니다.",
        Code::HoldExists => "이미 다른 좌석을 예약하고 있습니다.",
        Code::AlreadyPaid | Code::ReservationCancelled | Code::NotPayable => "결제할 수 없는 예약 내역입니다.",
        Code::ReservationExpired => "임시 예약 시간이 만료되었습니다.",
        Code::UsernameTaken => "이미 사용 중인 사용자 이름입니다.",
        Code::EmailTaken => "이미 사용 중인 이메일입니다.",
        Code::IdempotencyInProgress => "같은 Idempotency-Key의 요청을 처리하고 있습니다.",
        Code::IdempotencyKeyReused => "다른 요청에 사용된 Idempotency-Key입니다.",
        Code::SeatLimitExceeded => "한 사람이 예약할 수 있는 좌석 수를 초과했습니다.",
        Code::BookingClosed => "예약 가능한 기간이 아닙니다.",
        Code::TooManyRequests => "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요.",
        Code::Overloaded | Code::Unroutable | Code::DeadlineExceeded => {
            "요청을 처리하지 못했습니다. 잠시 후 다시 시도해 주세요."
        }
        Code::Timeout => "처리 결과를 확인하지 못했습니다. 같은 Idempotency-Key로 다시 시도해 주세요.",
        Code::Internal => "서버 오류가 발생했습니다.",
    }
}

/// The body of a failure.
#[derive(Serialize)]
struct Said {
    status: String,
    message: String,
}

/// Says a failure; of a request that is not valid it names the fields.
pub(super) fn failed_body(failure: &Failure, words: Words) -> Bytes {
    let mut message = words.message.unwrap_or_default().to_owned();
    if failure.code == Code::InvalidRequest
        && let Some(Value::Object(fields)) = failure.rejection().details.get("fields")
    {
        message = format!("{}: {}", message.trim_end_matches('.'), names(fields));
    }
    let said = Said { status: name(words.status), message };
    serde_json::to_vec(&said).expect("two strings are JSON").into()
}

fn names(fields: &Map<String, Value>) -> String {
    fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A status by its name, as in `NOT_FOUND`.
fn name(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().to_uppercase().replace(' ', "_")
}

/// The schema of a failure.
pub(super) fn failed_schema() -> Value {
    let mut statuses: Vec<StatusCode> = Code::ALL.iter().map(|code| words(*code).status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let names: Vec<String> = statuses.into_iter().map(name).collect();
    json!({
        "type": "object",
        "properties": { "status": { "type": "string", "enum": names }, "message": { "type": "string" } },
        "required": ["status", "message"],
    })
}

#[cfg(test)]
mod tests {
    use onsale_common::contract::Rejection;

    use super::*;

    fn body(failure: &Failure) -> Value {
        serde_json::from_slice(&failed_body(failure, words(failure.code))).unwrap()
    }

    #[test]
    fn a_status_goes_by_its_name() {
        let names: Vec<String> = [409, 402, 413, 431, 500].map(|code| name(StatusCode::from_u16(code).unwrap())).into();
        let expected = [
            "CONFLICT",
            "PAYMENT_REQUIRED",
            "PAYLOAD_TOO_LARGE",
            "REQUEST_HEADER_FIELDS_TOO_LARGE",
            "INTERNAL_SERVER_ERROR",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn faulty_fields_are_named() {
        let failure = Rejection::invalid_field("userId", "is required").into();
        assert_eq!(
            body(&failure),
            json!({ "status": "BAD_REQUEST", "message": "요청 값이 올바르지 않습니다: userId" })
        );
    }

    #[test]
    fn every_code_is_said_in_korean() {
        for code in Code::ALL {
            let failure = body(&(*code).into());
            let message = failure["message"].as_str().unwrap();
            assert!(message.chars().any(|letter| ('가'..='힣').contains(&letter)), "{code:?}: {message}");
            assert!(!failure["status"].as_str().unwrap().is_empty(), "{code:?}");
        }
    }
}
