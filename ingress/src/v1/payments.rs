//! Payments.

use onsale_common::contract::payment::{GetPayment, Pay};
use onsale_common::contract::{Command, Rejection};

use crate::caller::Demand;
use crate::endpoint::{Ask, Endpoint};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post("/payments", Demand::QueueToken, pay).created().keyed(),
    Endpoint::get("/payments/{paymentId}", Demand::QueueToken, get),
];

fn pay(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ask.body::<Pay>()?.into())
}

fn get(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(GetPayment { payment_id: ask.id("paymentId")? }.into())
}
