//! Who asks: cookies in every shape, and logins where they are demanded.

use onsale_tests::Sale;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{hold, join, post, refused, token, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_found_among_others_or_refused() {
    let sale = Sale::start(&[]).await;
    let token = token(&join(&sale, 1, 1).await);
    sale.client.charge(1, 1_000, &token).await;
    let body = || Some(json!({ "amount": 1 }));
    let good = [
        vec![format!("tokenId={token}")],
        vec![format!("a=1; tokenId={token}; b=2")],
        vec![format!("a=1;tokenId={token};b=2")],
        vec![format!("tokenId=\"{token}\"")],
        vec!["a=1".to_owned(), format!("tokenId={token}"), "b".to_owned()],
        vec![format!("=; ;; tokenid=x; TOKENID=y; xtokenId=z; tokenId={token}")],
        vec![format!("name=한글; tokenId={token}")],
        vec![format!(" tokenId = {token} ")],
        vec![format!("tokenId={}", token.to_uppercase())],
    ];
    for cookies in &good {
        let headers: Vec<(&str, &str)> = cookies.iter().map(|value| ("cookie", value.as_str())).collect();
        let answer = post(&sale, "/api/users/1/point/use", &headers, body()).await;
        assert_eq!(answer.status, 200, "{cookies:?}: {answer:?}");
    }
    let stranger = Uuid::new_v4();
    for (cookies, code) in [
        (String::new(), "TOKEN_MISSING"),
        ("tokenId=".to_owned(), "TOKEN_MISSING"),
        ("tokenId=\"\"".to_owned(), "TOKEN_MISSING"),
        ("tokenId".to_owned(), "TOKEN_MISSING"),
        (format!("token={token}"), "TOKEN_MISSING"),
        ("tokenId=nonsense".to_owned(), "TOKEN_INVALID"),
        (format!("tokenId={stranger}"), "TOKEN_INVALID"),
        (format!("tokenId={token}x"), "TOKEN_INVALID"),
        (format!("tokenId={{{token}}}"), "TOKEN_INVALID"),
        (format!("tokenId=x; tokenId={token}"), "TOKEN_INVALID"),
        (format!("tokenId={}", "a".repeat(8_000)), "TOKEN_INVALID"),
        ("tokenId=한글".to_owned(), "TOKEN_INVALID"),
        ("tokenId=' OR 1=1 --".to_owned(), "TOKEN_INVALID"),
        // Shaped like one of ours, and never issued.
        ("tokenId=00000100-0000-8000-8000-000000000001".to_owned(), "TOKEN_INVALID"),
    ] {
        let headers = [("cookie", cookies.as_str())];
        let answer = post(&sale, "/api/users/1/point/use", &headers, body()).await;
        refused(&answer, 401, code);
        assert!(!answer.header("www-authenticate").is_empty(), "{answer:?}");
        refused(&hold(&sale, &cookies, wanted(1, 1)).await, 401, code);
    }
    // The token is a cookie here and nothing else.
    for name in ["queue-token", "authorization"] {
        let value = if name == "authorization" { format!("Bearer {token}") } else { token.clone() };
        let answer = post(&sale, "/api/users/1/point/use", &[(name, &value)], body()).await;
        refused(&answer, 401, "TOKEN_MISSING");
    }
    let balance = sale.client.get("/api/v1/users/1/balance", &token).await;
    assert_eq!(balance.data()["currentBalance"], 1_000 - i64::try_from(good.len()).unwrap());
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_logins_are_demanded_one_joins_as_oneself() {
    let sale = Sale::start(&[("ONSALE_AUTH", "jwt")]).await;
    let log_in = async |n: u32| {
        let body = json!({ "email": format!("user{n}@example.com"), "password": "onsale-demo" }).to_string();
        let login = sale.client.send(Method::POST, "/api/v1/auth/login", &[], Some(body)).await;
        format!("Bearer {}", login.data()["accessToken"].as_str().unwrap())
    };
    let path = "/api/queue/tokens?userId=1&scheduleId=1";
    refused(&post(&sale, path, &[], None).await, 401, "LOGIN_REQUIRED");
    refused(&post(&sale, path, &[("authorization", "Bearer x.y.z")], None).await, 401, "LOGIN_REQUIRED");
    let other = log_in(2).await;
    let answer = post(&sale, path, &[("authorization", &other)], None).await;
    refused(&answer, 403, "FORBIDDEN");
    assert_eq!(answer.header("set-cookie"), "", "another user's token is not given away");
    let own = log_in(1).await;
    let joined = post(&sale, path, &[("authorization", &own)], None).await;
    let again = post(&sale, path, &[("authorization", &own)], None).await;
    assert_eq!(token(&joined), token(&again));
    // From here on the cookie is enough.
    let cookie = format!("tokenId={}", token(&joined));
    assert_eq!(hold(&sale, &cookie, wanted(1, 1)).await.status, 200);
    sale.finish().await;
}
