//! The document of the AMQP contract, as others read it.

use std::io::Write;
use std::process::{Command, Stdio};

use onsale_common::contract::CommandName;
use onsale_stack::role::Role;
use onsale_tests::Sale;
use reqwest::Method;
use serde_json::{Value, json};

/// What the parser of the AsyncAPI initiative says of a document.
fn parse(document: &Value) -> (bool, String) {
    let mut parser = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/asyncapi.js"))
        .env("NODE_PATH", std::env::var("ONSALE_TEST_NODE_PATH").expect("ONSALE_TEST_NODE_PATH: run deploy/test"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut input = parser.stdin.take().expect("piped");
    input.write_all(document.to_string().as_bytes()).expect("it reads");
    drop(input);
    let output = parser.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_satisfies_the_parser_of_the_initiative() {
    let sale = Sale::with_roles(&[], &[Role::Ingress]).await;
    let served = sale.client.send(Method::GET, "/asyncapi.json", &[], None).await;
    assert_eq!((served.status, served.header("content-type")), (200, "application/json"));
    let (valid, said) = parse(&served.body);
    assert!(valid, "{said}");
    let operations: usize = said.split(' ').next().and_then(|count| count.parse().ok()).expect("a count");
    assert!(operations > CommandName::ALL.len(), "{said}");
    assert!(!parse(&json!({ "asyncapi": "3.0.0" })).0, "what is broken is found");
    sale.finish().await;
}
