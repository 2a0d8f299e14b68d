//! Balances, called points.

use onsale_common::contract::account::{BalanceView, ChargeBalance, ChargeView, GetBalance};
use onsale_common::contract::{Code, Example};
use onsale_common::money::{Amount, Money};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::Failure;
use crate::caller::{Demand, Place};
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::username::Username;
use super::{EXAMPLE_USER, user_named};

/// The design asks for no token here. Where the service demands logins, the user's own token will do.
const USER: Demand = Demand::token_or_login(Place::Bearer);

pub(super) const GROUP: Group = Group {
    name: "Points",
    endpoints: &[
        Endpoint::patch("/points", USER)
            .talks("chargePoints", "Add to a balance", |talk| answer_with(charge(talk)))
            .takes::<ChargePoints>()
            .gives::<Points>()
            .keyed()
            .fails(&[Code::InvalidAmount, Code::UserNotFound]),
        Endpoint::get("/points/{userId}", USER)
            .talks("getPoints", "Read a balance", |talk| answer_with(get(talk)))
            .gives::<Points>()
            .fails(&[Code::UserNotFound]),
    ],
};

/// Whose balance, and how much is added.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ChargePoints {
    /// The user, by name.
    user_id: Username,
    /// How much, above zero.
    #[schemars(range(min = 1))]
    amount: Amount,
}

impl Example for ChargePoints {
    fn example() -> Self {
        Self { user_id: Example::example(), amount: ChargeBalance::example().amount }
    }
}

/// A balance.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Points {
    /// Whose.
    user_id: String,
    /// What is left.
    point: Money,
}

impl Example for Points {
    fn example() -> Self {
        Self { user_id: EXAMPLE_USER.to_owned(), point: ChargeView::example().current_balance }
    }
}

async fn charge(mut talk: Talk<'_>) -> Result<Points, Failure> {
    let body: ChargePoints = talk.ask.read()?;
    let user = user_named(&talk, body.user_id.as_str()).await?;
    talk.go_on_as(user.user_id).await?;
    let charged = talk.effect(ChargeBalance { user_id: user.user_id, amount: body.amount }).await?;
    Ok(Points { user_id: user.username, point: charged.current_balance })
}

async fn get(mut talk: Talk<'_>) -> Result<Points, Failure> {
    let user = user_named(&talk, &talk.ask.param("userId")).await?;
    talk.go_on_as(user.user_id).await?;
    let BalanceView { current_balance, .. } = talk.command(GetBalance { user_id: user.user_id }).await?;
    Ok(Points { user_id: user.username, point: current_balance })
}
