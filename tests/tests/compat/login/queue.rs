//! Logging in and queueing.

use onsale_tests::Sale;
use onsale_tests::sale::until;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

use super::{Fan, call, concert, nobody, refused, text};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_password_logs_in() {
    let sale = Sale::start(&[("ONSALE_LOGIN_TTL_S", "2")]).await;
    let log_in = async |body| call(&sale, Method::POST, "/auth/login", &[], Some(body)).await;
    let wrong = log_in(json!({ "email": "user1@example.com", "password": "onsale-demO" })).await;
    refused(&wrong, 401, "LOGIN_FAILED");
    assert_eq!(wrong.header("www-authenticate"), "Bearer");
    for email in ["nobody@example.com", "", "not an address", "\u{0}@example.com"] {
        refused(&log_in(json!({ "email": email, "password": "onsale-demo" })).await, 401, "LOGIN_FAILED");
    }
    for body in [json!({}), json!({ "email": "user1@example.com" }), json!({ "email": 1, "password": "onsale-demo" })] {
        refused(&log_in(body).await, 400, "INVALID_REQUEST");
    }
    // A login ends.
    let fan = Fan::log_in(&sale, 1).await;
    assert_eq!(fan.get("/balance").await.status, 200);
    until("the login has ended", Duration::from_secs(10), async || fan.get("/balance").await.status == 401).await;
    refused(&fan.get("/balance").await, 401, "LOGIN_REQUIRED");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_one_entry_in_a_concerts_queue() {
    let sale = Sale::start(&[("ONSALE_CAPACITY", "1")]).await;
    let first = Fan::at(&sale, 1, 1).await;
    let second = Fan::log_in(&sale, 2).await;
    let third = Fan::log_in(&sale, 3).await;
    let waits = second.join(1).await;
    assert_eq!((waits.status, &waits.body["queue_position"]), (201, &json!(1)), "{waits:?}");
    let wait_time = text(&waits.body["wait_time"]).strip_suffix('분').expect("minutes");
    assert!(wait_time.parse::<u64>().is_ok(), "{wait_time}");
    assert_eq!(third.join(1).await.body["queue_position"], 2);
    // Joining again shows the entry as it stands.
    let again = second.join(1).await;
    assert_eq!(again.status, 200, "{again:?}");
    for field in ["id", "user_id", "concert_id", "queue_position", "token", "created_at"] {
        assert_eq!(again.body[field], waits.body[field], "{field}");
    }
    // Another concert has another queue.
    let elsewhere = second.join(2).await;
    assert_eq!((elsewhere.status, &elsewhere.body["queue_position"]), (201, &json!(0)));
    assert_ne!(elsewhere.body["id"], waits.body["id"]);
    assert_ne!(elsewhere.body["token"], waits.body["token"]);
    assert_ne!(third.join(1).await.body["id"], waits.body["id"]);

    assert_eq!(sale.client.delete(&format!("/api/v1/queue/tokens/{}", first.token), &first.token).await.status, 204);
    until("it is the second one's turn", Duration::from_secs(10), async || {
        second.join(1).await.body["queue_position"] == 0
    })
    .await;
    let turn = second.join(1).await;
    assert_eq!((&turn.body["wait_time"], &turn.body["token"]), (&json!("0분"), &waits.body["token"]));
    assert!(text(&turn.body["updated_at"]) >= text(&turn.body["created_at"]));
    // Who left can join again.
    assert_eq!(first.join(1).await.status, 201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_needs_a_login_and_a_concert() {
    for auth in ["open", "jwt"] {
        let sale = Sale::start(&[("ONSALE_AUTH", auth)]).await;
        let fan = Fan::log_in(&sale, 1).await;
        let other = Fan::log_in(&sale, 2).await;
        let concert = concert(1);
        let body = json!({ "concert_id": concert });
        let join = async |headers: &[(&str, &str)]| {
            call(&sale, Method::POST, "/queue/token", headers, Some(body.clone())).await
        };
        refused(&join(&[]).await, 401, "LOGIN_REQUIRED");
        refused(&join(&[("authorization", "Bearer nonsense")]).await, 401, "LOGIN_REQUIRED");
        let cut = &fan.login[..fan.login.len() - 4];
        refused(&join(&[("authorization", cut)]).await, 401, "LOGIN_REQUIRED");
        refused(&join(&[("authorization", &fan.login.replace("Bearer", "Basic"))]).await, 401, "LOGIN_REQUIRED");

        refused(&fan.post("/queue/token", json!({ "concert_id": nobody() })).await, 404, "CONCERT_NOT_FOUND");
        let unknown = json!({ "concert_id": "00000000-0001-8000-8000-000000000099" });
        refused(&fan.post("/queue/token", unknown).await, 404, "CONCERT_NOT_FOUND");
        // A seat is no concert, nor is the service-wide room.
        let seat = json!({ "concert_id": "00000000-0002-8000-8000-000020000001" });
        refused(&fan.post("/queue/token", seat).await, 404, "CONCERT_NOT_FOUND");
        let service_wide = json!({ "concert_id": "00000000-0001-8000-8000-000000000000" });
        refused(&fan.post("/queue/token", service_wide).await, 404, "CONCERT_NOT_FOUND");
        for bad in [json!({}), json!({ "concert_id": "1" }), json!({ "concert_id": 1 }), json!({ "concert_id": null })]
        {
            let answer = fan.post("/queue/token", bad).await;
            refused(&answer, 400, "INVALID_REQUEST");
            assert!(text(&answer.body["message"]).contains("concert_id"), "{answer:?}");
        }
        let for_another = json!({ "concert_id": concert, "user_id": other.id });
        refused(&fan.post("/queue/token", for_another).await, 403, "FORBIDDEN");
        let for_oneself = json!({ "concert_id": concert, "user_id": fan.id });
        assert_eq!(fan.post("/queue/token", for_oneself).await.status, 201);
        sale.finish().await;
    }
}
