//! Who asks: the queue token, the login, the organiser's key, and the keys that name a request.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderValue};
use onsale_common::contract::envelope::check_idempotency_key;
use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{QueueToken, UserId};
use onsale_common::login::Logins;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::endpoint::Key;

/// Longest `X-Request-Id` of a client that is echoed.
const REQUEST_ID_MAX_BYTES: usize = 128;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What an endpoint demands of its caller before it reads a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Where the queue token is given. Whether it is live, only a worker knows.
    pub(crate) token: Option<Place>,
    /// Whether a request may do without the queue token.
    pub(crate) token_optional: bool,
    /// When a login is demanded. An optional queue token that was given stands for it.
    pub(crate) login: Login,
    /// Whether the organiser's key is demanded.
    pub(crate) admin_key: bool,
}

/// Where a dialect's clients put their queue token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a header of its own.
    Header(&'static str),
    /// In `Authorization: Bearer`.
    Bearer,
    /// In a cookie.
    Cookie(&'static str),
}

/// When a login (`Authorization: Bearer`) is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// Never.
    Never,
    /// Where the service demands logins at all (`ONSALE_AUTH=jwt`).
    WhereDemanded,
    /// Always; a queue token stands for it where the token is optional.
    Always,
}

impl Demand {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self { token: None, token_optional: false, login: Login::Never, admin_key: false };
    /// A login, where the service demands logins at all.
    pub(crate) const LOGIN: Self = Self { login: Login::WhereDemanded, ..Self::NOTHING };
    /// A login, whatever the service demands.
    pub(crate) const LOGIN_ALWAYS: Self = Self { login: Login::Always, ..Self::NOTHING };
    /// A queue token in `Queue-Token`.
    pub(crate) const QUEUE_TOKEN: Self = Self::token_in(Place::Header("Queue-Token"));
    /// The organiser's key.
    pub(crate) const ADMIN_KEY: Self = Self { admin_key: true, ..Self::NOTHING };

    /// A queue token in this place.
    pub(crate) const fn token_in(place: Place) -> Self {
        Self { token: Some(place), ..Self::NOTHING }
    }

    /// A queue token in this place, or else a login where the service demands logins.
    pub(crate) const fn token_or_login(place: Place) -> Self {
        Self { token: Some(place), token_optional: true, ..Self::LOGIN }
    }
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
    logins_demanded: bool,
    admin_key: Option<[u8; 32]>,
}

impl Access {
    /// Logins can be checked where `logins` is given; the organiser's endpoints exist where `admin_key` is.
    pub(crate) fn new(logins: Option<Logins>, logins_demanded: bool, admin_key: Option<&str>) -> Self {
        let admin_key = admin_key.map(|key| Sha256::digest(key.as_bytes()).into());
        Self { logins, logins_demanded, admin_key }
    }

    /// Checks what an endpoint demands.
    ///
    /// # Errors
    /// The rejection to answer.
    pub(crate) fn check(&self, demand: Demand, headers: &HeaderMap) -> Result<Caller, Rejection> {
        if demand.admin_key {
            self.admin(headers)?;
        }
        let token = match demand.token {
            Some(place) => self.token(place, demand, headers)?,
            None => None,
        };
        let login = match demand.login {
            Login::Never => None,
            Login::WhereDemanded if !self.logins_demanded || token.is_some() => None,
            Login::Always if demand.token_optional && token.is_some() => self.login(headers).ok(),
            Login::WhereDemanded | Login::Always => Some(self.login(headers)?),
        };
        Ok(Caller { token, login })
    }

    fn token(&self, place: Place, demand: Demand, headers: &HeaderMap) -> Result<Option<QueueToken>, Rejection> {
        match queue_token(place, headers) {
            Err(missing) if missing.code == Code::TokenMissing && demand.token_optional => Ok(None),
            // What is no token may be the login, which is given in the same place, and may be given unasked.
            Err(_)
                if place == Place::Bearer
                    && demand.token_optional
                    && (self.logins_demanded || self.login(headers).is_ok()) =>
            {
                Ok(None)
            }
            token => token.map(Some),
        }
    }

    fn login(&self, headers: &HeaderMap) -> Result<UserId, Rejection> {
        let login = self.logins.as_ref().zip(bearer(headers));
        let user = login.and_then(|(logins, token)| logins.check(token).ok());
        user.ok_or_else(|| Rejection::of(Code::LoginRequired))
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

fn queue_token(place: Place, headers: &HeaderMap) -> Result<QueueToken, Rejection> {
    let text = match place {
        Place::Header(name) => headers.contains_key(name).then(|| single(headers, name).and_then(text)),
        Place::Bearer => headers.contains_key(AUTHORIZATION).then(|| bearer(headers)),
        Place::Cookie(name) => cookie(headers, name).map(Some),
    };
    match text {
        None | Some(Some("")) => Err(Code::TokenMissing.into()),
        Some(Some(text)) => text.parse().map_err(|_| Code::TokenInvalid.into()),
        Some(None) => Err(Code::TokenInvalid.into()),
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(str::trim)
}

/// The value of a cookie (RFC 6265, 5.4: pairs that are split by semicolons); the first one of its name. Cookies of
/// others may be of any bytes, and do not hide this one.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|pairs| pairs.as_bytes().split(|byte| *byte == b';'));
    let (_, value) = pairs
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='))
        .find(|(known, _)| known.trim() == name)?;
    Some(unquoted(value.trim()))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The client's `Idempotency-Key`, where the endpoint takes one and the client sent one.
///
/// # Errors
/// `INVALID_REQUEST` when it cannot be a key, or is lacking where there must be one.
pub(crate) fn idempotency_key(key: Key, headers: &HeaderMap) -> Result<Option<String>, Rejection> {
    let sent = headers.contains_key(IDEMPOTENCY_KEY);
    // A key that is not text, or given twice, is checked as the empty key: refused with the rule it breaks.
    let given = single(headers, IDEMPOTENCY_KEY).and_then(text).unwrap_or_default();
    match key {
        Key::Optional if sent => {
            check_idempotency_key("Idempotency-Key", given)?;
            Ok(Some(given.to_owned()))
        }
        Key::Ignored | Key::Optional => Ok(None),
        Key::Required if sent => match Uuid::try_parse(unquoted(given)) {
            Ok(uuid) => Ok(Some(uuid.to_string())),
            Err(_) => Err(Rejection::invalid_field("Idempotency-Key", "must be a UUID")),
        },
        Key::Required => Err(Rejection::invalid_field("Idempotency-Key", "is required: a UUID")),
    }
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
mod tests;
