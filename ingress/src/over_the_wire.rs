//! Tests of the whole ingress over real sockets, with the broker away: everything that is answered without a worker.

use std::time::Duration;

use onsale_common::amqp::rpc::RpcClient;
use onsale_common::config::Env;
use onsale_common::contract::catalog::ListConcerts;
use onsale_common::ids::{QueueToken, ScheduleId};
use onsale_common::ops::Readiness;
use onsale_common::shutdown::CancellationToken;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;

/// A running ingress on a port of its own.
pub(crate) struct Served {
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

/// An answer as it came over the wire.
pub(crate) struct Heard {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {} {}", self.head, self.body))
    }

    #[track_caller]
    fn is(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.json()["error"]["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        assert!(self.head.contains("x-request-id: "), "{}", self.head);
        self.json()["error"]["details"]["fields"].clone()
    }
}

impl Served {
    pub(crate) fn start(settings: &'static [(&str, &str)]) -> Self {
        Self::speaking(DIALECTS, settings)
    }

    fn speaking(dialects: &'static [&'static Dialect], settings: &'static [(&str, &str)]) -> Self {
        Self::configured(dialects, settings, |_| {})
    }

    fn configured(
        dialects: &'static [&'static Dialect],
        settings: &'static [(&str, &str)],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let env = Env::from_lookup(|name| match name {
            "ONSALE_AMQP_URL" => Some("amqp://nobody".to_owned()),
            "ONSALE_HTTP_LISTEN" => Some("127.0.0.1:0".to_owned()),
            _ => settings.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()),
        });
        let (mut config, _) = Config::from_env(env).unwrap();
        change(&mut config);
        let listener = server::listen(config.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new(dialects, config.root_api).unwrap();
        let docs = Docs::of(dialects, config.root_api, &config.rpc.topology);
        let rpc = RpcClient::new(config.rpc);
        let ingress = Ingress::new(rpc, router, docs, config.access, config.limits, Readiness::default());
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(server::serve(listener, Arc::new(ingress), shutdown.clone()));
        Self { address, shutdown, server }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads one answer.
    async fn raw(&self, request: impl AsRef<[u8]>) -> Heard {
        let mut socket = self.connect().await;
        // A server that refuses early may close while this still writes.
        let _ = socket.write_all(request.as_ref()).await;
        hear(&mut socket).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Heard {
        let typed = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        self.raw(format!(
            "{method} {path} HTTP/1.1\r\nhost: h\r\n{typed}{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
    }
}

async fn hear(socket: &mut TcpStream) -> Heard {
    let mut bytes = Vec::new();
    let whole = async {
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    return (head.to_owned(), body.to_owned());
                }
            }
            let read = socket.read_buf(&mut bytes).await.unwrap();
            assert!(read > 0, "closed after {text:?}");
        }
    };
    let (head, body) = tokio::time::timeout(Duration::from_secs(20), whole).await.expect("no answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Heard { status, head, body }
}

fn token_header() -> String {
    format!("queue-token: {}\r\n", QueueToken::draw(ScheduleId::new(1)).unwrap().uuid())
}

#[tokio::test]
async fn a_full_partition_refuses_before_a_body_is_understood_and_the_connection_goes_on() {
    let full = Served::configured(DIALECTS, &[], |config| config.rpc.waiting_max = 0);
    let hold = format!(
        "POST /api/v1/reservations HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n{}content-length: 8\r\n\r\nnonsense",
        token_header()
    );
    let mut socket = full.connect().await;
    for _ in 0..2 {
        socket.write_all(hold.as_bytes()).await.unwrap();
        let refused = hear(&mut socket).await;
        refused.is(503, "OVERLOADED");
        assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    }
    // Where there is room, the fault is told.
    Served::start(&[]).raw(hold).await.is(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn alive_but_not_ready_without_a_broker() {
    let served = Served::start(&[]);
    assert_eq!(served.ask("GET", "/health/live", "", "").await.status, 200);
    let ready = served.ask("GET", "/health/ready", "", "").await;
    assert_eq!(ready.status, 503);
    assert!(ready.head.contains("retry-after: 1"));
    assert_eq!(served.ask("GET", "/metrics", "", "").await.status, 200);
    let health = served.ask("GET", "/compat/login/health", "", "").await;
    assert_eq!((health.status, health.body.as_str()), (503, r#"{"status":"ERROR"}"#));
    let refused = served.ask("GET", "/api/v1/concerts?limit=5", "", "").await;
    refused.is(503, "OVERLOADED");
    assert!(refused.head.contains("retry-after: 1"));
}

#[tokio::test]
async fn every_good_request_becomes_a_command() {
    let served = Served::start(&[("ONSALE_ADMIN_KEY", "key")]);
    let token = QueueToken::draw(ScheduleId::new(1)).unwrap().uuid();
    let path_token = format!("/queue/tokens/{token}");
    let schedule = r#"{"performanceDate":"2026-05-01","performanceTime":"19:30:00",
        "bookingOpenAt":"2026-01-01T00:00:00Z","bookingCloseAt":"2026-05-01T00:00:00Z","seats":{"count":50,"price":1}}"#;
    let rows: &[(&str, &str, &str)] = &[
        ("POST", "/users", r#"{"username":"a","email":"a@b.c","password":"12345678"}"#),
        ("POST", "/auth/login", r#"{"email":"a@b.c","password":"12345678"}"#),
        ("POST", "/queue/tokens", r#"{"userId":1,"scheduleId":1}"#),
        ("GET", &path_token, ""),
        ("DELETE", &path_token, ""),
        ("GET", "/concerts", ""),
        ("GET", "/concerts/1", ""),
        ("GET", "/concerts/%31/schedules?fromDate=2026-01-01&toDate=2026-01-01", ""),
        ("GET", "/concerts/1/schedules/1/seats?status=all", ""),
        ("POST", "/reservations", r#"{"scheduleId":1,"seatIds":[536870913],"userId":1}"#),
        ("GET", "/reservations/536870913", ""),
        ("DELETE", "/reservations/536870913", ""),
        ("GET", "/users/1/reservations?limit=10&cursor=5", ""),
        ("POST", "/users/1/balance/charge", r#"{"amount":1000}"#),
        ("POST", "/users/1/balance/use", r#"{"amount":1000}"#),
        ("GET", "/users/1/balance", ""),
        ("GET", "/users/1/balance/entries", ""),
        ("POST", "/payments", r#"{"reservationId":536870913,"paymentMethod":"BALANCE","userId":1}"#),
        ("GET", "/payments/536870913", ""),
        ("POST", "/admin/concerts", r#"{"title":"t","venueName":"v"}"#),
        ("POST", "/admin/concerts/1/schedules", schedule),
        ("PATCH", "/admin/schedules/1", "{ }"),
        ("PATCH", "/admin/schedules/1", r#"{"paused":true}"#),
        ("PATCH", "/admin/schedules/0", r#"{"maxConcurrentUsers":10}"#),
        ("GET", "/admin/schedules/1/attempts?limit=5", ""),
    ];
    let headers = format!("{}authorization: Bearer key\r\nidempotency-key: k-1\r\n", token_header());
    for (method, path, body) in rows {
        // No worker is there to say more: a request that came so far was understood.
        served.ask(method, &format!("/api/v1{path}"), &headers, body).await.is(503, "OVERLOADED");
    }
}

#[tokio::test]
async fn faults_name_their_field() {
    let served = Served::start(&[("ONSALE_ADMIN_KEY", "key")]);
    let headers = format!("{}authorization: Bearer key\r\n", token_header());
    let rows: &[(&str, &str, &str, &str)] = &[
        ("POST", "/queue/tokens", r#"{"userId":1}"#, "scheduleId"),
        ("POST", "/queue/tokens", r#"{"userId":"1","scheduleId":1}"#, "userId"),
        ("POST", "/queue/tokens", r#"{"userId":1,"scheduleId":0}"#, "scheduleId"),
        ("POST", "/queue/tokens", r#"{"userId":1,"scheduleId":1,"x":1}"#, "x"),
        ("POST", "/queue/tokens", r#"{"userId":1,"scheduleId":1}}"#, "body"),
        ("POST", "/queue/tokens", "[1,1]", "body"),
        ("POST", "/queue/tokens", "null", "body"),
        ("POST", "/queue/tokens", "{", "body"),
        ("POST", "/queue/tokens", " ", "body"),
        ("POST", "/queue/tokens", "", "body"),
        ("POST", "/queue/tokens", "\u{feff}{}", "body"),
        ("POST", "/users/1/balance/charge", r#"{"amount":1,"userId":1}"#, "userId"),
        ("POST", "/users/1/balance/charge", "{}", "amount"),
        ("POST", "/users/1/balance/charge", "{,}", "body"),
        ("POST", "/users/0/balance/charge", r#"{"amount":1}"#, "userId"),
        ("GET", "/users/9007199254740992/balance", "", "userId"),
        ("GET", "/users/%FF/balance", "", "userId"),
        ("GET", "/users/+1/balance", "", "userId"),
        ("GET", "/concerts/x", "", "concertId"),
        ("GET", "/concerts/1/schedules/0/seats", "", "scheduleId"),
        ("GET", "/concerts/1/schedules/1/seats?status=held", "", "status"),
        ("GET", "/concerts/1/schedules?fromDate=2026-13-01", "", "fromDate"),
        ("GET", "/concerts/1/schedules?fromDate=2026-02-01&toDate=2026-01-01", "", "toDate"),
        ("GET", "/concerts?limit=0", "", "limit"),
        ("GET", "/concerts?limit=101", "", "limit"),
        ("GET", "/concerts?cursor=x", "", "cursor"),
        ("GET", "/concerts?page=2", "", "page"),
        ("GET", "/concerts?limit=1&limit=1", "", "limit"),
        ("DELETE", "/reservations/-1", "", "reservationId"),
        ("GET", "/admin/schedules/0/attempts", "", "scheduleId"),
        ("PATCH", "/admin/schedules/1", r#"{"scheduleId":1}"#, "scheduleId"),
    ];
    for (method, path, body, field) in rows {
        let fields = served.ask(method, &format!("/api/v1{path}"), &headers, body).await.is(400, "INVALID_REQUEST");
        assert!(fields[field].is_string(), "{method} {path} {body}: {fields}");
    }
    let nested = "[".repeat(20_000);
    served.ask("POST", "/api/v1/queue/tokens", "", &format!(r#"{{"userId":{nested}"#)).await.is(400, "INVALID_REQUEST");
    served.ask("POST", "/api/v1/users/1/balance/use", &headers, r#"{"amount":0}"#).await.is(400, "INVALID_AMOUNT");
    let keyed = format!("{headers}idempotency-key: two words\r\n");
    served.ask("POST", "/api/v1/users/1/balance/use", &keyed, r#"{"amount":1}"#).await.is(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn callers_are_told_what_they_lack() {
    let served = Served::start(&[]);
    served.ask("GET", "/api/v1/users/1/balance", "", "").await.is(401, "TOKEN_MISSING");
    served.ask("GET", "/api/v1/users/1/balance", "queue-token: x\r\n", "").await.is(401, "TOKEN_INVALID");
    served.ask("GET", "/api/v1/queue/tokens/x", "", "").await.is(404, "TOKEN_NOT_FOUND");
    served.ask("POST", "/api/v1/admin/concerts", "authorization: Bearer key\r\n", "{}").await.is(404, "NOT_FOUND");
    let strict = Served::start(&[("ONSALE_AUTH", "jwt"), ("ONSALE_JWT_SECRET", "0123456789abcdef0123456789abcdef")]);
    let body = r#"{"userId":1,"scheduleId":1}"#;
    strict.ask("POST", "/api/v1/queue/tokens", "", body).await.is(401, "LOGIN_REQUIRED");
    let logins = onsale_common::login::Logins::new(b"0123456789abcdef0123456789abcdef", Duration::from_secs(60));
    for (user, status, code) in [(1, 503, "OVERLOADED"), (2, 403, "FORBIDDEN")] {
        let user = onsale_common::ids::UserId::new(user);
        let login = logins.sign(user, onsale_common::time::Time::now()).unwrap();
        let header = format!("authorization: Bearer {login}\r\n");
        strict.ask("POST", "/api/v1/queue/tokens", &header, body).await.is(status, code);
    }
}

#[tokio::test]
async fn methods_paths_and_request_ids() {
    let served = Served::start(&[]);
    served.ask("GET", "/nowhere", "", "").await.is(404, "NOT_FOUND");
    let other = served.ask("PUT", "/api/v1/reservations", "x-request-id: mine-1\r\n", "").await;
    other.is(405, "METHOD_NOT_ALLOWED");
    assert!(other.head.contains("allow: POST, OPTIONS"), "{}", other.head);
    assert!(other.head.contains("x-request-id: mine-1"), "{}", other.head);
    let options = served.ask("OPTIONS", "/api/v1/concerts", "", "").await;
    assert_eq!(options.status, 204);
    assert!(options.head.contains("allow: GET, HEAD, OPTIONS"), "{}", options.head);
    let mut socket = served.connect().await;
    socket.write_all(b"HEAD /api/v1/concerts/x HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut heard = String::new();
    socket.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 400 ") && heard.ends_with("\r\n\r\n"), "{heard}");
}

#[tokio::test]
async fn bodies_beyond_their_bounds_are_refused() {
    let served = Served::start(&[("ONSALE_BODY_TIMEOUT_MS", "200")]);
    let head = "POST /api/v1/users HTTP/1.1\r\nhost: h\r\n";
    let json = "content-type: application/json\r\n";
    served.raw(format!("{head}{json}content-length: 65537\r\n\r\n")).await.is(413, "BODY_TOO_LARGE");
    let large = "x".repeat(300_000);
    served.raw(format!("{head}{json}content-length: 300000\r\n\r\n{large}")).await.is(413, "BODY_TOO_LARGE");
    let chunked = format!("{head}{json}transfer-encoding: chunked\r\n\r\n493E0\r\n{large}\r\n0\r\n\r\n");
    served.raw(chunked).await.is(413, "BODY_TOO_LARGE");
    let text = format!("{head}content-type: text/plain\r\ncontent-length: 2\r\n\r\n{{}}");
    served.raw(text).await.is(415, "UNSUPPORTED_MEDIA_TYPE");
    served.raw(format!("{head}content-length: 2\r\n\r\n{{}}")).await.is(415, "UNSUPPORTED_MEDIA_TYPE");
    let latin = [head.as_bytes(), json.as_bytes(), b"content-length: 3\r\n\r\n{\xff}"].concat();
    served.raw(latin).await.is(400, "INVALID_REQUEST");
    let slow = served.raw(format!("{head}{json}content-length: 10\r\n\r\n{{")).await;
    assert!(slow.is(400, "INVALID_REQUEST")["body"].as_str().unwrap().contains("in time"));
    assert!(slow.head.contains("connection: close"));
}

#[tokio::test]
async fn what_is_not_http_is_answered_in_json() {
    let served = Served::start(&[]);
    served.raw("NONSENSE\r\n\r\n").await.is(400, "INVALID_REQUEST");
    served.raw("GET /\x01 HTTP/1.1\r\n\r\n").await.is(400, "INVALID_REQUEST");
    served.raw("GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n").await.is(400, "INVALID_REQUEST");
    let large = format!("GET /health/live HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    served.raw(large).await.is(431, "HEADERS_TOO_LARGE");
    let many = format!("GET /health/live HTTP/1.1\r\n{}\r\n", "x: x\r\n".repeat(101));
    served.raw(many).await.is(431, "HEADERS_TOO_LARGE");
    let fits = format!("GET /health/live HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(16_000));
    assert_eq!(served.raw(fits).await.status, 200);
    served.raw(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000))).await.is(431, "HEADERS_TOO_LARGE");
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let served = Served::start(&[]);
    for headers in ["", "host: a\r\nhost: b\r\n"] {
        let request = format!("GET /api/v1/concerts/x HTTP/1.1\r\n{headers}\r\n");
        assert!(served.raw(request).await.is(400, "INVALID_REQUEST")["host"].is_string());
    }
    let older = served.raw("GET /api/v1/concerts/x HTTP/1.0\r\n\r\n").await;
    assert!(older.is(400, "INVALID_REQUEST")["concertId"].is_string());
}

#[tokio::test]
async fn a_connection_goes_on_after_a_refusal_and_ends_when_quiet() {
    let served = Served::start(&[("ONSALE_HEADER_TIMEOUT_MS", "200"), ("ONSALE_IDLE_TIMEOUT_MS", "600")]);
    let mut socket = served.connect().await;
    for _ in 0..2 {
        // The body comes apart from its headers, after the refusal.
        socket.write_all(b"POST /nowhere HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\n").await.unwrap();
        hear(&mut socket).await.is(404, "NOT_FOUND");
        socket.write_all(b"body").await.unwrap();
    }
    let ended = tokio::time::timeout(Duration::from_secs(5), socket.read_u8()).await.unwrap();
    assert!(ended.is_err());
    let mut slow = served.connect().await;
    slow.write_all(b"GET /health/live HT").await.unwrap();
    let started = std::time::Instant::now();
    assert!(tokio::time::timeout(Duration::from_secs(5), slow.read_u8()).await.unwrap().is_err());
    assert!(started.elapsed() < Duration::from_millis(550), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_progress() {
    let served = Served::start(&[]);
    let head = "POST /api/v1/users HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";
    let mut idle = served.connect().await;
    let mut working = served.connect().await;
    working.write_all(head.as_bytes()).await.unwrap();
    // Once a later connection is answered, both of these are accepted.
    assert_eq!(served.ask("GET", "/health/live", "", "").await.status, 200);
    served.shutdown.cancel();
    assert!(idle.read_u8().await.is_err());
    assert!(!served.server.is_finished());
    assert!(TcpStream::connect(served.address).await.is_err());
    working.write_all(b"{}").await.unwrap();
    let last = hear(&mut working).await;
    last.is(400, "INVALID_REQUEST");
    assert!(last.head.contains("connection: close"), "{}", last.head);
    tokio::time::timeout(Duration::from_secs(5), served.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let served = Served::start(&[("ONSALE_CONNECTIONS_MAX", "1")]);
    let first = served.connect().await;
    let mut second = served.connect().await;
    second.write_all(b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), second.readable()).await.is_err());
    drop(first);
    assert_eq!(hear(&mut second).await.status, 200);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_connection_goes_on() {
    static PANICKY: Dialect = Dialect {
        mount: "/panicky",
        groups: &[&dialect::Group {
            name: "bugs",
            endpoints: &[
                endpoint::Endpoint::get("/now", caller::Demand::NOTHING).asks::<ListConcerts>(|_| panic!("a bug"))
            ],
        }],
        ..v1::DIALECT
    };
    static SPOKEN: &[&Dialect] = &[&PANICKY];
    let served = Served::speaking(SPOKEN, &[]);
    let mut socket = served.connect().await;
    for _ in 0..2 {
        socket.write_all(b"GET /panicky/now HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        let heard = hear(&mut socket).await;
        heard.is(500, "INTERNAL");
        assert!(!heard.body.contains("a bug"));
    }
}
