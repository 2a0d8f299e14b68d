//! The queue: joining it, and reading how a token stands.

use std::time::Duration;

use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Fan, NO_TOKEN, NOBODY, faulty, guarded, is_time, keys, refused, send, uuid_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_joins_and_gets_the_same_token_while_it_lives() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    assert_eq!(Fan::join(&sale, 1).await.token, fan.token);
    assert_ne!(Fan::join(&sale, 2).await.token, fan.token);
    fan.buy(seat(1, 1)).await;
    assert_ne!(Fan::join(&sale, 1).await.token, fan.token, "that one is used up");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_users_join() {
    let sale = Sale::start(&[]).await;
    let join = |body: Value| send(&sale.client, Method::POST, "/user_queue_tokens", &[], Some(body));
    refused(&join(json!({ "user_id": NOBODY })).await, 400, "User not found");
    for odd in [json!({}), json!({ "user_id": null }), json!({ "user_id": 1 }), json!({ "user_id": "user1" })] {
        faulty(&join(odd).await, "user_id");
    }
    let more = json!({ "user_id": uuid_of(&sale, 1).await, "colour": "red" });
    assert_eq!(join(more).await.status, 201, "what is not known is passed over");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_tells_its_user_its_status_and_its_booking() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    let fresh = json!({ "user_id": fan.uuid, "status": "IN_PROGRESS", "performance_seat_book_info": null });
    assert_eq!(fan.info().await, fresh);

    let booked = fan.book(seat(1, 7)).await;
    let info = fan.info().await;
    let booking = &info["performance_seat_book_info"];
    assert_eq!((&info["user_id"], &info["status"]), (&json!(fan.uuid), &json!("IN_PROGRESS")));
    assert_eq!(keys(booking), ["book_attempt_at", "book_success_at", "id", "performance_seat_id"]);
    assert!(booking["id"].is_i64(), "{booking}");
    assert_eq!(booking["performance_seat_id"], seat(1, 7));
    assert_eq!(booking["book_attempt_at"], booked.body["book_attempt_at"]);
    assert_eq!(booking["book_success_at"], Value::Null);

    assert_eq!(fan.charge(json!(75_000)).await.status, 200);
    assert_eq!(fan.pay(seat(1, 7)).await.status, 200);
    let paid = fan.info().await;
    assert_eq!(paid["status"], "EXPIRED", "paying uses the token up");
    let mut done = booking.clone();
    done["book_success_at"] = paid["performance_seat_book_info"]["book_success_at"].clone();
    assert_eq!(paid["performance_seat_book_info"], done);
    is_time(&done["book_success_at"]);

    let again = Fan::join(&sale, 1).await;
    assert_eq!(again.info().await, fresh, "a new token has booked nothing yet");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_booking_is_no_longer_the_tokens() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    assert_eq!(fan.book(seat(1, 7)).await.status, 201);
    let id = fan.info().await["performance_seat_book_info"]["id"].clone();
    assert_eq!(sale.client.delete(&format!("/api/v1/reservations/{id}"), &fan.token).await.status, 204);
    assert_eq!(fan.info().await["performance_seat_book_info"], Value::Null);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_may_look_but_not_book() {
    let sale = Sale::start(&[("ONSALE_SERVICE_CAPACITY", "1")]).await;
    let first = Fan::join(&sale, 1).await;
    let second = Fan::join(&sale, 2).await;
    let waiting = json!({ "user_id": second.uuid, "status": "IN_QUEUE", "performance_seat_book_info": null });
    assert_eq!(second.info().await, waiting);
    for (method, path) in guarded() {
        let answer = send(&sale.client, method.clone(), &path, &[("x-reservation-token", &second.token)], None).await;
        match method {
            Method::GET => assert_eq!(answer.status, 200, "{path}: {answer:?}"),
            _ => refused(&answer, 401, "Token is invalid"),
        }
    }
    first.buy(seat(1, 1)).await;
    until("the next one's turn", Duration::from_secs(5), async || second.info().await["status"] == "IN_PROGRESS").await;
    assert_eq!(second.book(seat(1, 2)).await.status, 201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_live_token_nothing_opens() {
    let sale = Sale::start(&[]).await;
    let gone = Fan::join(&sale, 1).await;
    assert_eq!(sale.client.delete(&format!("/api/v1/queue/tokens/{}", gone.token), "").await.status, 204);
    let live = Fan::join(&sale, 1).await;
    for (method, path) in guarded() {
        let ask = async |headers: &[(&str, &str)]| send(&sale.client, method.clone(), &path, headers, None).await;
        refused(&ask(&[]).await, 401, "Token is invalid");
        for bad in ["", "nonsense", NO_TOKEN, NOBODY, "é", &"x".repeat(5000)] {
            refused(&ask(&[("x-reservation-token", bad)]).await, 401, "Token is invalid");
        }
        let twice = [("x-reservation-token", live.token.as_str()), ("x-reservation-token", live.token.as_str())];
        refused(&ask(&twice).await, 401, "Token is invalid");
        let challenge = ask(&[]).await;
        assert_eq!(challenge.header("www-authenticate"), "X-Reservation-Token");
        if !path.ends_with("/token_info") {
            refused(&ask(&[("x-reservation-token", &gone.token)]).await, 401, "Token is invalid");
        }
    }
    let over = json!({ "user_id": gone.uuid, "status": "EXPIRED", "performance_seat_book_info": null });
    assert_eq!(gone.info().await, over);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_runs_out() {
    let sale = Sale::start(&[("ONSALE_ACTIVE_TTL_S", "1")]).await;
    let fan = Fan::join(&sale, 1).await;
    until("it ran out", Duration::from_secs(5), async || fan.info().await["status"] == "EXPIRED").await;
    refused(&fan.book(seat(1, 1)).await, 401, "Token is invalid");
    refused(&fan.get("/concerts").await, 401, "Token is invalid");
    sale.finish().await;
}
