//! Where logins are demanded (`ONSALE_AUTH=jwt`): joining the queue needs one, and what needs no token needs it too.

use onsale_tests::Sale;
use reqwest::Method;
use serde_json::json;

use super::{Fan, NOBODY, refused, send, uuid_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_login_or_a_token_says_who_asks() {
    let sale = Sale::start(&[("ONSALE_AUTH", "jwt")]).await;
    let log_in = async |n: i64| {
        let body = json!({ "email": format!("user{n}@example.com"), "password": "onsale-demo" }).to_string();
        let answer = sale.client.send(Method::POST, "/api/v1/auth/login", &[], Some(body)).await;
        format!("Bearer {}", answer.data()["accessToken"].as_str().expect("a login"))
    };
    let (mine, another) = (log_in(1).await, log_in(2).await);
    let uuid = uuid_of(&sale, 1).await;
    let join = async |headers: &[(&str, &str)], uuid: &str| {
        send(&sale.client, Method::POST, "/user_queue_tokens", headers, Some(json!({ "user_id": uuid }))).await
    };
    refused(&join(&[], &uuid).await, 401, "Token is invalid");
    refused(&join(&[("authorization", "Bearer nonsense")], &uuid).await, 401, "Token is invalid");
    refused(&join(&[("authorization", &another)], &uuid).await, 403, "Token belongs to another user");
    refused(&join(&[("authorization", &mine)], NOBODY).await, 400, "User not found");
    let joined = join(&[("authorization", &mine)], &uuid).await;
    assert_eq!(joined.status, 201, "{joined:?}");
    assert_eq!(join(&[("authorization", &mine)], &uuid).await.body, joined.body, "the same token again");

    let token = joined.body["token"].as_str().unwrap().to_owned();
    let fan = Fan { http: sale.client.clone(), id: 1, uuid: uuid.clone(), token };
    let (read, charge) = (format!("/users/{uuid}"), format!("/users/{uuid}/charge"));
    let both = async |headers: &[(&str, &str)]| {
        let charged = send(&sale.client, Method::POST, &charge, headers, Some(json!({ "amount": 10 }))).await;
        (charged, send(&sale.client, Method::GET, &read, headers, None).await)
    };
    let (charged, found) = both(&[]).await;
    refused(&charged, 401, "Token is invalid");
    refused(&found, 401, "Token is invalid");
    let (charged, found) = both(&[("authorization", &another)]).await;
    refused(&charged, 403, "Token belongs to another user");
    refused(&found, 403, "Token belongs to another user");
    let (charged, found) = both(&[("authorization", &mine)]).await;
    assert_eq!((charged.status, &found.body["balance"]), (200, &json!(10.0)));
    let (charged, found) = both(&[("x-reservation-token", &fan.token)]).await;
    assert_eq!((charged.status, &found.body["balance"]), (200, &json!(20.0)));
    assert_eq!(fan.info().await["status"], "IN_PROGRESS");
    sale.finish().await;
}
