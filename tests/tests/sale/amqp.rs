//! The AMQP contract, as direct producers use it.

use std::process::Command;
use std::time::Duration;

use onsale_tests::producer::command;
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_gets_the_first_outcome_again() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let joined =
        producer.ask("admission.1", &command("IssueToken", None, json!({ "userId": 1, "scheduleId": 1 }))).await;
    let token = joined["data"]["token"].as_str().unwrap().to_owned();
    let other = sale.client.token(2, 1).await;
    let hold = |token: &str, user: i64| {
        command("HoldSeats", Some(token), json!({ "scheduleId": 1, "seatIds": [seat(1, 1)], "userId": user }))
    };
    let (first, second) = (hold(&token, 1), hold(&other, 2));
    let held = producer.ask("reservation.1", &first).await;
    assert_eq!(held["ok"], true, "{held}");
    let lost = producer.ask("reservation.1", &second).await;
    assert_eq!(lost["error"]["code"], "SEAT_TAKEN");
    let release = json!({ "reservationId": held["data"]["reservationId"] });
    let released = producer.ask("reservation.1", &command("ReleaseReservation", Some(&token), release)).await;
    assert_eq!(released["ok"], true);
    assert_eq!(producer.ask("reservation.1", &first).await, held);
    assert_eq!(producer.ask("reservation.1", &second).await, lost, "although the seat is free by now");
    assert_eq!(producer.ask("reservation.1", &json!([first, first])).await, json!([held, held]));
    assert_eq!(sale.count("SELECT count(*) FROM reservations").await, 1);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_command_harms_no_other_and_ends_with_the_dead() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let good = |user: i64| command("IssueToken", None, json!({ "userId": user, "scheduleId": 1 }));
    let bad = command("IssueToken", None, json!({ "userId": "one", "scheduleId": 1 }));
    let stray = command("Pay", None, json!({ "reservationId": 1, "paymentMethod": "BALANCE", "userId": 1 }));
    let replies = producer.ask("admission.1", &json!([good(1), bad, stray, 17, good(2)])).await;
    let oks: Vec<bool> = replies.as_array().unwrap().iter().map(|reply| reply["ok"] == true).collect();
    assert_eq!(oks, [true, false, false, false, true], "{replies}");
    assert_eq!(replies[1]["id"], bad["id"]);
    assert!(replies[1]["error"]["details"]["fields"]["userId"].is_string());
    let mut buried = None;
    until("the bad command is with the dead", Duration::from_secs(5), async || {
        buried = producer.take("onsale.dead").await;
        buried.is_some()
    })
    .await;
    let (reason, body) = buried.unwrap();
    assert!(reason.contains("userId") && body["id"] == bad["id"], "{reason}: {body}");
    let reply = producer.ask_bytes("admission.0", b"\xff not JSON").await;
    assert_eq!((&reply["ok"], &reply["id"]), (&json!(false), &Value::Null));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_lost_and_silent_commands() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let join = |user: i64| command("IssueToken", None, json!({ "userId": user, "scheduleId": 1 }));
    let mut late = join(1);
    late["deadline"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(producer.ask("admission.1", &late).await["error"]["code"], "DEADLINE_EXCEEDED");
    assert_eq!(sale.count("SELECT count(*) FROM queue_tokens").await, 0, "it was not executed");
    let unroutable = producer.ask("admission.99", &json!([join(1), join(2)])).await;
    assert_eq!(unroutable[1]["error"]["code"], "UNROUTABLE", "{unroutable}");
    assert!(producer.publish("admission.1", join(3).to_string().as_bytes(), false).await);
    until("fire and forget was executed", Duration::from_secs(5), async || {
        sale.count("SELECT count(*) FROM queue_tokens WHERE user_id = 3").await == 1
    })
    .await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_in_python_and_node_go_all_the_way() {
    let sale = Sale::start(&[]).await;
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let python = std::env::var("ONSALE_TEST_PYTHON").expect("ONSALE_TEST_PYTHON: run deploy/test");
    let modules = std::env::var("ONSALE_TEST_NODE_PATH").expect("ONSALE_TEST_NODE_PATH: run deploy/test");
    let clients = [
        (python.as_str(), "python/producer.py", "1"),
        ("node", "node/producer.js", "2"),
        (python.as_str(), "python/async_producer.py", "3"),
    ];
    for (program, script, user) in clients {
        let output = Command::new(program)
            .args([&format!("{examples}/{script}"), user, user])
            .env("AMQP_URL", sale.amqp())
            .env("ONSALE_PARTITIONS", "2")
            .env("NODE_PATH", &modules)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        let paid: Value = serde_json::from_slice(&output.stdout).expect("a payment");
        assert_eq!((&paid["status"], &paid["amount"]), (&json!("COMPLETED"), &json!(75_000)));
    }
    sale.finish().await;
}
