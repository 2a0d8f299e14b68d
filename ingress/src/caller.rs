//! Who asks: the queue token, the login, the organiser's key, and the keys that name a request.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};
use onsale_common::contract::command::check_idempotency_key;
use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{QueueToken, UserId};
use onsale_common::login::Logins;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Longest `X-Request-Id` of a client that is echoed.
const REQUEST_ID_MAX_BYTES: usize = 128;

/// What an endpoint demands of its caller before it reads a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing.
    Nothing,
    /// A login, where the service demands logins at all.
    Login,
    /// A queue token in `Queue-Token`; whether it is live, only a worker knows.
    QueueToken,
    /// The organiser's key.
    AdminKey,
}

/// The caller as far as the ingress knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The queue token that the command carries.
    pub(crate) token: Option<QueueToken>,
    /// Whose login it is; none where no login is demanded.
    pub(crate) login: Option<UserId>,
}

/// The secrets that callers are checked against.
pub(crate) struct Access {
    logins: Option<Logins>,
    admin_key: Option<[u8; 32]>,
}

impl Access {
    /// Logins are demanded where `logins` is given; the organiser's endpoints exist where `admin_key` is.
    pub(crate) fn new(logins: Option<Logins>, admin_key: Option<&str>) -> Self {
        Self { logins, admin_key: admin_key.map(|key| Sha256::digest(key.as_bytes()).into()) }
    }

    /// Checks what an endpoint demands.
    ///
    /// # Errors
    /// The rejection to answer.
    pub(crate) fn check(&self, demand: Demand, headers: &HeaderMap) -> Result<Caller, Rejection> {
        match demand {
            Demand::Nothing => Ok(Caller::default()),
            Demand::QueueToken => Ok(Caller { token: Some(queue_token(headers)?), login: None }),
            Demand::Login => Ok(Caller { token: None, login: self.login(headers)? }),
            Demand::AdminKey => self.admin(headers).map(|()| Caller::default()),
        }
    }

    fn login(&self, headers: &HeaderMap) -> Result<Option<UserId>, Rejection> {
        let Some(logins) = &self.logins else { return Ok(None) };
        let user = bearer(headers).and_then(|token| logins.check(token).ok());
        user.map(Some).ok_or_else(|| Rejection::of(Code::LoginRequired))
    }

    fn admin(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        // Without a key there is no organiser's API, and nothing tells that there could be one.
        let wanted = self.admin_key.as_ref().ok_or(Code::NotFound)?;
        let given = bearer(headers).ok_or_else(|| {
            Rejection::saying(Code::LoginRequired, "Authorization: Bearer <the admin key> is required.")
        })?;
        // Digests have one length and are compared in constant time: neither tells how much of the key was right.
        let given: [u8; 32] = Sha256::digest(given.as_bytes()).into();
        if bool::from(given.ct_eq(wanted)) {
            Ok(())
        } else {
            Err(Rejection::saying(Code::Forbidden, "The admin key is wrong."))
        }
    }
}

/// A header that is given once; given twice it says nothing that could be relied on.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = single(headers, AUTHORIZATION.as_str())?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn queue_token(headers: &HeaderMap) -> Result<QueueToken, Rejection> {
    let value = headers.get("queue-token").ok_or(Code::TokenMissing)?;
    let text = value.to_str().ok().filter(|_| single(headers, "queue-token").is_some());
    match text.map(str::trim) {
        Some("") => Err(Code::TokenMissing.into()),
        Some(text) => text.parse().map_err(|_| Code::TokenInvalid.into()),
        None => Err(Code::TokenInvalid.into()),
    }
}

/// The client's `Idempotency-Key`, where it sent one.
///
/// # Errors
/// `INVALID_REQUEST` when it cannot be a key.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Rejection> {
    if !headers.contains_key("idempotency-key") {
        return Ok(None);
    }
    // A key that is not text, or given twice, is checked as the empty key: refused with the rule it breaks.
    let key = single(headers, "idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    check_idempotency_key(key)?;
    Ok(Some(key.to_owned()))
}

