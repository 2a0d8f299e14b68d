//! How this dialect says that something was not done: `{code, message}`, in Korean, with the canonical statuses.

use bytes::Bytes;
use onsale_common::contract::Code;
use serde_json::{Value, json};

use crate::answer::{self, Failure, Words};

/// The words for a code.
pub(super) const fn of(code: Code) -> Words {
    Words { status: answer::status_of(code), message: Some(sentence(code)) }
}

const fn sentence(code: Code) -> &'static str {
    match code {
        Code::InvalidRequest => "요청이 올바르지 않습니다.",
        Code::InvalidAmount => "금액이 올바르지 않습니다.",
        Code::AmountMismatch => "좌석 가격이 요청한 금액과 다릅니다.",
        Code::TokenMissing => "대기열 토큰이 없습니다. 먼저 토큰을 발급받으세요.",
        Code::TokenInvalid => "유효하지 않은 대기열 토큰입니다.",
        Code::TokenExpired => "만료된 대기열 토큰입니다. 토큰을 다시 발급받으세요.",
        Code::TokenNotActive => "아직 대기 중인 토큰입니다. 순서를 기다려 주세요.",
        Code::LoginRequired => "로그인이 필요합니다.",
        Code::LoginFailed => "이메일 또는 비밀번호가 올바르지 않습니다.",
        Code::InsufficientBalance => "포인트 잔액이 부족합니다.",
        Code::Forbidden => "다른 사용자의 정보에는 접근할 수 없습니다.",
        Code::WrongSchedule => "다른 공연 스케줄의 대기열 토큰입니다.",
        Code::UserNotFound => "사용자를 찾을 수 없습니다.",
        Code::ConcertNotFound => "공연을 찾을 수 없습니다.",
        Code::ScheduleNotFound => "공연 스케줄을 찾을 수 없습니다.",
        Code::SeatNotFound => "좌석을 찾을 수 없습니다.",
        Code::ReservationNotFound => "예약을 찾을 수 없습니다.",
        Code::PaymentNotFound => "결제를 찾을 수 없습니다.",
        Code::TokenNotFound => "대기열 토큰을 찾을 수 없습니다.",
        Code::NotFound => "존재하지 않는 경로입니다.",
        Code::MethodNotAllowed => "지원하지 않는 HTTP 메서드입니다.",
        Code::BodyTooLarge => "요청 본문이 너무 큽니다.",
        Code::UnsupportedMediaType => "요청 본문은 application/json이어야 합니다.",
        Code::HeadersTooLarge => "요청 헤더가 너무 큽니다.",
        Code::TokenExists => "이미 발급된 대기열 토큰이 있습니다.",
        Code::SeatTaken => "이미 선점되었거나 판매된 좌석입니다.",
        Code::HoldExists => "이미 선점한 좌석이 있습니다.",
        Code::AlreadyPaid => "이미 결제된 예약입니다.",
        Code::ReservationExpired => "선점 시간이 만료되었습니다.",
        Code::ReservationCancelled => "취소된 예약입니다.",
        Code::UsernameTaken => "이미 사용 중인 사용자 이름입니다.",
        Code::EmailTaken => "이미 사용 중인 이메일입니다.",
        Code::IdempotencyInProgress => "같은 멱등성 키의 요청을 처리하고 있습니다. 잠시 후 다시 시도하세요.",
        Code::SeatLimitExceeded => "예약할 수 있는 좌석 수를 초과했습니다.",
        Code::BookingClosed => "예약 가능한 기간이 아닙니다.",
        Code::NotPayable => "결제할 수 없는 예약입니다.",
        Code::IdempotencyKeyReused => "멱등성 키가 이미 다른 요청에 사용되었습니다.",
        Code::TooManyRequests => "요청이 너무 많습니다. 잠시 후 다시 시도하세요.",
        Code::Overloaded | Code::Unroutable | Code::DeadlineExceeded => {
            "요청이 몰려 처리하지 못했습니다. 잠시 후 다시 시도하세요."
        }
        Code::Timeout => "시간 안에 응답하지 못해 결과를 알 수 없습니다. 같은 멱등성 키로 다시 시도하세요.",
        Code::Internal => "서버 오류가 발생했습니다.",
    }
}

/// The body of a failure.
pub(super) fn failed_body(failure: &Failure, words: Words) -> Bytes {
    let mut message = words.message.unwrap_or_default().to_owned();
    for (field, fault) in failure.rejection().details.get("fields").and_then(Value::as_object).into_iter().flatten() {
        message.push_str(&format!(" {field}: {}", fault_in_korean(fault.as_str().unwrap_or_default())));
    }
    json!({ "code": failure.code.as_str(), "message": message }).to_string().into()
}

/// What is wrong with a field, as far as this design's clients need to know.
fn fault_in_korean(fault: &str) -> &'static str {
    match fault {
        fault if fault.starts_with("is required") => "필수 값입니다.",
        "is given twice" => "한 번만 보내야 합니다.",
        _ => "올바른 값이 아닙니다.",
    }
}

/// The schema of that body.
pub(super) fn failed_schema() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "properties": { "code": { "type": "string", "enum": codes }, "message": { "type": "string" } },
        "required": ["code", "message"],
        "additionalProperties": false,
    })
}
