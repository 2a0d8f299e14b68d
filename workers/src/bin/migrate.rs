//! Brings a database to the newest schema, and loads the demo data when asked.

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use clap::Parser;
use onsale_common::config::Env;
use onsale_workers::config::PostgresConfig;
use onsale_workers::lanes::account::password;
use onsale_workers::store::{self, demo, migrations};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

#[derive(Parser)]
#[command(about = "Creates the database of ONSALE_POSTGRES_URL where it lacks, and brings it to the newest schema.")]
struct Arguments {
    /// Load the demo data as well, where there is no data yet.
    #[arg(long)]
    demo: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match migrate(&Arguments::parse()).await {
        Ok(done) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("migrate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn migrate(arguments: &Arguments) -> anyhow::Result<String> {
    let mut env = Env::from_process();
    let config = PostgresConfig::from_env(&mut env);
    let config = env.finish(config)?;
    create_database(&config.url).await?;
    let pool = store::pool::open(&config, "migrate").context("ONSALE_POSTGRES_URL is not usable")?;
    migrations::run(&pool).await.context("could not bring the schema up to date")?;
    if !arguments.demo {
        return Ok("the schema is up to date".to_owned());
    }
    let loaded = demo::load(&pool, &password::hash(demo::PASSWORD)?).await.context("could not load the demo data")?;
    let state = if loaded { "the demo data is loaded" } else { "there is data already, which is left as it is" };
    Ok(format!("the schema is up to date; {state}"))
}

/// Creates the database of a URL on its server, unless it is there.
async fn create_database(url: &str) -> anyhow::Result<()> {
    const DUPLICATE_DATABASE: &str = "42P04";
    let options = PgConnectOptions::from_str(url).context("ONSALE_POSTGRES_URL is not usable")?;
    let Some(name) = options.get_database().map(str::to_owned) else { return Ok(()) };
    if options.clone().connect().await.is_ok() {
        return Ok(());
    }
    let mut server = options.database("postgres").connect().await.context("could not connect to Postgres")?;
    let create = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
    match sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut server).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DUPLICATE_DATABASE) => {}
        created => drop(created.with_context(|| format!("could not create the database {name:?}"))?),
    }
    server.close().await.context("could not close the connection")
}
