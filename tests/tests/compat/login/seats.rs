//! The seats of a concert.

use onsale_tests::Sale;
use reqwest::Method;
use serde_json::json;

use super::{Fan, call, concert, nobody, refused};

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_shown_to_who_logged_in_or_queues() {
    for auth in ["open", "jwt"] {
        let sale = Sale::start(&[("ONSALE_AUTH", auth), ("ONSALE_CAPACITY", "1")]).await;
        let fan = Fan::at(&sale, 1, 1).await;
        let path = format!("/concerts/{}/seats", concert(1));
        let look = async |headers: &[(&str, &str)]| call(&sale, Method::GET, &path, headers, None).await;
        let [login, token] = [("authorization", fan.login.as_str()), ("queue-token", fan.token.as_str())];
        for headers in [&[login][..], &[token], &[login, token]] {
            let seats = look(headers).await;
            assert_eq!((seats.status, seats.body.as_array().map(Vec::len)), (200, Some(50)), "{headers:?}");
        }
        // Who waits may look too.
        let waiting = Fan::log_in(&sale, 2).await.join(1).await;
        assert_eq!(waiting.body["queue_position"], 1);
        assert_eq!(look(&[("queue-token", waiting.body["token"].as_str().unwrap())]).await.status, 200);

        refused(&look(&[]).await, 401, "LOGIN_REQUIRED");
        refused(&look(&[("authorization", "Bearer nonsense")]).await, 401, "LOGIN_REQUIRED");
        refused(&look(&[("queue-token", "nonsense")]).await, 401, "TOKEN_INVALID");
        let forged = "00000100-0000-8000-8000-000000000001";
        refused(&look(&[("queue-token", forged)]).await, 401, "TOKEN_INVALID");
        let elsewhere = Fan::at(&sale, 1, 2).await;
        refused(&look(&[("queue-token", &elsewhere.token)]).await, 403, "WRONG_SCHEDULE");
        // A login sees every concert; together with a token, it must be the same user's.
        assert_eq!(look(&[login, ("queue-token", &elsewhere.token)]).await.status, 200);
        let others = Fan::at(&sale, 3, 3).await;
        refused(&look(&[login, ("queue-token", &others.token)]).await, 403, "FORBIDDEN");
        sale.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_of_no_concert_are_not_found() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::log_in(&sale, 1).await;
    for unknown in [&nobody(), "00000000-0001-8000-8000-000000000099", "00000000-0002-8000-8000-000000000001"] {
        refused(&fan.get(&format!("/concerts/{unknown}/seats")).await, 404, "CONCERT_NOT_FOUND");
    }
    for bad in ["1", "nonsense", "%00", "%FF", "00000000-0001-8000-8000-00000000000", "%F0%9F%8E%B5"] {
        let answer = fan.get(&format!("/concerts/{bad}/seats")).await;
        refused(&answer, 400, "INVALID_REQUEST");
        assert_eq!(answer.body["message"], json!("요청이 올바르지 않습니다: id must be a UUID"));
    }
    // Seats are shown whether they can be booked now or not, and however many they are.
    for (schedule, seats) in [(3, 20_000), (4, 50), (5, 50)] {
        assert_eq!(fan.seats(schedule).await.len(), seats, "{schedule}");
    }
    sale.finish().await;
}
