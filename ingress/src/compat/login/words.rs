//! How this design says that something was not done: `{code, message}`, in Korean as its document is.

use bytes::Bytes;
use onsale_common::contract::Code;
use serde_json::{Value, json};

use crate::answer::{self, Failure, Words};

/// The status is that of the canonical dialect.
pub(super) const fn words(code: Code) -> Words {
    Words { status: answer::status_of(code), message: Some(message(code)) }
}

/// The body.
pub(super) fn failed_body(failure: &Failure, words: Words) -> Bytes {
    let body = json!({ "code": known_as(failure.code), "message": failure.sentence(words) });
    body.to_string().into()
}

/// Its schema.
pub(super) fn failed_schema() -> Value {
    let codes: Vec<&Code> = Code::ALL.iter().filter(|code| known_as(**code) == **code).collect();
    json!({
        "type": "object",
        "properties": { "code": { "type": "string", "enum": codes }, "message": { "type": "string" } },
        "required": ["code", "message"],
    })
}

/// A schedule is a concert here.
const fn known_as(code: Code) -> Code {
    match code {
        Code::ScheduleNotFound => Code::ConcertNotFound,
        code => code,
    }
}

const fn message(code: Code) -> &'static str {
    match code {
        Code::InvalidRequest => "요청이 올바르지 않습니다.",
        Code::InvalidAmount => "금액이 올바르지 않습니다.",
        Code::AmountMismatch => "금액이 예약 금액과 일치하지 않습니다.",
        Code::TokenMissing => "대기열 토큰이 필요합니다. Queue-Token 헤더로 보내 주세요.",
        Code::TokenInvalid => "대기열 토큰이 유효하지 않습니다.",
        Code::TokenExpired => "대기열 토큰이 만료되었습니다. 대기열에 다시 참여해 주세요.",
        Code::TokenNotActive => "아직 대기 중입니다. 순서를 기다려 주세요.",
        Code::LoginRequired => "로그인이 필요합니다. Authorization: Bearer <token> 헤더로 보내 주세요.",
        Code::LoginFailed => "이메일 또는 비밀번호가 올바르지 않습니다.",
        Code::InsufficientBalance => "잔액이 부족합니다.",
        Code::Forbidden => "접근 권한이 없습니다.",
        Code::WrongSchedule => "다른 콘서트의 대기열 토큰입니다.",
        Code::UserNotFound => "사용자를 찾을 수 없습니다.",
        Code::ConcertNotFound | Code::ScheduleNotFound => "콘서트를 찾을 수 없습니다.",
        Code::SeatNotFound => "좌석을 찾을 수 없습니다.",
        Code::ReservationNotFound => "예약을 찾을 수 없습니다.",
        Code::PaymentNotFound => "결제를 찾을 수 없습니다.",
        Code::TokenNotFound => "대기열 토큰을 찾을 수 없습니다.",
        Code::NotFound => "요청한 경로를 찾을 수 없습니다.",
        Code::MethodNotAllowed => "허용되지 않은 메서드입니다.",
        Code::BodyTooLarge => "요청 본문이 너무 큽니다.",
        Code::UnsupportedMediaType => "요청 본문은 application/json 형식이어야 합니다.",
        Code::HeadersTooLarge => "요청 헤더가 너무 큽니다.",
        Code::TokenExists => "이미 대기열에 참여 중입니다.",
        Code::SeatTaken => "이미 예약된 좌석입니다.",
        Code::HoldExists => "이미 다른 좌석을 예약 중입니다.",
        Code::AlreadyPaid => "이미 결제된 예약입니다.",
        Code::ReservationExpired => "예약 시간이 만료되었습니다.",
        Code::ReservationCancelled => "취소된 예약입니다.",
        Code::UsernameTaken => "이미 사용 중인 사용자 이름입니다.",
        Code::EmailTaken => "이미 사용 중인 이메일입니다.",
        Code::IdempotencyInProgress => "같은 Idempotency-Key의 요청을 처리 중입니다. 다시 시도해 주세요.",
        Code::SeatLimitExceeded => "예약할 수 있는 좌석 수를 초과했습니다.",
        Code::BookingClosed => "예약 가능한 시간이 아닙니다.",
        Code::NotPayable => "결제할 수 없는 예약입니다.",
        Code::IdempotencyKeyReused => "다른 요청에 사용된 Idempotency-Key입니다.",
        Code::TooManyRequests => "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요.",
        Code::Overloaded => "요청이 몰려 처리하지 못했습니다. 잠시 후 다시 시도해 주세요.",
        Code::Unroutable | Code::DeadlineExceeded => "요청을 처리하지 못했습니다. 잠시 후 다시 시도해 주세요.",
        Code::Timeout => "응답이 늦어 결과를 알 수 없습니다. 같은 Idempotency-Key로 다시 시도해 주세요.",
        Code::Internal => "서버 오류가 발생했습니다.",
    }
}
