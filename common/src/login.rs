//! Logins: signed by the account worker, checked by ingress, both with `ONSALE_JWT_SECRET`.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::config::Env;
use crate::ids::UserId;
use crate::time::Time;

const ISSUER: &str = "onsale";
const AUDIENCE: &str = "onsale-api";

/// Bytes of a signing secret at least, so that it cannot be guessed from a token.
const SECRET_BYTES_MIN: usize = 32;

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// Signs and checks access tokens (JWT, HS256).
#[derive(Clone)]
pub struct Logins {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    ttl: Duration,
}

/// An access token that is forged, malformed or out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token is not valid")]
pub struct NotALogin;

/// Reads `ONSALE_AUTH`: whether joining a waiting room demands a login (`jwt`), or the user of a request is trusted (`open`).
pub fn are_demanded(env: &mut Env) -> bool {
    let mode = env.parsed("ONSALE_AUTH", "open".to_owned());
    if !["open", "jwt"].contains(&mode.as_str()) {
        env.fault(format!("ONSALE_AUTH is {mode:?}; it must be open or jwt"));
    }
    mode == "jwt"
}

impl Logins {
    /// Reads `ONSALE_JWT_SECRET` (required) and `ONSALE_LOGIN_TTL_S` (default one hour).
    pub fn from_env(env: &mut Env) -> Self {
        let secret = env.required_secret(
            "ONSALE_JWT_SECRET",
            "the secret that signs logins, 32 bytes or more, the same in ingress and account",
        );
        if !secret.is_empty() && secret.len() < SECRET_BYTES_MIN {
            env.fault(format!("ONSALE_JWT_SECRET has {} bytes; it needs {SECRET_BYTES_MIN} or more", secret.len()));
        }
        Self::new(secret.as_bytes(), env.seconds("ONSALE_LOGIN_TTL_S", 3600, 1..=86_400 * 30))
    }

    /// The same where the secret is set; without it no login can be checked.
    pub fn from_env_where_set(env: &mut Env) -> Option<Self> {
        env.secret("ONSALE_JWT_SECRET").is_some().then(|| Self::from_env(env))
    }

    /// Signs with a secret; a login lasts `ttl`.
    pub fn new(secret: &[u8], ttl: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The library's default forgives a minute, and demands only exp.
        validation.leeway = 0;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self { signing: EncodingKey::from_secret(secret), checking: DecodingKey::from_secret(secret), validation, ttl }
    }

    /// How long a login lasts.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Makes an access token for a user.
    ///
    /// # Errors
    /// When the library cannot sign, which an HMAC key does not cause.
    pub fn sign(&self, user: UserId, now: Time) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims {
            sub: user.to_string(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat: now.0.timestamp(),
            exp: now.plus(self.ttl).0.timestamp(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }

    /// Whose access token it is.
    ///
    /// # Errors
    /// [`NotALogin`] when it is not one of ours, or no longer.
    pub fn check(&self, access_token: &str) -> Result<UserId, NotALogin> {
        let token =
            jsonwebtoken::decode::<Claims>(access_token, &self.checking, &self.validation).map_err(|_| NotALogin)?;
        // RFC 7519, 4.1.4: not on the second of its end either, which the library lets pass.
        if token.claims.exp <= Time::now().0.timestamp() {
            return Err(NotALogin);
        }
        token.claims.sub.parse().map_err(|_| NotALogin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_logins_in_their_time_are_taken() {
        let logins = Logins::new(&[1; 32], Duration::from_secs(60));
        let token = logins.sign(UserId::new(7), Time::now()).unwrap();
        assert_eq!(logins.check(&token), Ok(UserId::new(7)));
        assert_eq!(Logins::new(&[2; 32], Duration::from_secs(60)).check(&token), Err(NotALogin));
        for age in [60, 62] {
            let past = Time(Time::now().0 - chrono::TimeDelta::seconds(age));
            assert_eq!(logins.check(&logins.sign(UserId::new(7), past).unwrap()), Err(NotALogin), "{age} s ago");
        }
        assert_eq!(logins.check("nonsense"), Err(NotALogin));
    }
}
