//! Joining the waiting room.

use std::time::Duration;

use futures_util::future::join_all;
use onsale_tests::Sale;
use onsale_tests::sale::until;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{cookie, hold, join, keys, moment, post, refused, token, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn joining_sets_the_cookie_and_says_where_one_stands() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    let first = join(&sale, 1, 1).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(keys(&first.body), ["queueStatus", "serverTime"], "no wait is told to whom nothing keeps waiting");
    assert_eq!(first.body["queueStatus"], "ACTIVE");
    let off = chrono::Utc::now().naive_utc() - moment(&first.body["serverTime"]);
    assert!(off.num_seconds().abs() <= 5, "{first:?}");

    let text = first.header("set-cookie");
    let mut attributes: Vec<&str> = text.split("; ").skip(1).collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Lax", "Secure"], "{text}");
    let first = token(&first);
    assert!(Uuid::try_parse(&first).is_ok(), "{first}");
    assert_eq!(sale.client.status(&first).await, "ACTIVE", "v1 knows the token");
    assert_eq!(sale.client.get("/api/v1/users/1/balance", &first).await.status, 200, "v1 takes the token");

    let second = join(&sale, 2, 1).await;
    assert_eq!(keys(&second.body), ["estimatedWaitTime", "queueStatus", "serverTime"]);
    assert_eq!(second.body["queueStatus"], "WAIT");
    assert!(second.body["estimatedWaitTime"].as_u64().is_some_and(|wait| wait % 60 == 0), "{second:?}");
    let second = token(&second);
    assert_eq!(sale.client.status(&second).await, "WAITING");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_again_says_how_the_same_token_stands_now() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    let (first, second) = (token(&join(&sale, 1, 1).await), token(&join(&sale, 2, 1).await));
    let again = join(&sale, 2, 1).await;
    assert_eq!((again.body["queueStatus"].as_str(), token(&again)), (Some("WAIT"), second.clone()));
    sale.client.delete(&format!("/api/v1/queue/tokens/{first}"), &first).await;
    until("the next one is admitted", Duration::from_secs(5), async || {
        let again = join(&sale, 2, 1).await;
        assert_eq!(token(&again), second);
        again.body["queueStatus"] == "ACTIVE"
    })
    .await;
    assert_ne!(token(&join(&sale, 1, 1).await), first, "a token that was given back is over");
    // Many at once: one token, told to all of them.
    let joined = join_all((0..20).map(|_| join(&sale, 3, 2))).await;
    let tokens: Vec<String> = joined.iter().map(token).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    // A token that v1 issued is the same thing.
    let of_v1 = sale.client.token(4, 2).await;
    assert_eq!(token(&join(&sale, 4, 2).await), of_v1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_cookie_is_refused_and_can_be_renewed() {
    let sale = Sale::start(&[("ONSALE_ACTIVE_TTL_S", "3")]).await;
    let old = cookie(&sale, 1, 1).await;
    until("the token expires", Duration::from_secs(15), async || sale.client.status(&old[8..]).await == "EXPIRED")
        .await;
    refused(&hold(&sale, &old, wanted(1, 1)).await, 401, "TOKEN_EXPIRED");
    let new = cookie(&sale, 1, 1).await;
    assert_ne!(new, old);
    assert_eq!(hold(&sale, &new, wanted(1, 1)).await.status, 200);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_needs_a_user_and_a_schedule_that_exist() {
    let sale = Sale::start(&[]).await;
    refused(&join(&sale, 999_999, 1).await, 404, "USER_NOT_FOUND");
    refused(&join(&sale, 1, 999).await, 404, "SCHEDULE_NOT_FOUND");
    assert!(refused(&join(&sale, 1, 0).await, 400, "INVALID_REQUEST").contains("scheduleId"));
    for (query, named) in [
        ("", "userId"),
        ("?userId=1", "scheduleId"),
        ("?scheduleId=1", "userId"),
        ("?userId=&scheduleId=1", "userId"),
        ("?userId=1&scheduleId=one", "scheduleId"),
        ("?userId=1&scheduleId=1.0", "scheduleId"),
        ("?userId=-1&scheduleId=1", "userId"),
        ("?userId=%2B1&scheduleId=1", "userId"),
        ("?userId=1&userId=2&scheduleId=1", "userId"),
        ("?userId=1&scheduleId=99999999999999999999", "scheduleId"),
        ("?userId=%00&scheduleId=1", "userId"),
        ("?userId=1%27%20OR%201%3D1&scheduleId=1", "userId"),
    ] {
        let answer = post(&sale, &format!("/api/queue/tokens{query}"), &[], None).await;
        assert!(refused(&answer, 400, "INVALID_REQUEST").contains(named), "{query}: {answer:?}");
        assert_eq!(answer.header("set-cookie"), "", "{query}");
    }
    // A body is of no interest, whatever it is, and neither are further parameters.
    let path = "/compat/cookie/api/queue/tokens?userId=1&scheduleId=1&lang=ko";
    for body in ["{}", "{\"userId\":2}", "nonsense"] {
        let answer = sale.client.send(Method::POST, path, &[], Some(body.to_owned())).await;
        assert_eq!((answer.status, &answer.body["queueStatus"]), (200, &json!("ACTIVE")), "{body}: {answer:?}");
    }
    assert_eq!(sale.count("SELECT count(*) FROM queue_tokens").await, 1);
    sale.finish().await;
}
