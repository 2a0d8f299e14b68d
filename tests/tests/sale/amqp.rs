//! The AMQP contract, as direct producers use it.

use std::process::Command;
use std::time::Duration;

use onsale_common::amqp::connection::connect;
use onsale_common::amqp::topology::Topology;
use onsale_common::time::Time;
use onsale_tests::producer::command;
use onsale_tests::sale::until;
use onsale_tests::{Sale, seat};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn queues_that_were_made_with_other_bounds_are_used_as_they_are() {
    let sale = Sale::start(&[]).await;
    let connection = connect(sale.amqp(), "other bounds").await.expect("a connection");
    Topology { partitions: 8, queue_length_max: 77 }.declare(&connection).await.expect("declared");
    let token = sale.client.token(1, 1).await;
    assert_eq!(sale.client.hold(1, 1, &[seat(1, 1)], &token).await.status, 201);
    sale.finish().await;
}

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
async fn what_was_done_before_its_deadline_is_told_after_it() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let mut join = command("IssueToken", None, json!({ "userId": 1, "scheduleId": 1 }));
    join["deadline"] = json!(Time::now().plus(Duration::from_millis(900)));
    let first = producer.ask("admission.1", &join).await;
    assert_eq!(first["ok"], true, "{first}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(producer.ask("admission.1", &join).await, first);
    join["id"] = json!(uuid::Uuid::now_v7());
    assert_eq!(producer.refused("admission.1", &join).await, "DEADLINE_EXCEEDED");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_costs_a_lane_its_connection() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let join = |user: i64| command("IssueToken", None, json!({ "userId": user, "scheduleId": 1 }));
    // The broker ends the connection of whoever publishes to such an address, or a header that no frame takes.
    for address in ["amq.rabbitmq.reply-to.g1h2AA==.abc", "amq.rabbitmq.reply-to.nonsense"] {
        for routing_key in ["admission.1", "admission.77"] {
            assert!(producer.publish_for(routing_key, join(1).to_string().as_bytes(), Some(address)).await);
        }
    }
    let long = command("IssueToken", None, json!({ "userId": "x".repeat(140_000), "scheduleId": 1 }));
    let reply = producer.ask("admission.1", &long).await;
    assert!(reply["error"]["details"]["fields"]["userId"].as_str().is_some_and(|fault| fault.len() < 1000));
    assert_eq!(producer.done("admission.1", &join(2)).await["status"], "ACTIVE");
    assert_eq!(producer.refused("admission.77", &join(3)).await, "UNROUTABLE");
    for process in ["admission", "ingress"] {
        let log = std::fs::read_to_string(sale.fleet.log(process)).expect("a log");
        assert!(!log.contains("made again"), "{process} lost its link:\n{log}");
    }
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_no_names() {
    let sale = Sale::start(&[]).await;
    let mut producer = sale.producer().await;
    let token = sale.client.token(1, 1).await;
    let deadline = Time::now().plus(Duration::from_secs(10));
    let data = json!({ "userId": 1 });
    let as_array = json!([[uuid::Uuid::now_v7(), "GetBalance", deadline, token, null, null, data]]);
    assert_eq!(producer.ask("account.1", &as_array).await[0]["error"]["code"], "INVALID_REQUEST");
    assert_eq!(
        producer.refused("account.1", &command("GetBalance", Some(&token), json!([1]))).await,
        "INVALID_REQUEST"
    );
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
