//! Where the service demands logins (`ONSALE_AUTH=jwt`).

use onsale_tests::{Client, Sale};
use reqwest::Method;
use serde_json::json;

use super::{TOKEN_EXISTS, ask, failed, get, refused, reserved, succeeded};

async fn login(client: &Client, user: &str) -> String {
    let body = json!({ "email": format!("{user}@example.com"), "password": "onsale-demo" }).to_string();
    let answer = client.send(Method::POST, "/api/v1/auth/login", &[], Some(body)).await;
    answer.data()["accessToken"].as_str().expect("a login").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_who_logged_in() {
    let sale = Sale::start(&[("ONSALE_AUTH", "jwt")]).await;
    let fan = &sale.client;
    let (mine, theirs) = (login(fan, "user1").await, login(fan, "user2").await);
    let join = async |login: &str| ask(fan, "POST", "/queues", login, json!({ "userId": "user1" })).await;
    refused(&join("").await, 401, "UNAUTHORIZED");
    refused(&join("nonsense").await, 401, "UNAUTHORIZED");
    refused(&join(&theirs).await, 403, "FORBIDDEN");
    let joined = join(&mine).await;
    assert_eq!((joined.status, &joined.body["userId"]), (201, &json!("user1")), "{joined:?}");
    failed(&join(&mine).await, TOKEN_EXISTS);
    let token = joined.body["tokenId"].as_str().unwrap();
    let others = ask(fan, "POST", "/queues", &theirs, json!({ "userId": "user2" })).await;
    let others = others.body["tokenId"].as_str().unwrap();

    let charge =
        async |proof: &str| ask(fan, "PATCH", "/points", proof, json!({ "userId": "user1", "amount": 10 })).await;
    refused(&charge("").await, 401, "UNAUTHORIZED");
    refused(&charge("nonsense").await, 401, "UNAUTHORIZED");
    refused(&charge(&theirs).await, 403, "FORBIDDEN");
    refused(&charge(others).await, 403, "FORBIDDEN");
    succeeded(&charge(&mine).await, 200, &json!({ "userId": "user1", "point": 10 }));
    succeeded(&charge(token).await, 200, &json!({ "userId": "user1", "point": 20 }));

    let read = async |proof: &str| get(fan, "/points/user1", proof).await;
    refused(&read("").await, 401, "UNAUTHORIZED");
    refused(&read(&theirs).await, 403, "FORBIDDEN");
    refused(&read(others).await, 403, "FORBIDDEN");
    succeeded(&read(&mine).await, 200, &json!({ "userId": "user1", "point": 20 }));
    succeeded(&read(token).await, 200, &json!({ "userId": "user1", "point": 20 }));

    // A login is no queue token, and a queue token no login.
    refused(&get(fan, "/queues/user1", &mine).await, 401, "UNAUTHORIZED");
    refused(&get(fan, "/concerts/1/schedules", &mine).await, 401, "UNAUTHORIZED");
    refused(&join(token).await, 401, "UNAUTHORIZED");
    assert_eq!(get(fan, "/concerts", "").await.status, 200);
    assert_eq!(get(fan, "/queues/user1", token).await.status, 200);
    reserved(fan, "user1", 1, 1, token).await;
    sale.finish().await;
}
