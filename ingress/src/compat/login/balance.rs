//! A user's balance.

use onsale_common::contract::account::{BalanceView, ChargeBalance, ChargeView, GetBalance, UserView};
use onsale_common::contract::{Code, Example};
use onsale_common::money::Money;
use onsale_common::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::Failure;
use crate::caller::Demand;
use crate::compat::decimal::DecimalAmount;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::USER_EXAMPLE;
use super::user::who_logged_in;

pub(super) const GROUP: Group = Group {
    name: "Balance",
    endpoints: &[
        Endpoint::get("/balance", Demand::LOGIN_ALWAYS)
            .talks("getBalance", "The balance of the user who logged in.", |talk| answer_with(balance(talk)))
            .gives::<User>(),
        Endpoint::post("/balance", Demand::LOGIN_ALWAYS)
            .talks("chargeBalance", "Add to the balance of the user who logged in.", |talk| answer_with(charge(talk)))
            .takes::<Charge>()
            .gives::<User>()
            .keyed()
            .fails(&[Code::InvalidAmount]),
    ],
};

/// What is added, and for whom.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Charge {
    /// How much, in whole won.
    amount: DecimalAmount,
    /// The user who logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
}

impl Example for Charge {
    fn example() -> Self {
        Self { amount: DecimalAmount(ChargeBalance::example().amount), user_id: None }
    }
}

/// A user with their balance.
#[derive(Serialize, JsonSchema)]
struct User {
    /// The user's id.
    id: Uuid,
    /// The same, by the name that it has elsewhere.
    user_id: Uuid,
    /// The name.
    username: String,
    /// The address.
    email: String,
    /// What is left.
    balance: Money,
    /// When the user signed up.
    created_at: Time,
    /// When the balance last changed.
    updated_at: Time,
}

impl User {
    fn of(user: UserView, balance: Money, updated_at: Time) -> Self {
        let UserView { user_id: _, uuid, username, email, created_at } = user;
        Self { id: uuid, user_id: uuid, username, email, balance, created_at, updated_at }
    }
}

/// After the first charge.
impl Example for User {
    fn example() -> Self {
        let ChargeView { user_id, current_balance, charged_at, .. } = Example::example();
        let user = UserView {
            user_id,
            uuid: USER_EXAMPLE,
            username: "user1".to_owned(),
            email: "user1@example.com".to_owned(),
            ..Example::example()
        };
        Self::of(user, current_balance, charged_at)
    }
}

async fn balance(mut talk: Talk<'_>) -> Result<User, Failure> {
    let user = who_logged_in(&talk, None).await?;
    talk.go_on_as(user.user_id).await?;
    let BalanceView { current_balance, last_updated, .. } = talk.command(GetBalance { user_id: user.user_id }).await?;
    Ok(User::of(user, current_balance, last_updated))
}

async fn charge(mut talk: Talk<'_>) -> Result<User, Failure> {
    let charge: Charge = talk.ask.read()?;
    let user = who_logged_in(&talk, charge.user_id).await?;
    talk.go_on_as(user.user_id).await?;
    let charge = ChargeBalance { user_id: user.user_id, amount: charge.amount.0 };
    let ChargeView { current_balance, charged_at, .. } = talk.effect(charge).await?;
    Ok(User::of(user, current_balance, charged_at))
}
