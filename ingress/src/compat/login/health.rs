//! `GET /health`.

use hyper::StatusCode;
use onsale_common::contract::Example;
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{Done, Failure};
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, done};

pub(super) const GROUP: Group = Group {
    name: "Health",
    endpoints: &[Endpoint::get("/health", Demand::NOTHING)
        .talks("getHealth", "Whether the service can work.", |talk| Box::pin(std::future::ready(health(&talk))))
        .gives::<Health>()
        .also_gives::<Sick>(StatusCode::SERVICE_UNAVAILABLE)],
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "HealthStatus")]
enum Status {
    Ok,
    Error,
}

/// Whether the service can work.
#[derive(Serialize, JsonSchema)]
struct Health {
    status: Status,
}

impl Example for Health {
    fn example() -> Self {
        Self { status: Status::Ok }
    }
}

/// The same when it cannot.
#[derive(Serialize, JsonSchema)]
struct Sick(Health);

impl Example for Sick {
    fn example() -> Self {
        Self(Health { status: Status::Error })
    }
}

fn health(talk: &Talk<'_>) -> Result<Done, Failure> {
    let (status, http) =
        if talk.ready { (Status::Ok, StatusCode::OK) } else { (Status::Error, StatusCode::SERVICE_UNAVAILABLE) };
    Ok(Done { status: Some(http), ..done(&Health { status }) })
}
