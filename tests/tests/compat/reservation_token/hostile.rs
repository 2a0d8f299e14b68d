//! Input that no honest client sends.

use onsale_tests::{Sale, hostile};
use reqwest::Method;
use serde_json::{Value, json};

use super::{API, Fan, NOBODY, keys, refused};

#[tokio::test(flavor = "multi_thread")]
async fn no_body_is_a_fault_of_ours() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    let charge = format!("/users/{}/charge", fan.uuid);
    let token = [("x-reservation-token", fan.token.as_str())];
    for (path, name, good) in [("/user_queue_tokens", "user_id", json!(fan.uuid)), (&charge, "amount", json!(1.0))] {
        let ask = async |headers: &[(&str, &str)], body: Option<String>| {
            let answer = sale.client.send(Method::POST, &format!("{API}{path}"), headers, body).await;
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(keys(&answer.body), ["message"], "{answer:?}");
            answer.status
        };
        let whole = json!({ name: good }).to_string();
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            assert_eq!(ask(&token, Some(whole[..cut].to_owned())).await, 400, "{cut} bytes");
        }
        for value in hostile::values() {
            let shown: String = value.chars().take(40).collect();
            assert_eq!(ask(&token, Some(format!("{{\"{name}\":{value}}}"))).await, 400, "{path} {name}={shown}");
            assert_eq!(ask(&token, Some(value)).await, 400, "{path} {shown}");
        }
        let twice = format!("{{\"{name}\":{good},{}", &whole[1..]);
        assert_eq!(ask(&token, Some(twice)).await, 400, "given twice");
        assert_eq!(ask(&token, None).await, 400, "no body");
        let as_text = [token[0], ("content-type", "text/plain")];
        assert_eq!(ask(&as_text, Some(whole.clone())).await, 415);
        assert_eq!(ask(&token, Some(format!("{whole}{}", " ".repeat(70_000)))).await, 413);
    }
    assert_eq!(sale.count("SELECT balance FROM accounts WHERE user_id = 1").await, 0);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_is_a_fault_of_ours() {
    let sale = Sale::start(&[]).await;
    let fan = Fan::join(&sale, 1).await;
    for path in ["/", "", "/nothing", "/users", "/concerts/1", "/performance_seats/1", "/users/x/y/z", "/%00"] {
        refused(&fan.get(path).await, 404, "Not found");
    }
    let wrong = fan.post("/concerts", Some(Value::Null)).await;
    refused(&wrong, 405, "Method not allowed");
    assert_eq!(wrong.header("allow"), "GET, HEAD, OPTIONS");
    for id in [NOBODY, "1", "%F0%9F%98%80", "..%2F..", "1%2F2", "%20", &"9".repeat(4000)] {
        for path in [
            format!("/users/{id}"),
            format!("/concert_performances?concert_id={id}"),
            format!("/performance_seats?concert_date_id={id}"),
        ] {
            let answer = fan.get(&path).await;
            assert!(answer.status < 500, "{path}: {answer:?}");
        }
        for action in ["book", "pay"] {
            let answer = fan.post(&format!("/performance_seats/{id}/{action}"), None).await;
            assert!((400..500).contains(&answer.status), "{id} {action}: {answer:?}");
        }
    }
    let many: String = (0..40).map(|n| format!("&x{n}=1")).collect();
    assert_eq!(fan.get(&format!("/concert_performances?concert_id=1{many}")).await.status, 400);
    assert_eq!(fan.get("/concert_performances?colour=red&concert_id=1").await.status, 200, "passed over");
    sale.finish().await;
}
