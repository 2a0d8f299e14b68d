//! Paying a reservation.

use onsale_common::contract::payment::{Pay, PaymentMethod, PaymentView};
use onsale_common::contract::{Code, Example};
use onsale_common::money::Money;
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use uuid::Uuid;

use crate::answer::Failure;
use crate::compat::decimal::DecimalAmount;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::names::{name_of, named};
use super::user::who_logged_in;
use super::{LOGIN_AND_TOKEN, USER_EXAMPLE};

pub(super) const GROUP: Group = Group {
    name: "Payments",
    endpoints: &[Endpoint::post("/payment", LOGIN_AND_TOKEN)
        .talks("pay", "Pay a reservation from the balance.", |talk| answer_with(pay(talk)))
        .takes::<PayReservation>()
        .gives::<Payment>()
        .created()
        .keyed()
        .fails(&[
            Code::InvalidAmount,
            Code::AmountMismatch,
            Code::TokenNotActive,
            Code::InsufficientBalance,
            Code::WrongSchedule,
            Code::ReservationNotFound,
            Code::AlreadyPaid,
            Code::ReservationExpired,
            Code::ReservationCancelled,
            Code::NotPayable,
        ])],
};

/// What is paid, and how.
#[derive(Serialize, Deserialize, JsonSchema)]
struct PayReservation {
    /// The reservation.
    reservation_id: Uuid,
    /// What the client calls its way of paying, as in `credit_card`. Whatever it is called, the balance pays.
    payment_method: Method,
    /// What the client believes it costs; refused when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<DecimalAmount>,
    /// The user who logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
}

impl Example for PayReservation {
    fn example() -> Self {
        let pay = Pay::example();
        Self {
            reservation_id: name_of(pay.reservation_id),
            payment_method: Method::example(),
            amount: pay.amount.map(DecimalAmount),
            user_id: None,
        }
    }
}

/// A label of 1 to 50 characters.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Method(#[schemars(length(min = 1, max = 50))] String);

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let label = String::deserialize(deserializer)?;
        if (1..=50).contains(&label.chars().count()) {
            Ok(Self(label))
        } else {
            Err(de::Error::custom("must be 1 to 50 characters"))
        }
    }
}

impl Example for Method {
    fn example() -> Self {
        Self("credit_card".to_owned())
    }
}

/// Where a payment stands: it exists once it is made.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "PaymentStatus")]
enum Standing {
    /// The money is taken and the seat is sold.
    Success,
}

/// A payment.
#[derive(Serialize, JsonSchema)]
struct Payment {
    /// Its id.
    id: Uuid,
    /// What was paid.
    reservation_id: Uuid,
    /// Who paid.
    user_id: Uuid,
    /// How much.
    amount: Money,
    /// Where it stands.
    payment_status: Standing,
    /// What the client called its way of paying.
    payment_method: Method,
    /// When it was made.
    created_at: Time,
    /// The same: a payment does not change.
    updated_at: Time,
}

impl Payment {
    fn of(view: &PaymentView, payment_method: Method, user_id: Uuid) -> Self {
        Self {
            id: name_of(view.payment_id),
            reservation_id: name_of(view.reservation_id),
            user_id,
            amount: view.amount,
            payment_status: Standing::Success,
            payment_method,
            created_at: view.paid_at,
            updated_at: view.paid_at,
        }
    }
}

impl Example for Payment {
    fn example() -> Self {
        Self::of(&Example::example(), Example::example(), USER_EXAMPLE)
    }
}

async fn pay(talk: Talk<'_>) -> Result<Payment, Failure> {
    let asked: PayReservation = talk.ask.read()?;
    let reservation_id = named(asked.reservation_id)?;
    let user = who_logged_in(&talk, asked.user_id).await?;
    let amount = asked.amount.map(|amount| amount.0);
    let pay = Pay { reservation_id, payment_method: PaymentMethod::Balance, user_id: user.user_id, amount };
    Ok(Payment::of(&talk.effect(pay).await?, asked.payment_method, user.uuid))
}
