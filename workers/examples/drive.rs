#![allow(clippy::unwrap_used, missing_docs)]
use onsale_common::config::Env;
use onsale_common::contract::account::*;
use onsale_common::contract::catalog::*;
use onsale_common::contract::{Command, Envelope, Outcome};
use onsale_common::ids::*;
use onsale_common::login::Logins;
use onsale_common::money::Amount;
use onsale_common::time::Time;
use onsale_workers::config::{Limits, PostgresConfig};
use onsale_workers::lanes::account::AccountLane;
use onsale_workers::lanes::catalog::CatalogLane;
use onsale_workers::runtime::LaneWorker;
use onsale_workers::store;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

fn env(token: Option<QueueToken>, key: Option<&str>, command: impl Into<Command>) -> Arc<Envelope> {
    Arc::new(Envelope {
        id: Uuid::now_v7(),
        deadline: Time::now().plus(Duration::from_secs(60)),
        token,
        idempotency_key: key.map(str::to_owned),
        command: command.into(),
    })
}
fn show(what: &str, outcomes: &[Outcome]) {
    println!("== {what}");
    for o in outcomes {
        println!("{} {}", o.ok, o.json.chars().take(420).collect::<String>());
    }
}
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"))
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("; ")
}

#[tokio::main]
async fn main() {
    let mut e = Env::from_process();
    let limits = Limits::from_env(&mut e);
    let config = PostgresConfig::from_env(&mut e);
    let pool = store::pool::open(&config, "drive").unwrap();
    let account = Arc::new(AccountLane {
        pool: pool.clone(),
        limits: limits.clone(),
        logins: Logins::new(&[7; 32], Duration::from_secs(3600)),
    });
    let catalog = Arc::new(CatalogLane { pool: pool.clone(), limits });
    let token = async |user: i64, schedule: i64, status: i16| {
        let token = QueueToken::draw(ScheduleId::new(schedule)).unwrap();
        sqlx::query("DELETE FROM queue_tokens WHERE user_id = $1 AND schedule_id = $2")
            .bind(user)
            .bind(schedule)
            .execute(&pool)
            .await
            .unwrap();
        sqlx::query("INSERT INTO queue_tokens (token, schedule_id, user_id, status, issued_at, active_at, expires_at) VALUES ($1,$2,$3,$4,now(),now(),now()+interval '1 hour')").bind(token.uuid()).bind(schedule).bind(user).bind(status).execute(&pool).await.unwrap();
        token
    };
    let u = UserId::new;
    let t1 = token(1, 1, 1).await;
    let t2 = token(2, 0, 0).await;
    let dead = token(3, 1, 2).await;
    let charge = |user, amount| ChargeBalance { user_id: u(user), amount: Amount::new(amount) };
    let spend = |user, amount| UseBalance { user_id: u(user), amount: Amount::new(amount) };
    let suffix = Uuid::new_v4().simple().to_string();
    let key = format!("k-{}", &suffix[..8]);
    let batch = vec![
        env(Some(t1), None, charge(1, 1000)),
        env(Some(t1), None, spend(1, 300)),
        env(Some(t1), None, spend(1, 1_000_000_000)),
        env(Some(t1), Some(&key), charge(1, 50)),
        env(Some(t1), Some(&key), charge(1, 50)),
        env(Some(t1), Some(&key), charge(1, 51)),
        env(Some(t2), None, charge(2, 7)),
        env(Some(t2), None, charge(1, 7)),
        env(Some(t2), None, charge(99999, 7)),
        env(None, None, charge(2, 7)),
        env(Some(QueueToken::draw(ScheduleId::new(1)).unwrap()), None, charge(99999, 7)),
        env(Some(dead), None, charge(3, 7)),
        env(Some(t1), None, charge(1, 10_000_001)),
        env(Some(t1), None, GetBalance { user_id: u(1) }),
        env(Some(t2), None, GetBalance { user_id: u(1) }),
        env(Some(t2), None, GetBalance { user_id: u(123456) }),
        env(Some(t1), None, ListLedger { user_id: u(1), limit: Some(2), cursor: None }),
        env(Some(t1), None, ListReservations { user_id: u(1), limit: Some(2), cursor: None }),
    ];
    let first = account.clone().settle(batch.clone()).await.unwrap();
    show("balances", &first);
    let again = account.clone().settle(batch.clone()).await.unwrap();
    println!("replayed writes equal: {}", first[..13] == again[..13]);
    let page: serde_json::Value = serde_json::from_str(&first[16].json).unwrap();
    let mut cursor = page["nextCursor"].as_str().map(str::to_owned);
    while let Some(c) = cursor {
        let o = account
            .clone()
            .settle(vec![env(Some(t1), None, ListLedger { user_id: u(1), limit: Some(2), cursor: Some(c) })])
            .await
            .unwrap();
        let page: serde_json::Value = serde_json::from_str(&o[0].json).unwrap();
        println!("ledger page {} {}", page["entries"].as_array().unwrap().len(), page["nextCursor"]);
        cursor = page["nextCursor"].as_str().map(str::to_owned);
    }
    // reservations paging
    sqlx::query("DELETE FROM reservations WHERE user_id = 1").execute(&pool).await.unwrap();
    for (n, schedule, age) in [(1, 1, 30), (2, 2, 20), (3, 1, 10), (4, 3, 20), (5, 1, 5)] {
        let schedule = ScheduleId::new(schedule);
        sqlx::query("INSERT INTO reservations (id, schedule_id, user_id, token, command_id, seat_ids, total_amount, status, reserved_at, expires_at) VALUES ($1,$2,1,$3,$4,ARRAY[$5],5,2,date_trunc('hour', now()) - $6 * interval '1 minute', now())")
            .bind(schedule.compose(n)).bind(schedule.get()).bind(t1.uuid()).bind(Uuid::new_v4()).bind(schedule.compose(1)).bind(f64::from(age)).execute(&pool).await.unwrap();
    }
    let mut cursor = None;
    loop {
        let o = account
            .clone()
            .settle(vec![env(
                Some(t1),
                None,
                ListReservations { user_id: u(1), limit: Some(2), cursor: cursor.clone() },
            )])
            .await
            .unwrap();
        let page: serde_json::Value = serde_json::from_str(&o[0].json).unwrap();
        println!(
            "reservations {:?} next {}",
            page["reservations"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r["reservationNumber"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
            page["nextCursor"]
        );
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    sqlx::query("DELETE FROM reservations WHERE user_id = 1").execute(&pool).await.unwrap();

    let sign = |name: &str, mail: &str| CreateUser {
        username: format!("{name}{}", &suffix[..8]),
        email: format!("{mail}{}@example.com", &suffix[..8]),
        password: "hunter2hunter2".into(),
    };
    let ups = vec![
        env(None, None, sign("a", "a")),
        env(None, None, sign("A", "b")),
        env(None, None, sign("c", "A")),
        env(None, None, sign("a", "a")),
        env(None, None, sign("d", "b")),
        env(
            None,
            None,
            CreateUser { username: "User1".into(), email: "USER2@example.com".into(), password: "12345678".into() },
        ),
        env(
            None,
            None,
            CreateUser {
                username: format!("x{suffix}"),
                email: "USER2@example.com".into(),
                password: "12345678".into(),
            },
        ),
    ];
    let began = Instant::now();
    let first = account.clone().settle(ups.clone()).await.unwrap();
    show(&format!("sign-ups {:?} {}", began.elapsed(), rss()), &first);
    println!("replayed equal: {}", first == account.clone().settle(ups).await.unwrap());
    let login = |mail: &str, password: &str| LogIn { email: mail.into(), password: password.into() };
    let mut logins = vec![
        env(None, None, login("user7@example.com", "onsale-demo")),
        env(None, None, login("USER8@EXAMPLE.com", "onsale-demo")),
        env(None, None, login("user7@example.com", "wrong")),
        env(None, None, login("nobody@example.com", "onsale-demo")),
        env(None, None, login(&format!("a{}@example.com", &suffix[..8]), "hunter2hunter2")),
    ];
    show("logins", &account.clone().settle(logins.clone()).await.unwrap());
    for (what, mail) in [("known", "user7@example.com"), ("unknown", "nobody@example.com")] {
        let began = Instant::now();
        for _ in 0..10 {
            account.clone().settle(vec![env(None, None, login(mail, "wrong"))]).await.unwrap();
        }
        println!("{what}: {:?} each", began.elapsed() / 10);
    }
    logins.extend((0..60).map(|n| env(None, None, login(&format!("user{n}@example.com"), "onsale-demo"))));
    let began = Instant::now();
    let n = account.clone().settle(logins).await.unwrap().len();
    println!("{n} logins {:?} {}", began.elapsed(), rss());

    // catalog
    let c = ConcertId::new;
    let s = ScheduleId::new;
    let seats = |concert, schedule, status| ListSeats { concert_id: c(concert), schedule_id: s(schedule), status };
    let list = |concert, from: Option<&str>, to: Option<&str>| ListSchedules {
        concert_id: c(concert),
        from_date: from.map(|d| d.parse().unwrap()),
        to_date: to.map(|d| d.parse().unwrap()),
    };
    let reads = vec![
        env(None, None, ListConcerts { limit: Some(2), cursor: None }),
        env(None, None, ListConcerts { limit: Some(2), cursor: Some("2".into()) }),
        env(None, None, GetConcert { concert_id: c(3) }),
        env(None, None, GetConcert { concert_id: c(300000) }),
        env(None, None, list(1, None, None)),
        env(Some(t1), None, list(1, None, None)),
        env(Some(t1), None, list(3, None, Some("2030-01-01"))),
        env(Some(t1), None, list(99999, None, None)),
        env(Some(t1), None, seats(1, 1, SeatFilter::Available)),
        env(Some(t1), None, seats(1, 2, SeatFilter::Available)),
        env(Some(t2), None, seats(1, 2, SeatFilter::All)),
        env(Some(t1), None, seats(2, 1, SeatFilter::All)),
        env(Some(t1), None, seats(20000, 1, SeatFilter::All)),
        env(Some(dead), None, seats(20000, 1, SeatFilter::All)),
        env(None, None, seats(1, 1, SeatFilter::All)),
    ];
    let o = catalog.clone().settle(reads).await.unwrap();
    show("catalog", &o);
    let map: SeatMap = serde_json::from_str(&o[8].json).unwrap();
    println!(
        "map {} seats, bytes equal to SeatMap: {}",
        map.seats.len(),
        serde_json::to_string(&map).unwrap() == o[8].json
    );
    for n in 0..3 {
        let began = Instant::now();
        let o =
            catalog.clone().settle(vec![env(Some(t2), None, seats(2, 3, SeatFilter::Available)); 10]).await.unwrap();
        println!("run {n}: 10 maps of 20000: {:?} {} bytes {}", began.elapsed(), o[0].json.len(), rss());
    }
    let o = catalog.clone().settle(vec![env(Some(t2), None, seats(2, 3, SeatFilter::Available)); 100]).await.unwrap();
    println!("100 maps: ok {} {}", o.iter().filter(|o| o.ok).count(), o.last().unwrap().json);
    drop(o);
    let began = Instant::now();
    catalog.clone().settle(vec![env(Some(t2), None, list(2, None, None)); 500]).await.unwrap();
    println!("500 schedule lists {:?}", began.elapsed());
    println!("rss now {}", rss());
    let new = |concert, seats: NewSeats| CreateSchedule {
        concert_id: c(concert),
        performance_date: "2027-05-05".parse().unwrap(),
        performance_time: "19:30:00".parse().unwrap(),
        booking_open_at: Time::now(),
        booking_close_at: Time::now().plus(Duration::from_secs(86400)),
        seats,
        max_concurrent_users: Some(5),
        seats_per_user: None,
    };
    let count = |n| NewSeats { count: Some(n), price: Some(100), sections: None };
    let writes = vec![
        env(None, None, CreateConcert { title: "T".into(), venue_name: "V".into() }),
        env(None, None, CreateConcert { title: "T2".into(), venue_name: "V".into() }),
        env(None, None, new(1, count(25))),
        env(None, None, new(77777, count(25))),
        env(None, None, new(1, count(7))),
    ];
    let began = Instant::now();
    let o = catalog.clone().settle(writes.clone()).await.unwrap();
    show(&format!("organise {:?}", began.elapsed()), &o);
    println!("replayed equal: {}", o == catalog.clone().settle(writes).await.unwrap());
    let id = serde_json::from_str::<serde_json::Value>(&o[2].json).unwrap()["scheduleId"].as_i64().unwrap();
    let nothing = UpdateSchedule {
        schedule_id: s(id),
        max_concurrent_users: None,
        seats_per_user: None,
        paused: None,
        booking_open_at: None,
        booking_close_at: None,
    };
    let o = catalog
        .clone()
        .settle(vec![
            env(None, None, UpdateSchedule { paused: Some(true), ..nothing.clone() }),
            env(
                None,
                None,
                UpdateSchedule { max_concurrent_users: Some(9), seats_per_user: Some(2), ..nothing.clone() },
            ),
            env(
                None,
                None,
                UpdateSchedule {
                    booking_open_at: Some(Time::now().plus(Duration::from_secs(900000))),
                    ..nothing.clone()
                },
            ),
            env(None, None, UpdateSchedule { schedule_id: s(0), ..nothing.clone() }),
            env(None, None, nothing),
        ])
        .await
        .unwrap();
    show("update", &o);
    let began = Instant::now();
    let o = catalog.clone().settle(vec![env(None, None, new(1, count(200_000)))]).await.unwrap();
    show(&format!("200,000 seats {:?}", began.elapsed()), &o);
    // throughput of charges
    for _ in 0..3 {
        let batch: Vec<_> = {
            let mut b = Vec::new();
            for n in 0..512 {
                b.push(env(Some(if n % 2 == 0 { t1 } else { t2 }), None, charge(1 + n % 2, 1)));
            }
            b
        };
        let began = Instant::now();
        let o = account.clone().settle(batch).await.unwrap();
        println!("512 charges {:?} ok {}", began.elapsed(), o.iter().filter(|o| o.ok).count());
    }
    let mut tokens = Vec::new();
    for user in 1..=20 { tokens.push(token(user, 1, 1).await); }
    let shared: Vec<_> = (0..200).map(|n| env(Some(tokens[n % 20]), None, charge(1 + (n % 20) as i64, 1))).collect();
    let mut tasks = tokio::task::JoinSet::new();
    let before: i64 = sqlx::query_scalar("SELECT sum(balance)::bigint FROM accounts").fetch_one(&pool).await.unwrap();
    for t in 0..8usize {
        let (account, tokens, shared, suffix) = (account.clone(), tokens.clone(), shared.clone(), suffix.clone());
        tasks.spawn(async move {
            let mut retries = 0;
            for round in 0..5usize {
                let mut batch: Vec<_> = (0..200).map(|n| { let u = (n * (t + 1)) % 20; env(Some(tokens[u]), None, ChargeBalance { user_id: UserId::new(1 + u as i64), amount: Amount::new(1) }) }).collect();
                if round == 2 { batch.extend(shared.iter().rev().cloned()); }
                batch.extend((0..2).map(|n| { let n = if t % 2 == 0 { n } else { 1 - n }; env(None, None, CreateUser { username: format!("r{round}n{n}{}", &suffix[..8]), email: format!("r{round}n{n}{}@x.io", &suffix[..8]), password: "12345678".into() }) }));
                loop {
                    match account.clone().settle(batch.clone()).await {
                        Ok(_) => break,
                        Err(failure) => { retries += 1; println!("task {t}: {failure}"); assert_eq!(failure.remedy(), onsale_workers::failure::Remedy::Retry); }
                    }
                }
            }
            retries
        });
    }
    let retries: i32 = tasks.join_all().await.into_iter().sum();
    let after: i64 = sqlx::query_scalar("SELECT sum(balance)::bigint FROM accounts").fetch_one(&pool).await.unwrap();
    println!("charged {} (expected {}), retries {retries}", after - before, 8 * 5 * 200 + 200);
    let n: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE email LIKE 'r_n_%' || $1 || '@x.io'").bind(&suffix[..8]).fetch_one(&pool).await.unwrap();
    println!("raced sign-ups created {n} (expected 10)");
    tokio::time::sleep(Duration::from_secs(12)).await;
    println!("idle {}", rss());
}
