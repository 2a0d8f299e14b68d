//! Payments.

use onsale_common::contract::payment::{GetPayment, Pay};
use onsale_common::contract::{Code, Command, Rejection};

use crate::ask::Ask;
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;

pub(super) const GROUP: Group = Group {
    name: "Payments",
    endpoints: &[
        Endpoint::post("/payments", Demand::QUEUE_TOKEN).asks::<Pay>(pay).created().keyed().fails(&[
            Code::InvalidAmount,
            Code::AmountMismatch,
            Code::TokenNotActive,
            Code::InsufficientBalance,
            Code::Forbidden,
            Code::WrongSchedule,
            Code::ReservationNotFound,
            Code::AlreadyPaid,
            Code::ReservationExpired,
            Code::ReservationCancelled,
            Code::NotPayable,
        ]),
        Endpoint::get("/payments/{paymentId}", Demand::QUEUE_TOKEN).asks::<GetPayment>(get).fails(&[
            Code::Forbidden,
            Code::WrongSchedule,
            Code::PaymentNotFound,
        ]),
    ],
};

fn pay(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ask.body::<Pay>()?.into())
}

fn get(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(GetPayment { payment_id: ask.id("paymentId")? }.into())
}
