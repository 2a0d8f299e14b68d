//! Commands and replies of the payment lane.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::command::{CommandData, CommandName};
use super::parse::word;
use super::{Code, Rejection};
use crate::ids::{PaymentId, QueueToken, ReservationId, UserId};
use crate::money::{Amount, Money};
use crate::time::Time;

/// How a payment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PaymentMethod {
    /// From the user's balance.
    Balance,
}

impl<'de> Deserialize<'de> for PaymentMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, &["BALANCE"], &[Self::Balance])
    }
}

/// Pay a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pay {
    /// What is paid.
    pub reservation_id: ReservationId,
    /// How.
    pub payment_method: PaymentMethod,
    /// Who pays: the token's user.
    pub user_id: UserId,
    /// What the client believes it costs; refused when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
}

impl CommandData for Pay {
    const NAME: CommandName = CommandName::Pay;
    type Reply = PaymentView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.reservation_id.schedule().get().unsigned_abs()
    }
    fn check(&self) -> Result<(), Rejection> {
        check_amount(self.amount)
    }
}

/// Checks what a client believes something costs.
pub(super) fn check_amount(amount: Option<Amount>) -> Result<(), Rejection> {
    match amount {
        Some(amount) if amount.cost().is_none() => {
            Err(Rejection::saying(Code::InvalidAmount, "amount must be a whole number, and not below 0"))
        }
        _ => Ok(()),
    }
}

/// Read a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetPayment {
    /// Which payment.
    pub payment_id: PaymentId,
}

impl CommandData for GetPayment {
    const NAME: CommandName = CommandName::GetPayment;
    type Reply = PaymentView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.payment_id.schedule().get().unsigned_abs()
    }
}

/// Life of a payment: it exists once it is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PaymentStatus {
    /// The money is taken and the seats are sold.
    Completed,
}

/// A seat that was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaidSeat {
    /// Its number within the schedule.
    pub seat_number: i32,
    /// What it cost.
    pub price: Money,
}

/// The reservation that was paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaidReservation {
    /// Its id for people.
    pub reservation_number: String,
    /// Its seats.
    pub seats: Vec<PaidSeat>,
}

/// A payment as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentView {
    /// Its id.
    pub payment_id: PaymentId,
    /// What was paid.
    pub reservation_id: ReservationId,
    /// Who paid.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
    /// How.
    pub payment_method: PaymentMethod,
    /// Where it stands.
    pub status: PaymentStatus,
    /// When.
    pub paid_at: Time,
    /// What was paid, for people.
    pub reservation: PaidReservation,
}
