//! Points: the balance of a user.

use onsale_common::contract::account::{UseBalance, UseView};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::UserId;
use onsale_common::money::{Amount, Money};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TOKEN;
use crate::answer::Failure;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

pub(super) const GROUP: Group = Group {
    name: "Points",
    endpoints: &[Endpoint::post("/api/users/{userId}/point/use", TOKEN)
        .talks("usePoints", "Take points from a user's balance.", |talk| answer_with(spend(talk)))
        .takes::<PointUse>()
        .gives::<Points>()
        .keyed()
        .fails(&[Code::InvalidAmount, Code::InsufficientBalance, Code::Forbidden, Code::UserNotFound])],
};

/// Points to take.
#[derive(Serialize, Deserialize, JsonSchema)]
struct PointUse {
    /// How many, above zero.
    #[schemars(range(min = 1))]
    amount: Amount,
}

impl Example for PointUse {
    fn example() -> Self {
        Self { amount: UseBalance::example().amount }
    }
}

/// What a user has.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Points {
    /// Whose.
    user_id: UserId,
    /// What is left.
    balance: Money,
}

impl From<UseView> for Points {
    fn from(used: UseView) -> Self {
        Self { user_id: used.user_id, balance: used.current_balance }
    }
}

impl Example for Points {
    fn example() -> Self {
        UseView::example().into()
    }
}

async fn spend(talk: Talk<'_>) -> Result<Points, Failure> {
    let user_id = talk.ask.id("userId")?;
    let PointUse { amount } = talk.ask.read()?;
    Ok(talk.effect(UseBalance { user_id, amount }).await?.into())
}
