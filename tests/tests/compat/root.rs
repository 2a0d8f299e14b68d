//! One of the APIs at the root path, for clients whose base path is fixed.

use onsale_stack::role::Role;
use onsale_tests::{Answer, Client, Sale};
use reqwest::Method;

/// Joins a waiting room as the cookie design writes it, below `mount`.
async fn join_with_cookie(client: &Client, mount: &str) -> Answer {
    client.send(Method::POST, &format!("{mount}/api/queue/tokens?userId=1&scheduleId=1"), &[], None).await
}

async fn get(client: &Client, path: &str) -> Answer {
    client.send(Method::GET, path, &[], None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_at_the_root_leaves_everything_else_where_it_was() {
    let sale = Sale::start(&[("ONSALE_ROOT_API", "cookie")]).await;
    let client = &sale.client;
    let (mounted, at_root) = (join_with_cookie(client, "/compat/cookie").await, join_with_cookie(client, "").await);
    assert_eq!((mounted.status, at_root.status), (200, 200), "{mounted:?} {at_root:?}");
    assert_eq!(mounted.header("set-cookie"), at_root.header("set-cookie"), "one API, two paths");
    assert_eq!(client.join(1, 1).await.said(), (409, "TOKEN_EXISTS"), "v1 answers as v1");
    for (path, kind) in [
        ("/health/live", "application/json"),
        ("/health/ready", "application/json"),
        ("/metrics", "text/plain; version=0.0.4"),
        ("/docs", "text/html"),
        ("/openapi/cookie.json", "application/json"),
        ("/openapi/v1.json", "application/json"),
        ("/api/v1/concerts", "application/json"),
    ] {
        let answer = get(client, path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{path}");
    }
    // The operator's door and the documents have no other methods, and say so in whole answers.
    for path in ["/health/ready", "/metrics", "/docs", "/openapi/v1.json"] {
        let answer = client.send(Method::POST, path, &[], None).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{path}: {answer:?}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
    }
    // What is nowhere is told in the words of the API whose paths are around it.
    assert_eq!(get(client, "/nowhere").await.body["code"], "NOT_FOUND");
    assert_eq!(get(client, "/api/v1/nowhere").await.said(), (404, "NOT_FOUND"));
    let urls = |document: Answer| document.body["servers"].as_array().map(Vec::len);
    assert_eq!(urls(get(client, "/openapi/cookie.json").await), Some(2));
    assert_eq!(urls(get(client, "/openapi/v1.json").await), Some(1));
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_argument_wins_over_the_variable() {
    let sale = Sale::start(&[("ONSALE_ROOT_API", "bearer")]).await;
    let other = sale.fleet.add(Role::Ingress, &["--root-api", "cookie"]).expect("a process");
    sale.wait_ready(std::slice::from_ref(&other), std::time::Duration::from_secs(60));
    let port = sale.fleet.port(&other).expect("a port");
    let client = Client::new(&format!("http://127.0.0.1:{port}"), "");
    assert_eq!(join_with_cookie(&client, "").await.status, 200);
    assert_eq!(join_with_cookie(&sale.client, "").await.status, 404);
    sale.finish().await;
}
