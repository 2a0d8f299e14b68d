//! Rejections: the answers nobody hopes for but everybody must expect. They are data, serialisable, part of the contract.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $message:literal;)+) => {
        /// Why a command was not done, as a word that clients match on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $wire)] $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code as it travels.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)+ }
            }

            /// What it means and what to do, for a person.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)+ }
            }
        }
    };
}

codes! {
    /// A field is missing, of the wrong type, out of range or unknown; `details.fields` names it.
    InvalidRequest = "INVALID_REQUEST", "The request is not valid; details.fields says where and why.";
    /// An amount that cannot be charged, used or paid.
    InvalidAmount = "INVALID_AMOUNT", "The amount is not valid.";
    /// The amount given is not what the reservation costs.
    AmountMismatch = "AMOUNT_MISMATCH", "The amount differs from what the reservation costs.";
    /// No queue token was given.
    TokenMissing = "TOKEN_MISSING", "A queue token is required; get one with POST /api/v1/queue/tokens.";
    /// The queue token is not one of ours.
    TokenInvalid = "TOKEN_INVALID", "The queue token is not valid.";
    /// The queue token expired, was given back, or was used up by a payment.
    TokenExpired = "TOKEN_EXPIRED", "The queue token is no longer live; join the waiting room again.";
    /// The queue token is still waiting.
    TokenNotActive = "TOKEN_NOT_ACTIVE", "The queue token is still waiting for its turn.";
    /// A login is required.
    LoginRequired = "LOGIN_REQUIRED", "Log in first: Authorization: Bearer <accessToken>.";
    /// Email or password is wrong.
    LoginFailed = "LOGIN_FAILED", "The email or the password is wrong.";
    /// The balance does not cover it.
    InsufficientBalance = "INSUFFICIENT_BALANCE", "The balance is too small.";
    /// It belongs to somebody else.
    Forbidden = "FORBIDDEN", "This belongs to another user.";
    /// The token is for another schedule.
    WrongSchedule = "WRONG_SCHEDULE", "The queue token is for another schedule.";
    /// No such user.
    UserNotFound = "USER_NOT_FOUND", "There is no such user.";
    /// No such concert.
    ConcertNotFound = "CONCERT_NOT_FOUND", "There is no such concert.";
    /// No such schedule.
    ScheduleNotFound = "SCHEDULE_NOT_FOUND", "There is no such schedule.";
    /// No such seat in this schedule.
    SeatNotFound = "SEAT_NOT_FOUND", "There is no such seat in this schedule.";
    /// No such reservation.
    ReservationNotFound = "RESERVATION_NOT_FOUND", "There is no such reservation.";
    /// No such payment.
    PaymentNotFound = "PAYMENT_NOT_FOUND", "There is no such payment.";
    /// No such queue token.
    TokenNotFound = "TOKEN_NOT_FOUND", "There is no such queue token.";
    /// No such path.
    NotFound = "NOT_FOUND", "There is nothing at this path.";
    /// The path exists, the method does not.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", "This path does not take this method; the Allow header names those it does.";
    /// The body is larger than the limit.
    BodyTooLarge = "BODY_TOO_LARGE", "The request body is too large.";
    /// The body is not JSON.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", "The request body must be application/json.";
    /// The headers are larger than the limit.
    HeadersTooLarge = "HEADERS_TOO_LARGE", "The request headers are too large.";
    /// The user has a live token of this schedule already.
    TokenExists = "TOKEN_EXISTS", "The user has a live queue token of this schedule already.";
    /// Another user holds or owns a seat asked for.
    SeatTaken = "SEAT_TAKEN", "A seat is held or sold already; details.seatIds says which.";
    /// The user has another live hold, and asked to have only one.
    HoldExists = "HOLD_EXISTS", "The user holds other seats already.";
    /// The reservation is paid.
    AlreadyPaid = "ALREADY_PAID", "The reservation is paid already.";
    /// The hold ran out.
    ReservationExpired = "RESERVATION_EXPIRED", "The hold has expired.";
    /// The hold was released.
    ReservationCancelled = "RESERVATION_CANCELLED", "The reservation was cancelled.";
    /// Another user has this name.
    UsernameTaken = "USERNAME_TAKEN", "The username is taken.";
    /// Another user has this address.
    EmailTaken = "EMAIL_TAKEN", "The email is taken.";
    /// A request with the same key is being worked on.
    IdempotencyInProgress = "IDEMPOTENCY_IN_PROGRESS", "A request with this idempotency key is still being worked on; ask again.";
    /// The user would have more seats of the schedule than allowed.
    SeatLimitExceeded = "SEAT_LIMIT_EXCEEDED", "More seats than one user may have of this schedule.";
    /// The booking window is closed, or the sale paused.
    BookingClosed = "BOOKING_CLOSED", "Booking is not open for this schedule.";
    /// The reservation is in a state that cannot be paid.
    NotPayable = "NOT_PAYABLE", "The reservation cannot be paid.";
    /// The same key came with another request.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", "The idempotency key was used for a different request.";
    /// The caller asks too often.
    TooManyRequests = "TOO_MANY_REQUESTS", "Too many requests; wait as Retry-After says.";
    /// There is more work than can be done in time; nothing was done.
    Overloaded = "OVERLOADED", "More work than can be done in time; nothing was done; wait as Retry-After says.";
    /// No queue takes the command; nothing was done.
    Unroutable = "UNROUTABLE", "No queue takes this command; nothing was done.";
    /// No answer in time; whether it was done is not known.
    Timeout = "TIMEOUT", "No answer in time and the outcome is unknown; ask again with the same Idempotency-Key.";
    /// The command was past its deadline when a worker came to it; nothing was done.
    DeadlineExceeded = "DEADLINE_EXCEEDED", "The command was past its deadline; nothing was done.";
    /// A fault of ours.
    Internal = "INTERNAL", "Something failed on our side.";
}

/// An expected answer that is not success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejection {
    /// The word that clients match on.
    pub code: Code,
    /// The sentence for a person: what is wrong and what to do.
    pub message: Cow<'static, str>,
    /// What a program needs to act on it; an empty object where there is nothing.
    #[serde(default)]
    pub details: Map<String, Value>,
}

impl Rejection {
    /// A rejection with the code's own message and no details.
    pub fn of(code: Code) -> Self {
        Self { code, message: Cow::Borrowed(code.message()), details: Map::new() }
    }

    /// The same with a message that says more than the code's own.
    pub fn saying(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), details: Map::new() }
    }

    /// `INVALID_REQUEST` about one field. What is quoted of the request is cut: a client may have written anything.
    pub fn invalid_field(field: &str, fault: &str) -> Self {
        Self::of(Code::InvalidRequest).with("fields", json!({ cut(field, 100): cut(fault, 300) }))
    }

    /// Adds one detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// The beginning of a text.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

impl From<Code> for Rejection {
    fn from(code: Code) -> Self {
        Self::of(code)
    }
}
