//! Users, logins, and what a user has: balance, ledger entries, reservations.

use std::borrow::Cow;

use onsale_common::contract::account::{
    ChargeBalance, CreateUser, GetBalance, ListLedger, ListReservations, LogIn, UseBalance,
};
use onsale_common::contract::{Code, Command, Rejection};
use onsale_common::ids::UserId;

use crate::ask::{Ask, checked};
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;

use super::{CURSOR, LIMIT};

pub(super) const GROUP: Group =
    Group {
        name: "Users and balances",
        endpoints: &[
            Endpoint::post("/users", Demand::NOTHING)
                .asks::<CreateUser>(create)
                .created()
                .fails(&[Code::UsernameTaken, Code::EmailTaken]),
            Endpoint::post("/auth/login", Demand::NOTHING).asks::<LogIn>(log_in).fails(&[Code::LoginFailed]),
            Endpoint::get("/users/{userId}/reservations", Demand::QUEUE_TOKEN)
                .asks::<ListReservations>(reservations)
                .queries(&[LIMIT, CURSOR])
                .fails(&[Code::Forbidden, Code::UserNotFound]),
            Endpoint::post("/users/{userId}/balance/charge", Demand::QUEUE_TOKEN)
                .asks::<ChargeBalance>(charge)
                .keyed()
                .fails(&[Code::InvalidAmount, Code::Forbidden, Code::UserNotFound]),
            Endpoint::post("/users/{userId}/balance/use", Demand::QUEUE_TOKEN)
                .asks::<UseBalance>(spend)
                .keyed()
                .fails(&[Code::InvalidAmount, Code::InsufficientBalance, Code::Forbidden, Code::UserNotFound]),
            Endpoint::get("/users/{userId}/balance", Demand::QUEUE_TOKEN)
                .asks::<GetBalance>(balance)
                .fails(&[Code::Forbidden, Code::UserNotFound]),
            Endpoint::get("/users/{userId}/balance/entries", Demand::QUEUE_TOKEN)
                .asks::<ListLedger>(entries)
                .queries(&[LIMIT, CURSOR])
                .fails(&[Code::Forbidden, Code::UserNotFound]),
        ],
    };

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
    checked(ListLedger { user_id, limit, cursor: ask.query.text("cursor")?.map(Cow::into_owned) })
}

fn reservations(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let (user_id, limit) = (user(ask)?, ask.query.number("limit")?);
    let cursor = ask.query.text("cursor")?.map(Cow::into_owned);
    checked(ListReservations { user_id, seat_id: None, limit, cursor })
}

fn user(ask: &Ask<'_>) -> Result<UserId, Rejection> {
    ask.id("userId")
}
