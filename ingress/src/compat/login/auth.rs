//! Logging in.

use onsale_common::contract::account::{FindUser, LogIn, LoginView, TokenType};
use onsale_common::contract::{Code, Example};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::Failure;
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

use super::USER_EXAMPLE;

pub(super) const GROUP: Group = Group {
    name: "Login",
    endpoints: &[Endpoint::post("/auth/login", Demand::NOTHING)
        .talks("logIn", "Exchange email and password for a JWT.", |talk| answer_with(log_in(talk)))
        .takes::<Credentials>()
        .gives::<Login>()
        .fails(&[Code::LoginFailed])],
};

/// What a user proves who they are with.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Credentials {
    /// The address of the sign-up.
    email: String,
    /// The password.
    password: String,
}

impl Example for Credentials {
    fn example() -> Self {
        let LogIn { email, password } = Example::example();
        Self { email, password }
    }
}

/// A login: send its token in `Authorization: Bearer`.
#[derive(Serialize, JsonSchema)]
struct Login {
    /// A signed JWT.
    token: String,
    /// The same, by the name that OAuth gives it (RFC 6749, 5.1).
    access_token: String,
    /// How to present it.
    token_type: TokenType,
    /// Seconds until it expires.
    expires_in: u64,
    /// Who logged in.
    user_id: Uuid,
}

impl Login {
    fn of(login: LoginView, user_id: Uuid) -> Self {
        let LoginView { access_token, token_type, expires_in, user_id: _ } = login;
        Self { token: access_token.clone(), access_token, token_type, expires_in, user_id }
    }
}

impl Example for Login {
    fn example() -> Self {
        Self::of(Example::example(), USER_EXAMPLE)
    }
}

async fn log_in(talk: Talk<'_>) -> Result<Login, Failure> {
    let Credentials { email, password } = talk.ask.read()?;
    let login = talk.command(LogIn { email, password }).await?;
    let user = talk.command(FindUser { user_id: Some(login.user_id), ..FindUser::default() }).await?;
    Ok(Login::of(login, user.uuid))
}
