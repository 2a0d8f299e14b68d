//! Creates the database where it does not exist, brings it to the newest schema, and loads the demo data when asked to.

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use clap::Parser;
use onsale_common::config::Env;
use onsale_common::time::Time;
use onsale_workers::config::PostgresConfig;
use onsale_workers::lanes::account::password;
use onsale_workers::store::pool::Plans;
use onsale_workers::store::{self, demo};
use sqlx::migrate::MigrateDatabase;
use sqlx::postgres::{PgConnectOptions, Postgres};
use sqlx::{ConnectOptions, Connection};

#[derive(Parser)]
#[command(about = "Creates and updates the database of Onsale that ONSALE_POSTGRES_URL names.")]
struct Arguments {
    /// Load the demo data too; what is there is left as it is.
    #[arg(long)]
    demo: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match migrate(&Arguments::parse()).await {
        Ok(done) => {
            println!("migrate: {done}");
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
    let created = create_database(&config.url).await?;
    let pool = store::pool::open(&config, "migrate", Plans::AsItPays).context("ONSALE_POSTGRES_URL is not usable")?;
    store::migrations::run(&pool).await.context("the schema could not be updated")?;
    let mut done = if created { "created the database; " } else { "" }.to_owned();
    done.push_str("the schema is up to date");
    if arguments.demo {
        let hash = password::hash(demo::PASSWORD)?;
        let loaded = demo::load(&pool, &hash, Time::now()).await.context("the demo data could not be loaded")?;
        done.push_str(&format!("; added {} demo users and {} demo schedules", loaded.users, loaded.schedules));
    }
    pool.close().await;
    Ok(done)
}

/// Creates the database where there is none of its name; true when it did.
async fn create_database(url: &str) -> anyhow::Result<bool> {
    const NO_SUCH_DATABASE: &str = "3D000";
    let options = PgConnectOptions::from_str(url).context("ONSALE_POSTGRES_URL is not usable")?;
    match options.connect().await {
        Ok(connection) => {
            connection.close().await?;
            return Ok(false);
        }
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_SUCH_DATABASE) => {}
        Err(error) => return Err(error).context("cannot connect to Postgres"),
    }
    match Postgres::create_database(url).await {
        Ok(()) => Ok(true),
        // Another process may have been faster.
        Err(_) if Postgres::database_exists(url).await.unwrap_or(false) => Ok(false),
        Err(error) => Err(error).context("cannot create the database"),
    }
}
