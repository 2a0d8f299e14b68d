//! What people build instead: hyper, a token check in Redis, then one Postgres transaction for each request with
//! `SELECT … FOR UPDATE` and the same five writes of a hold. No broker, no bundles. Written as well as one can: prepared
//! statements, a pool, one round trip where a statement can do the work of two. `GET /plain/BYTES` answers so many bytes
//! and does nothing else: the stick for large answers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use bytes::Bytes;
use deadpool_redis::redis::AsyncCommands;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use uuid::Uuid;

/// Seconds that a hold lasts.
const HOLD_TTL_S: i32 = 300;

struct Direct {
    postgres: PgPool,
    redis: deadpool_redis::Pool,
    /// The plain answer, as long as the first who asked for it wanted.
    plain: OnceLock<Bytes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hold {
    schedule_id: i64,
    seat_ids: [i64; 1],
    user_id: i64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let listen: SocketAddr = variable("DIRECT_LISTEN")?.parse()?;
    let connections: u32 = variable("DIRECT_CONNECTIONS")?.parse()?;
    let postgres = PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .connect(&variable("ONSALE_POSTGRES_URL")?)
        .await?;
    let redis = deadpool_redis::Config::from_url(variable("ONSALE_REDIS_URL")?)
        .builder()?
        .max_size(connections as usize)
        .runtime(deadpool_redis::Runtime::Tokio1)
        .build()?;
    let direct = Arc::new(Direct { postgres, redis, plain: OnceLock::new() });
    let listener = TcpListener::bind(listen).await?;
    println!("ready");
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let direct = direct.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(direct.clone(), request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(direct: Arc<Direct>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = if let Some(bytes) = request.uri().path().strip_prefix("/plain/") {
        (StatusCode::OK, direct.plain.get_or_init(|| plain(bytes)).clone())
    } else {
        match hold(&direct, request).await {
            Ok((status, body)) => (status, body.into()),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{{\"error\":\"{error}\"}}").into()),
        }
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn plain(bytes: &str) -> Bytes {
    format!("\"plain{}\"", "-".repeat(bytes.parse().unwrap_or(0))).into()
}

async fn hold(direct: &Direct, request: Request<Incoming>) -> Result<(StatusCode, String)> {
    let token = request.headers().get("queue-token").and_then(|value| value.to_str().ok());
    let token: Uuid = token.context("Queue-Token")?.parse()?;
    let body = request.into_body().collect().await?.to_bytes();
    let hold: Hold = serde_json::from_slice(&body)?;
    let [seat] = hold.seat_ids;

    let mut redis = direct.redis.get().await?;
    let user: Option<i64> = redis.get(format!("direct:token:{token}")).await?;
    drop(redis);
    if user != Some(hold.user_id) {
        return Ok((StatusCode::UNAUTHORIZED, "{}".to_owned()));
    }

    let mut transaction = direct.postgres.begin().await?;
    // The token's row is its user's lock, as in the real lane; the seat's row decides who wins.
    let live: Option<(i64,)> =
        sqlx::query_as("SELECT user_id FROM queue_tokens WHERE token = $1 AND status = 1 FOR UPDATE")
            .bind(token)
            .fetch_optional(&mut *transaction)
            .await?;
    if live.is_none() {
        return Ok((StatusCode::UNAUTHORIZED, "{}".to_owned()));
    }
    let found: Option<(i64, i16)> = sqlx::query_as("SELECT price, status FROM seats WHERE id = $1 FOR UPDATE")
        .bind(seat)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some((price, 0)) = found else {
        return Ok((StatusCode::CONFLICT, "{\"error\":{\"code\":\"SEAT_TAKEN\"}}".to_owned()));
    };
    let (reservation, command) = (Uuid::now_v7(), Uuid::now_v7());
    let (id,): (i64,) = sqlx::query_as(
        "INSERT INTO reservations
           (id, schedule_id, user_id, token, command_id, seat_ids, total_amount, reserved_at, expires_at)
         VALUES (($1 << 29) | nextval('reservation_numbers'), $1, $2, $3, $4, ARRAY[$5], $6, now(),
                 now() + make_interval(secs => $7))
         RETURNING id",
    )
    .bind(hold.schedule_id)
    .bind(hold.user_id)
    .bind(token)
    .bind(command)
    .bind(seat)
    .bind(price)
    .bind(HOLD_TTL_S)
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query(
        "UPDATE seats SET status = 1, reservation_id = $2, held_until = now() + make_interval(secs => $3) WHERE id = $1",
    )
    .bind(seat)
    .bind(id)
    .bind(HOLD_TTL_S)
    .execute(&mut *transaction)
    .await?;
    sqlx::query("UPDATE queue_tokens SET hold_until = now() + make_interval(secs => $2) WHERE token = $1")
        .bind(token)
        .bind(HOLD_TTL_S)
        .execute(&mut *transaction)
        .await?;
    let reply = format!("{{\"reservationId\":{id},\"seatId\":{seat},\"price\":{price},\"status\":\"RESERVED\"}}");
    sqlx::query("INSERT INTO command_outcomes (command_id, ok, reply, created_at) VALUES ($1, true, $2, now())")
        .bind(command)
        .bind(&reply)
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "INSERT INTO outbox (event_id, kind, schedule_id, subject, data, created_at)
         VALUES ($1, 'seats.held', $2, $3, $4, now())",
    )
    .bind(reservation)
    .bind(hold.schedule_id)
    .bind(format!("reservations/{id}"))
    .bind(&reply)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, format!("{{\"success\":true,\"data\":{reply}}}")))
}
