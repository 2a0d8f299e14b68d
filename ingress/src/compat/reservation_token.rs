//! `/compat/reservation-token`: the design whose queue token travels in `X-Reservation-Token`. Its users are UUIDs, its
//! amounts decimals, and a seat is booked and paid by its own id; every attempt to book is logged for the organiser.

mod bookings;
mod catalog;
mod ids;
mod queue;
mod users;

use bytes::Bytes;
use hyper::StatusCode;
use onsale_common::contract::Code;
use onsale_common::contract::account::{FindUser, UserView};
use onsale_common::contract::catalog::PlannedSchedule;
use onsale_common::ids::QueueToken;
use onsale_common::time::Time;
use serde_json::{Value, json};
use uuid::Uuid;

use super::zoneless::Zoneless;
use crate::answer::{Failure, Words};
use crate::caller::{Demand, Place};
use crate::dialect::Dialect;
use crate::shape::Param;
use crate::talk::Talk;

const HEADER: &str = "X-Reservation-Token";
const TOKEN: Demand = Demand::token_in(Place::Header(HEADER));
const TOKEN_OR_LOGIN: Demand = Demand::token_or_login(Place::Header(HEADER));

/// Users and tokens of the examples.
const EXAMPLE_USER: Uuid = Uuid::from_u128(0x3f2b_8c1d_5e6a_4b7c_8d9e_0f1a_2b3c_4d5e);
const EXAMPLE_TOKEN: QueueToken = QueueToken::from_uuid(Uuid::from_u128(0x0000_005e_7c1a_8d2b_9f3c_4a5b_6c7d_8e9f));

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    name: "reservation-token",
    title: "Onsale: reservation token",
    about: "One queue for the whole service: its token, in `X-Reservation-Token`, opens every performance. A user has one \
            booking under way at a time; seats that were held together through another API are paid together. Times are \
            UTC without a zone, those of performances local; amounts are whole decimals. A failure is `{message}`.",
    mount: "/compat/reservation-token",
    groups: &[&queue::GROUP, &users::GROUP, &catalog::GROUP, &bookings::GROUP],
    path_params: &[
        Param::of::<Uuid>("user_id", "The user.", "\"3f2b8c1d-5e6a-4b7c-8d9e-0f1a2b3c4d5e\""),
        Param::new("id", "The seat.", ids::long, "536870913"),
    ],
    strict_query: false,
    done_around: ["", ""],
    done_schema: std::convert::identity,
    words,
    failed_body,
    failed_schema,
    token_challenge: HEADER,
};

const fn words(code: Code) -> Words {
    let (status, message) = match code {
        Code::InvalidRequest => (StatusCode::BAD_REQUEST, "Request is invalid"),
        Code::InvalidAmount => (StatusCode::BAD_REQUEST, "Amount is invalid"),
        Code::AmountMismatch => (StatusCode::BAD_REQUEST, "Amount differs from the price"),
        Code::TokenMissing
        | Code::TokenInvalid
        | Code::TokenExpired
        | Code::TokenNotActive
        | Code::TokenNotFound
        | Code::LoginRequired
        | Code::LoginFailed => (StatusCode::UNAUTHORIZED, "Token is invalid"),
        Code::InsufficientBalance => (StatusCode::FORBIDDEN, "Insufficient balance"),
        Code::Forbidden => (StatusCode::FORBIDDEN, "Token belongs to another user"),
        Code::WrongSchedule => (StatusCode::FORBIDDEN, "Token is for another concert date"),
        Code::UserNotFound => (StatusCode::NOT_FOUND, "User not found"),
        Code::ConcertNotFound => (StatusCode::NOT_FOUND, "Concert not found"),
        Code::ScheduleNotFound => (StatusCode::NOT_FOUND, "Concert date not found"),
        Code::SeatNotFound => (StatusCode::NOT_FOUND, "Performance seat not found"),
        Code::ReservationNotFound | Code::ReservationCancelled => (StatusCode::NOT_FOUND, "Reservation not found"),
        Code::PaymentNotFound => (StatusCode::NOT_FOUND, "Payment not found"),
        Code::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        Code::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        Code::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large"),
        Code::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"),
        Code::HeadersTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request headers are too large"),
        Code::TokenExists => (StatusCode::CONFLICT, "User already has a token"),
        Code::SeatTaken => (StatusCode::CONFLICT, "Other user is booking the seat"),
        Code::HoldExists => (StatusCode::CONFLICT, "User already has a reservation"),
        Code::AlreadyPaid => (StatusCode::BAD_REQUEST, "Seat is already booked"),
        Code::ReservationExpired => (StatusCode::BAD_REQUEST, "Queue expired"),
        Code::UsernameTaken => (StatusCode::CONFLICT, "Username is taken"),
        Code::EmailTaken => (StatusCode::CONFLICT, "Email is taken"),
        Code::SeatLimitExceeded => (StatusCode::CONFLICT, "User already has as many seats as allowed"),
        Code::BookingClosed => (StatusCode::BAD_REQUEST, "Booking is not open"),
        Code::NotPayable => (StatusCode::BAD_REQUEST, "Reservation cannot be paid"),
        Code::IdempotencyInProgress => (StatusCode::CONFLICT, "Request with this Idempotency-Key is in progress"),
        Code::IdempotencyKeyReused => (StatusCode::CONFLICT, "Idempotency-Key was used for another request"),
        Code::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        Code::Overloaded | Code::Unroutable | Code::DeadlineExceeded => {
            (StatusCode::SERVICE_UNAVAILABLE, "Service is overloaded, nothing was done")
        }
        Code::Timeout => (StatusCode::GATEWAY_TIMEOUT, "No answer in time, the outcome is unknown"),
        Code::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    };
    Words { status, message: Some(message) }
}

fn failed_body(failure: &Failure, words: Words) -> Bytes {
    json!({ "message": failure.sentence(words) }).to_string().into()
}

fn failed_schema() -> Value {
    json!({ "type": "object", "properties": { "message": { "type": "string" } }, "required": ["message"] })
}

async fn find_user(talk: &Talk<'_>, uuid: Uuid) -> Result<UserView, Failure> {
    talk.command(FindUser { uuid: Some(uuid), ..FindUser::default() }).await
}

/// When a performance begins, where the venue is: no zone is known, and none is written.
fn performance_datetime(schedule: &PlannedSchedule) -> Zoneless {
    Zoneless(Time(schedule.performance_date.and_time(schedule.performance_time).and_utc()))
}