/// What `X-Request-Id` answers: the client's own where it is sane, else the command's.
pub(crate) fn request_id(headers: &HeaderMap, command: Uuid) -> HeaderValue {
    let sane = |id: &&HeaderValue| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        (1..=REQUEST_ID_MAX_BYTES).contains(&id.len()) && id.as_bytes().iter().all(plain)
    };
    single(headers, "x-request-id").filter(sane).cloned().unwrap_or_else(|| uuid_value(command))
}

fn uuid_value(id: Uuid) -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(id.as_hyphenated().encode_lower(&mut text)).expect("a UUID is visible ASCII")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use onsale_common::ids::ScheduleId;
    use onsale_common::time::Time;
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn code(result: Result<Caller, Rejection>) -> Code {
        result.unwrap_err().code
    }

    #[test]
    fn a_queue_token_is_given_once_and_is_a_token() {
        let access = Access::new(None, None);
        let check = |pairs: &[(&'static str, &str)]| access.check(Demand::QueueToken, &headers(pairs));
        let token = QueueToken::draw(ScheduleId::new(3)).unwrap();
        let text = token.uuid().to_string();
        assert_eq!(check(&[("queue-token", &text)]).unwrap().token, Some(token));
        assert_eq!(code(check(&[])), Code::TokenMissing);
        assert_eq!(code(check(&[("queue-token", " ")])), Code::TokenMissing);
        assert_eq!(code(check(&[("queue-token", "nonsense")])), Code::TokenInvalid);
        assert_eq!(code(check(&[("queue-token", "é")])), Code::TokenInvalid);
        assert_eq!(code(check(&[("queue-token", &Uuid::now_v7().to_string())])), Code::TokenInvalid);
        assert_eq!(code(check(&[("queue-token", &text), ("queue-token", &text)])), Code::TokenInvalid);
    }

    #[test]
    fn the_organiser_needs_the_key() {
        let access = Access::new(None, Some("open sesame"));
        let check = |value: &str| access.check(Demand::AdminKey, &headers(&[("authorization", value)]));
        assert!(check("Bearer open sesame").is_ok());
        assert!(check("bearer open sesame").is_ok());
        assert_eq!(code(check("Bearer open")), Code::Forbidden);
        assert_eq!(code(check("Basic open sesame")), Code::LoginRequired);
        assert_eq!(code(check("Bearer ")), Code::LoginRequired);
        assert_eq!(code(access.check(Demand::AdminKey, &headers(&[]))), Code::LoginRequired);
        assert_eq!(code(Access::new(None, None).check(Demand::AdminKey, &headers(&[]))), Code::NotFound);
    }

    #[test]
    fn a_login_is_demanded_only_where_the_service_does() {
        let open = Access::new(None, None);
        assert_eq!(open.check(Demand::Login, &headers(&[])).unwrap().login, None);
        let logins = Logins::new(&[7; 32], Duration::from_secs(60));
        let token = format!("Bearer {}", logins.sign(UserId::new(5), Time::now()).unwrap());
        let strict = Access::new(Some(logins), None);
        let check = |pairs: &[(&'static str, &str)]| strict.check(Demand::Login, &headers(pairs));
        assert_eq!(check(&[("authorization", &token)]).unwrap().login, Some(UserId::new(5)));
        assert_eq!(code(check(&[])), Code::LoginRequired);
        assert_eq!(code(check(&[("authorization", &token[..token.len() - 2])])), Code::LoginRequired);
    }

    #[test]
    fn idempotency_keys_are_checked() {
        assert_eq!(idempotency_key(&headers(&[])), Ok(None));
        assert_eq!(idempotency_key(&headers(&[("idempotency-key", "a-1")])), Ok(Some("a-1".to_owned())));
        for bad in ["", "two words", "é", &"x".repeat(256)] {
            assert!(idempotency_key(&headers(&[("idempotency-key", bad)])).is_err(), "{bad}");
        }
        assert!(idempotency_key(&headers(&[("idempotency-key", "a"), ("idempotency-key", "b")])).is_err());
    }

    proptest! {
        #[test]
        fn a_request_id_is_the_clients_or_the_commands(text in "[ -~]{0,140}") {
            let command = Uuid::now_v7();
            let answered = request_id(&headers(&[("x-request-id", &text)]), command);
            let answered = answered.to_str().unwrap();
            prop_assert!(answered == text || answered == command.to_string());
            prop_assert!(!answered.is_empty() && !answered.contains([' ', '"', '<']));
        }
    }
}
