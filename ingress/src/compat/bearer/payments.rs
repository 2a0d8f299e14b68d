//! Payments.

use hyper::StatusCode;
use onsale_common::contract::payment::{Pay, PaymentMethod, PaymentView};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::{PaymentId, ReservationId};
use onsale_common::money::{Amount, Money};
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{Failure, OwnWords};
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::username::Username;
use super::{EXAMPLE_USER, TOKEN, token_user};

pub(super) const GROUP: Group = Group {
    name: "Payments",
    // The design's heading says the one path, its example the other.
    endpoints: &[payment("/payments", "pay"), payment("/paytments", "payAsInTheExample")],
};

/// An amount that no reservation costs is just the wrong one.
const WRONG_AMOUNT: OwnWords =
    OwnWords::new(Code::InvalidAmount, StatusCode::BAD_REQUEST, "결제 금액이 일치하지 않습니다.");

const fn payment(path: &'static str, operation: &'static str) -> Endpoint {
    Endpoint::post(path, TOKEN)
        .talks(operation, "Pay a reservation", |talk| answer_with(pay(talk)))
        .takes::<PayReservation>()
        .gives::<Payment>()
        .created()
        .keyed()
        .says(&[WRONG_AMOUNT])
        .fails(&[
            Code::AmountMismatch,
            Code::TokenNotActive,
            Code::InsufficientBalance,
            Code::Forbidden,
            Code::UserNotFound,
            Code::ReservationNotFound,
            Code::AlreadyPaid,
            Code::ReservationCancelled,
            Code::NotPayable,
            Code::ReservationExpired,
        ])
}

/// What is paid, and by whom.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PayReservation {
    /// The token's user, by name.
    user_id: Username,
    /// The reservation.
    reserve_id: ReservationId,
    /// What it costs.
    amount: Amount,
}

impl Example for PayReservation {
    fn example() -> Self {
        let PaymentView { reservation_id, amount, .. } = Example::example();
        Self { user_id: Example::example(), reserve_id: reservation_id, amount: Amount::new(amount) }
    }
}

/// Where a payment stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum PayStatus {
    /// The money is taken and the seat is sold.
    Success,
}

/// A payment.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Payment {
    /// Its id.
    payment_id: PaymentId,
    /// What was paid.
    reserve_id: ReservationId,
    /// Who paid.
    user_id: String,
    /// How much.
    price: Money,
    /// Where it stands.
    status: PayStatus,
    /// When.
    created_at: Time,
}

impl Payment {
    fn of(username: String, paid: &PaymentView) -> Self {
        Self {
            payment_id: paid.payment_id,
            reserve_id: paid.reservation_id,
            user_id: username,
            price: paid.amount,
            status: PayStatus::Success,
            created_at: paid.paid_at,
        }
    }
}

impl Example for Payment {
    fn example() -> Self {
        Self::of(EXAMPLE_USER.to_owned(), &Example::example())
    }
}

async fn pay(talk: Talk<'_>) -> Result<Payment, Failure> {
    let body: PayReservation = talk.ask.read()?;
    let user = token_user(&talk, body.user_id.as_str()).await?;
    let pay = Pay {
        reservation_id: body.reserve_id,
        payment_method: PaymentMethod::Balance,
        user_id: user.user_id,
        amount: Some(body.amount),
    };
    Ok(Payment::of(user.username, &talk.effect(pay).await?))
}
