//! Input that no honest client sends: each gets a clear refusal, never a 5xx, and nothing is lost or changed by it.

use std::time::Duration;

use onsale_tests::producer::command;
use onsale_tests::{Sale, hostile, seat};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_any_field_is_a_fault_of_ours() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let token = fan.token(1, 1).await;
    let held = fan.hold(1, 1, &[seat(1, 50)], &token).await;
    let bodies = [
        ("/api/v1/queue/tokens", json!({ "userId": 500, "scheduleId": 1 })),
        ("/api/v1/reservations", json!({ "scheduleId": 1, "seatIds": [seat(1, 1)], "userId": 1 })),
        ("/api/v1/users/1/balance/charge", json!({ "amount": 1 })),
        ("/api/v1/users/1/balance/use", json!({ "amount": 1 })),
        (
            "/api/v1/payments",
            json!({
                "reservationId": held.data()["reservationId"], "paymentMethod": "BALANCE", "userId": 1, "amount": 75_000,
            }),
        ),
        ("/api/v1/users", json!({ "username": "park", "email": "park@example.com", "password": "long enough" })),
        ("/api/v1/auth/login", json!({ "email": "user1@example.com", "password": "onsale-demo" })),
    ];
    for (path, body) in &bodies {
        let whole = body.to_string();
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            let cut = Some(whole[..length].to_owned());
            let answer = fan.send(Method::POST, path, &[("queue-token", &token)], cut).await;
            assert_eq!(answer.said(), (400, "INVALID_REQUEST"), "{path}: {length} bytes");
        }
        for name in body.as_object().unwrap().keys() {
            for value in hostile::values() {
                let others = body.as_object().unwrap().iter().filter(|(other, _)| *other != name);
                let others: Vec<String> = others.map(|(name, value)| format!("\"{name}\":{value}")).collect();
                let hostile =
                    format!("{{{}}}", [others.as_slice(), &[format!("\"{name}\":{value}")]].concat().join(","));
                let answer = fan.send(Method::POST, path, &[("queue-token", &token)], Some(hostile)).await;
                let shown: String = value.chars().take(40).collect();
                // Some of these texts are good names and passwords.
                let may_pass = *path == "/api/v1/users" && value.starts_with('"') && answer.status == 201;
                assert!(may_pass || (400..500).contains(&answer.status), "{path} {name}={shown}: {answer:?}");
                assert_eq!(answer.body["success"], may_pass, "{path} {name}={shown}: {answer:?}");
            }
            let twice = format!("{{\"{name}\":{},{}", body[name], &whole[1..]);
            let answer = fan.send(Method::POST, path, &[("queue-token", &token)], Some(twice)).await;
            assert_eq!(answer.said(), (400, "INVALID_REQUEST"), "{path}: {name} is given twice");
        }
    }
    let balance = fan.get("/api/v1/users/1/balance", &token).await;
    assert_eq!(balance.data()["currentBalance"], 0, "nothing was charged");
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_query_or_header_is_a_fault_of_ours() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let token = fan.token(1, 1).await;
    let ids =
        ["0", "-1", "9007199254740992", "99999999999999999999", "1.5", "%00", "%ff", "x", "1%2F2", "+1", "%20", "٣"];
    for id in ids {
        for path in [
            format!("/api/v1/concerts/{id}"),
            format!("/api/v1/concerts/{id}/schedules"),
            format!("/api/v1/concerts/1/schedules/{id}/seats"),
            format!("/api/v1/reservations/{id}"),
            format!("/api/v1/payments/{id}"),
            format!("/api/v1/users/{id}/balance"),
            format!("/api/v1/users/{id}/balance/entries?cursor={id}"),
            format!("/api/v1/queue/tokens/{id}"),
            format!("/api/v1/concerts?cursor={id}&limit={id}"),
        ] {
            let answer = fan.get(&path, &token).await;
            assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        }
    }
    for date in ["0000-00-00", "0000-01-01", "9999-12-31", "-999-01-01", "2026-02-30", "%00"] {
        let answer = fan.get(&format!("/api/v1/concerts/1/schedules?fromDate={date}"), &token).await;
        assert!(answer.status < 500, "{date}: {answer:?}");
    }
    for key in ["", "two words", &"k".repeat(256)] {
        let charge = fan.post_keyed("/api/v1/users/1/balance/charge", &token, key, json!({ "amount": 1 })).await;
        assert_eq!(charge.said(), (400, "INVALID_REQUEST"), "{key}");
    }
    let long: String = format!("/api/v1/concerts/{}", "1".repeat(20_000));
    let refused = fan.get(&long, &token).await;
    assert_eq!(refused.said(), (431, "HEADERS_TOO_LARGE"));
    assert_eq!(refused.body["error"]["details"], json!({ "maxBytes": 16_384, "maxHeaders": 100 }));
    let many: Vec<i64> = (1..=1001).map(|n| seat(1, n)).collect();
    assert_eq!(fan.hold(1, 1, &many, &token).await.said(), (400, "INVALID_REQUEST"));
    assert_eq!(fan.hold(1, 1, &[seat(2, 1)], &token).await.said(), (404, "SEAT_NOT_FOUND"));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_cannot_be_stored_is_the_organisers_fault() {
    let sale = Sale::start(&[]).await;
    let fan = &sale.client;
    let good = json!({
        "performanceDate": "2040-01-01", "performanceTime": "19:00:00",
        "bookingOpenAt": "2026-01-01T00:00:00Z", "bookingCloseAt": "2039-01-01T00:00:00Z",
        "seats": { "count": 3, "price": 500 },
    });
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (name, value) in [
        ("performanceDate", json!("-262143-01-01")),
        ("performanceDate", json!("+262142-12-31")),
        ("performanceDate", json!("2040-1-1")),
        ("performanceDate", json!(20_400_101)),
        ("performanceTime", json!("23:59:60")),
        ("performanceTime", json!("19:00:00.5")),
        ("performanceTime", json!("24:00:00")),
        ("bookingOpenAt", json!("2039-01-01T00:00:00Z")),
        ("bookingOpenAt", json!("yesterday")),
        // Times are kept in microseconds, and without leap seconds.
        ("bookingCloseAt", json!("2026-01-01T00:00:00.0000009Z")),
        ("bookingOpenAt", json!("2038-12-31T23:59:60Z")),
        ("seats", json!({})),
        ("seats", json!({ "count": 0, "price": 1 })),
        ("seats", json!({ "count": 1_000_000, "price": 1 })),
        ("seats", json!({ "count": 1, "price": -1 })),
        ("seats", json!({ "count": 1, "price": 1, "sections": [] })),
        ("seats", json!({ "sections": [{ "name": "a\u{0}b", "price": 1, "rows": [{ "row": "A", "seats": 1 }] }] })),
        (
            "seats",
            json!({ "sections": [{ "name": "A", "price": 1, "rows": [{ "row": "A", "seats": 4_000_000_000_u32 }] }] }),
        ),
        ("maxConcurrentUsers", json!(-1)),
        ("maxConcurrentUsers", json!(1_000_001)),
        ("seatsPerUser", json!(0)),
        ("colour", json!("red")),
    ] {
        let answer = fan.admin(Method::POST, "/api/v1/admin/concerts/1/schedules", with(name, value.clone())).await;
        assert_eq!(answer.said(), (400, "INVALID_REQUEST"), "{name}={value}: {answer:?}");
    }
    let nowhere = fan.admin(Method::POST, "/api/v1/admin/concerts/999/schedules", good.clone()).await;
    assert_eq!(nowhere.said(), (404, "CONCERT_NOT_FOUND"));
    let nothing = fan.admin(Method::PATCH, "/api/v1/admin/schedules/999", json!({ "paused": true })).await;
    assert_eq!(nothing.said(), (404, "SCHEDULE_NOT_FOUND"));
    let window = json!({ "bookingCloseAt": "2000-01-01T00:00:00Z" });
    let closed_first = fan.admin(Method::PATCH, "/api/v1/admin/schedules/1", window).await;
    assert_eq!(closed_first.said(), (400, "INVALID_REQUEST"), "it would close before it opens");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_broken_clients_keep_nobody_waiting() {
    let settings =
        [("ONSALE_HEADER_TIMEOUT_MS", "500"), ("ONSALE_BODY_TIMEOUT_MS", "500"), ("ONSALE_IDLE_TIMEOUT_MS", "800")];
    let sale = Sale::start(&settings).await;
    let port = sale.fleet.port("ingress").unwrap();
    let head =
        "POST /api/v1/queue/tokens HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 30\r\n";
    let slow = [
        String::new(),
        "POST /api/v1/queue".to_owned(),
        head.to_owned(),
        format!("{head}\r\n{{\"userId\""),
        "GARBAGE\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}".to_owned(),
    ];
    let mut sockets = Vec::new();
    for _ in 0..20 {
        for start in &slow {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            socket.write_all(start.as_bytes()).await.unwrap();
            sockets.push(socket);
        }
    }
    assert_eq!(sale.client.join(1, 1).await.status, 200, "honest clients are served meanwhile");
    for mut socket in sockets {
        let mut heard = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut heard)).await;
        assert!(ended.is_ok(), "a slow client was never sent away: {}", String::from_utf8_lossy(&heard));
        let heard = String::from_utf8_lossy(&heard);
        assert!(!heard.contains(" 500 "), "{heard}");
    }
    assert_eq!(sale.count("SELECT count(*) FROM queue_tokens").await, 1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_harms_its_worker_or_its_neighbours() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let join = |user: i64| command("IssueToken", None, json!({ "userId": user, "scheduleId": 1 }));
    let deep = "[".repeat(100_000);
    for body in ["", " ", "null", "1", "\"text\"", "{}", "[", "[]]", &deep, "{\"id\":1}", "\u{0}"] {
        let reply = producer.ask_bytes("admission.1", body.as_bytes()).await;
        assert_eq!(reply["ok"], false, "{}", &body[..body.len().min(20)]);
    }
    assert_eq!(producer.ask("admission.1", &json!([])).await, json!([]), "nothing asked, nothing answered");
    // Replies that nobody can get harm nobody.
    for nowhere in ["no.such.queue", "amq.rabbitmq.reply-to.nonsense", "amq.gen-gone"] {
        assert!(producer.publish_for("admission.1", join(1).to_string().as_bytes(), Some(nowhere)).await);
    }
    let crowd: Vec<Value> = (2..=900).map(join).collect();
    let replies = producer.ask("admission.1", &Value::Array(crowd)).await;
    assert!(replies.as_array().unwrap().iter().all(|reply| reply["ok"] == true), "{replies}");
    assert_eq!(replies.as_array().unwrap().len(), 899);
    assert_eq!(sale.count("SELECT count(*) FROM queue_tokens").await, 900);
    sale.finish().await;
}
