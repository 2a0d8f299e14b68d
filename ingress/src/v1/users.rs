//! Users, logins, and what a user has: balance, ledger entries, reservations.

use std::borrow::Cow;

use onsale_common::contract::account::{
    ChargeBalance, CreateUser, GetBalance, ListLedger, ListReservations, LogIn, UseBalance,
};
use onsale_common::contract::{Command, Rejection};
use onsale_common::ids::UserId;

use crate::caller::Demand;
use crate::endpoint::{Ask, Endpoint, checked};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post("/users", Demand::Nothing, create).created(),
    Endpoint::post("/auth/login", Demand::Nothing, log_in),
    Endpoint::get("/users/{userId}/reservations", Demand::QueueToken, reservations),
    Endpoint::post("/users/{userId}/balance/charge", Demand::QueueToken, charge).keyed(),
    Endpoint::post("/users/{userId}/balance/use", Demand::QueueToken, spend).keyed(),
    Endpoint::get("/users/{userId}/balance", Demand::QueueToken, balance),
    Endpoint::get("/users/{userId}/balance/entries", Demand::QueueToken, entries),
];

fn create(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ask.body::<CreateUser>()?.into())
}

fn log_in(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ask.body::<LogIn>()?.into())
}

fn charge(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ask.body_with::<ChargeBalance>("userId", user(ask)?)?.into())
}

fn spend(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(ask.body_with::<UseBalance>("userId", user(ask)?)?.into())
}

fn balance(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(GetBalance { user_id: user(ask)? }.into())
}

fn entries(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let (user_id, limit) = (user(ask)?, ask.query.number("limit")?);
    checked(ListLedger { user_id, limit, cursor: ask.query.text("cursor").map(Cow::into_owned) })
}

fn reservations(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let (user_id, limit) = (user(ask)?, ask.query.number("limit")?);
    let cursor = ask.query.text("cursor").map(Cow::into_owned);
    checked(ListReservations { user_id, seat_id: None, limit, cursor })
}

fn user(ask: &Ask<'_>) -> Result<UserId, Rejection> {
    ask.id("userId")
}
