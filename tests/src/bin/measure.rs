//! Measures a running stack: memory, the time of one hold, holds per second and the size of the bundles then.
//! `deploy/measure` starts the stacks and calls it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use onsale_stack::stack_file::StackFile;
use onsale_tests::seat;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// The demo's schedule of 20,000 seats.
const SCHEDULE: i64 = 3;
const SEATS: u64 = 20_000;
const USERS: i64 = 1000;

#[derive(Parser)]
#[command(about = "Measures a running stack whose demo seats are free (ONSALE_SEATS_PER_USER must be 100 or more).")]
struct Arguments {
    /// The stack.json of the stack.
    stack: PathBuf,
    /// Connections that hold seats at the same time.
    #[arg(long, default_value_t = 512)]
    connections: usize,
    /// Holds in all.
    #[arg(long, default_value_t = 18_000)]
    holds: u64,
    /// Print only holds per second and the mean bundle, as JSON.
    #[arg(long)]
    brief: bool,
}

/// One keep-alive connection.
struct Fan {
    requests: SendRequest<Full<Bytes>>,
}

impl Fan {
    async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { requests })
    }

    async fn send(&mut self, method: &str, path: &str, token: &str, body: Option<Value>) -> Result<(u16, Bytes)> {
        let mut request = Request::builder().method(method).uri(path).header("host", "onsale");
        if !token.is_empty() {
            request = request.header("queue-token", token);
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request.header("content-type", "application/json").body(Full::new(Bytes::from(body)))?;
        self.requests.ready().await?;
        let response = self.requests.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    async fn token(&mut self, user: i64) -> Result<String> {
        let body = json!({ "userId": user, "scheduleId": SCHEDULE });
        let (_, body) = self.send("POST", "/api/v1/queue/tokens", "", Some(body)).await?;
        let body: Value = serde_json::from_slice(&body)?;
        let token = body["data"]["token"].as_str().or(body["error"]["details"]["token"].as_str());
        token.map(str::to_owned).with_context(|| format!("no token: {body}"))
    }

    async fn hold(&mut self, user: i64, number: i64, token: &str) -> Result<()> {
        let body = json!({ "scheduleId": SCHEDULE, "seatIds": [seat(SCHEDULE, number)], "userId": user });
        match self.send("POST", "/api/v1/reservations", token, Some(body)).await? {
            (201, _) => Ok(()),
            (status, body) => bail!("a hold was answered {status}: {}", String::from_utf8_lossy(&body)),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.holds + 200 > SEATS {
        bail!("--holds must be {} or less: the demo has {SEATS} seats", SEATS - 200);
    }
    let stack = StackFile::read(&arguments.stack)?;
    let http = stack.http.clone().context("only servers run")?;
    let address = http.trim_start_matches("http://").to_owned();
    if !arguments.brief {
        memory_of_idle_workers(&stack);
        time_of_one_hold(&address).await?;
    }
    let before = bundles(&address).await?;
    let tokens = Arc::new(tokens(&address).await?);
    let joined = bundles(&address).await?;
    let per_s = holds(&address, &arguments, tokens).await?;
    let after = bundles(&address).await?;
    let mean = (after.0 - joined.0) / (after.1 - joined.1);
    debug_assert!(before.1 <= joined.1);
    if arguments.brief {
        println!("{}", json!({ "holdsPerSecond": per_s.round(), "meanBundle": mean }));
    } else {
        println!("holds per second at {} connections  {per_s:.0}", arguments.connections);
        println!("mean bundle then                     {mean:.1} commands");
        memory_with_connections(&address, &stack).await?;
    }
    Ok(())
}

/// Everybody's token; demo users are admitted while there is room.
async fn tokens(address: &str) -> Result<Vec<String>> {
    let crowds = (0..50).map(|crowd| async move {
        let mut fan = Fan::connect(address).await?;
        let mut tokens = Vec::new();
        for user in (1..=USERS).filter(|user| user % 50 == crowd) {
            tokens.push((user, fan.token(user).await?));
        }
        anyhow::Ok(tokens)
    });
    let mut tokens: Vec<(i64, String)> =
        futures_util::future::try_join_all(crowds).await?.into_iter().flatten().collect();
    tokens.sort_unstable();
    Ok(tokens.into_iter().map(|(_, token)| token).collect())
}

/// Every connection holds one distinct seat after another.
async fn holds(address: &str, arguments: &Arguments, tokens: Arc<Vec<String>>) -> Result<f64> {
    let mut fans = Vec::new();
    for _ in 0..arguments.connections {
        fans.push(Fan::connect(address).await?);
    }
    let (next, holds) = (Arc::new(AtomicU64::new(0)), arguments.holds);
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for mut fan in fans {
        let (next, tokens) = (next.clone(), tokens.clone());
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= holds {
                    return anyhow::Ok(());
                }
                let user = n as i64 % USERS + 1;
                // The first two hundred seats are for the time of one hold.
                fan.hold(user, n as i64 + 201, &tokens[user as usize - 1]).await?;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(holds as f64 / started.elapsed().as_secs_f64())
}

async fn time_of_one_hold(address: &str) -> Result<()> {
    let mut fan = Fan::connect(address).await?;
    let mut times = Vec::new();
    for n in 1..=200 {
        let user = n % 100 + 1;
        let token = fan.token(user).await?;
        let started = Instant::now();
        fan.hold(user, n, &token).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("one hold on an idle system           {:.1} ms median, {:.1} ms p95", ms(times[100]), ms(times[190]));
    Ok(())
}

/// Commands and bundles of the reservation lane so far.
async fn bundles(address: &str) -> Result<(f64, f64)> {
    let (_, text) = Fan::connect(address).await?.send("GET", "/metrics", "", None).await?;
    let text = String::from_utf8(text.to_vec())?;
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name) && line.contains("lane=\"reservation\""));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or(0.0)
    };
    Ok((value("onsale_bundle_commands_sum"), value("onsale_bundle_commands_count")))
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}

fn memory_of_idle_workers(stack: &StackFile) {
    let servers = ["postgres", "redis", "rabbitmq", "ingress"];
    for (name, pid) in stack.pids.iter().filter(|(name, _)| !servers.contains(&name.as_str())) {
        println!("resident, idle {name:<21} {:.1} MiB", resident_mib(*pid));
    }
}

async fn memory_with_connections(address: &str, stack: &StackFile) -> Result<()> {
    let mut fans = Vec::new();
    for _ in 0..1000 {
        let mut fan = Fan::connect(address).await?;
        fan.send("GET", "/api/v1/concerts/1", "", None).await?;
        fans.push(fan);
    }
    let pid = stack.pids.get("ingress").context("no ingress")?;
    println!("resident, ingress, 1000 connections  {:.1} MiB", resident_mib(*pid));
    Ok(())
}
