//! What endpoints demand of their callers, met and not met.

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
    let access = Access::new(None, false, None);
    let check = |pairs: &[(&'static str, &str)]| access.check(Demand::QUEUE_TOKEN, &headers(pairs));
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
fn a_cookie_is_found_among_others_whatever_they_are() {
    let access = Access::new(None, false, None);
    let demand = Demand::token_in(Place::Cookie("tokenId"));
    let token = QueueToken::draw(ScheduleId::new(3)).unwrap();
    let own = format!("tokenId={}", token.uuid());
    let quoted = format!("tokenId=\"{}\"", token.uuid());
    let among = format!("a; =;;tokenid=1; 한글=글 ;{own};tokenId=second");
    let good: [&[&str]; 4] = [&[&own], &[&quoted], &[&among], &["a=1", &own]];
    for cookies in good {
        let mut headers: HeaderMap = cookies.iter().map(|value| (COOKIE, value.parse().unwrap())).collect();
        assert_eq!(access.check(demand, &headers).unwrap().token, Some(token), "{cookies:?}");
        // No text in any encoding, and no reason to lose the others.
        headers.append(COOKIE, HeaderValue::from_bytes(b"\xff=\xfe").unwrap());
        assert_eq!(access.check(demand, &headers).unwrap().token, Some(token), "{cookies:?}");
    }
    let refused = |cookies: &str| code(access.check(demand, &headers(&[("cookie", cookies)])));
    for missing in ["", "tokenId", "tokenId=", "tokenId=\"\"", "token=1", ";;=;"] {
        assert_eq!(refused(missing), Code::TokenMissing, "{missing}");
    }
    for invalid in ["tokenId=1", "tokenId=\"", "tokenId==", &format!("tokenId=1; {own}"), &format!("{own}x")] {
        assert_eq!(refused(invalid), Code::TokenInvalid, "{invalid}");
    }
    assert_eq!(code(access.check(demand, &headers(&[("queue-token", &own)]))), Code::TokenMissing);
}

#[test]
fn a_token_or_else_a_login_where_logins_are_demanded() {
    let logins = || Logins::new(&[7; 32], Duration::from_secs(60));
    let login = format!("Bearer {}", logins().sign(UserId::new(5), Time::now()).unwrap());
    let token = QueueToken::draw(ScheduleId::new(3)).unwrap();
    let text = token.uuid().to_string();
    let bearer = format!("Bearer {text}");
    let (open, strict) = (Access::new(Some(logins()), false, None), Access::new(Some(logins()), true, None));
    let nobody = Caller::default();
    let by_token = Caller { token: Some(token), login: None };
    let by_login = Caller { token: None, login: Some(UserId::new(5)) };

    let in_header = Demand::token_or_login(Place::Header("queue-token"));
    let both = headers(&[("queue-token", &text), ("authorization", &login)]);
    for access in [&open, &strict] {
        assert_eq!(access.check(in_header, &both), Ok(by_token), "the token says more");
        assert_eq!(code(access.check(in_header, &headers(&[("queue-token", "x")]))), Code::TokenInvalid);
    }
    assert_eq!(open.check(in_header, &headers(&[])), Ok(nobody));
    assert_eq!(code(strict.check(in_header, &headers(&[]))), Code::LoginRequired);
    assert_eq!(strict.check(in_header, &headers(&[("authorization", &login)])), Ok(by_login));

    // Token and login in the same place: what is no token of ours may be a login, where that is asked for.
    let in_bearer = Demand::token_or_login(Place::Bearer);
    for access in [&open, &strict] {
        assert_eq!(access.check(in_bearer, &headers(&[("authorization", &bearer)])), Ok(by_token));
    }
    assert_eq!(strict.check(in_bearer, &headers(&[("authorization", &login)])), Ok(by_login));
    assert_eq!(code(strict.check(in_bearer, &headers(&[("authorization", "Bearer x")]))), Code::LoginRequired);
    assert_eq!(open.check(in_bearer, &headers(&[("authorization", &login)])), Ok(nobody), "given unasked");
    assert_eq!(code(open.check(in_bearer, &headers(&[("authorization", "Bearer x")]))), Code::TokenInvalid);
}

#[test]
fn some_endpoints_demand_a_login_always() {
    let logins = Logins::new(&[7; 32], Duration::from_secs(60));
    let token = format!("Bearer {}", logins.sign(UserId::new(5), Time::now()).unwrap());
    let open = Access::new(Some(logins), false, None);
    let check = |pairs: &[(&'static str, &str)]| open.check(Demand::LOGIN_ALWAYS, &headers(pairs));
    assert_eq!(check(&[("authorization", &token)]).unwrap().login, Some(UserId::new(5)));
    assert_eq!(code(check(&[])), Code::LoginRequired);
    let unable = Access::new(None, false, None).check(Demand::LOGIN_ALWAYS, &headers(&[("authorization", &token)]));
    assert_eq!(code(unable), Code::LoginRequired, "without a secret no login can be checked");
}

#[test]
fn the_organiser_needs_the_key() {
    let access = Access::new(None, false, Some("open sesame"));
    let check = |value: &str| access.check(Demand::ADMIN_KEY, &headers(&[("authorization", value)]));
    assert!(check("Bearer open sesame").is_ok());
    assert!(check("bearer open sesame").is_ok());
    assert_eq!(code(check("Bearer open")), Code::Forbidden);
    assert_eq!(code(check("Basic open sesame")), Code::LoginRequired);
    assert_eq!(code(check("Bearer ")), Code::LoginRequired);
    assert_eq!(code(access.check(Demand::ADMIN_KEY, &headers(&[]))), Code::LoginRequired);
    assert_eq!(code(Access::new(None, false, None).check(Demand::ADMIN_KEY, &headers(&[]))), Code::NotFound);
}

#[test]
fn a_login_is_demanded_only_where_the_service_does() {
    let open = Access::new(None, false, None);
    assert_eq!(open.check(Demand::LOGIN, &headers(&[])).unwrap().login, None);
    let logins = Logins::new(&[7; 32], Duration::from_secs(60));
    let token = format!("Bearer {}", logins.sign(UserId::new(5), Time::now()).unwrap());
    let strict = Access::new(Some(logins), true, None);
    let check = |pairs: &[(&'static str, &str)]| strict.check(Demand::LOGIN, &headers(pairs));
    assert_eq!(check(&[("authorization", &token)]).unwrap().login, Some(UserId::new(5)));
    assert_eq!(code(check(&[])), Code::LoginRequired);
    assert_eq!(code(check(&[("authorization", &token[..token.len() - 2])])), Code::LoginRequired);
}

#[test]
fn an_optional_token_stands_for_a_login_and_a_demanded_one_comes_with_it() {
    let logins = Logins::new(&[7; 32], Duration::from_secs(60));
    let login = format!("Bearer {}", logins.sign(UserId::new(5), Time::now()).unwrap());
    let token = QueueToken::draw(ScheduleId::new(3)).unwrap();
    let [text, user] = [token.uuid().to_string(), login];
    let [with_token, with_login] = [("queue-token", text.as_str()), ("authorization", user.as_str())];
    let access = Access::new(Some(logins), false, None);
    let place = Place::Header("Queue-Token");
    let either = Demand { login: Login::Always, ..Demand::token_or_login(place) };
    let both = Demand { login: Login::Always, ..Demand::token_in(place) };
    let check = |demand: Demand, pairs: &[(&'static str, &str)]| access.check(demand, &headers(pairs));
    let known = Caller { token: Some(token), login: Some(UserId::new(5)) };
    assert_eq!(check(either, &[with_token, with_login]), Ok(known));
    assert_eq!(check(either, &[with_token]), Ok(Caller { login: None, ..known }));
    assert_eq!(check(either, &[with_token, ("authorization", "Bearer nonsense")]), Ok(Caller { login: None, ..known }));
    assert_eq!(check(either, &[with_login]), Ok(Caller { token: None, ..known }));
    assert_eq!(code(check(either, &[])), Code::LoginRequired);
    assert_eq!(check(both, &[with_token, with_login]), Ok(known));
    assert_eq!(code(check(both, &[with_token])), Code::LoginRequired);
    assert_eq!(code(check(both, &[with_login])), Code::TokenMissing);
}

#[test]
fn idempotency_keys_are_checked() {
    let idempotency_key = |headers: &HeaderMap| idempotency_key(Key::Optional, headers);
    assert_eq!(idempotency_key(&headers(&[])), Ok(None));
    assert_eq!(idempotency_key(&headers(&[("idempotency-key", "a-1")])), Ok(Some("a-1".to_owned())));
    for bad in ["", "two words", "é", &"x".repeat(256)] {
        assert!(idempotency_key(&headers(&[("idempotency-key", bad)])).is_err(), "{bad}");
    }
    assert!(idempotency_key(&headers(&[("idempotency-key", "a"), ("idempotency-key", "b")])).is_err());
}

#[test]
fn a_required_key_is_a_uuid() {
    let required = |pairs: &[(&'static str, &str)]| idempotency_key(Key::Required, &headers(pairs));
    let key = Uuid::new_v4().to_string();
    for written in [key.clone(), key.to_uppercase(), format!("\"{key}\"")] {
        assert_eq!(required(&[("idempotency-key", &written)]), Ok(Some(key.clone())), "{written}");
    }
    let bad: [&[(&'static str, &str)]; 5] = [
        &[],
        &[("idempotency-key", "")],
        &[("idempotency-key", "a-1")],
        &[("idempotency-key", &key[1..])],
        &[("idempotency-key", &key), ("idempotency-key", &key)],
    ];
    for pairs in bad {
        let fields = &required(pairs).unwrap_err().details["fields"];
        assert!(fields["Idempotency-Key"].is_string(), "{pairs:?}: {fields}");
    }
    assert_eq!(idempotency_key(Key::Ignored, &headers(&[("idempotency-key", "")])), Ok(None));
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
