//! Figures: requests by route, method and status, how long they took, and how many are under way.
//!
//! Routes are known by their templates: a path may hold a queue token. The handles are made once, so that counting a
//! request is a few atomic additions and no look-up.

use std::sync::OnceLock;
use std::time::Duration;

use hyper::StatusCode;
use metrics::{Counter, Gauge, Histogram};

/// Requests answered, by route, method and status.
const REQUESTS: &str = "onsale_http_requests_total";
/// Time from a request's headers to its answer, by route and method.
const REQUEST_SECONDS: &str = "onsale_http_request_seconds";
/// Requests under way.
const REQUESTS_IN_FLIGHT: &str = "onsale_http_requests_in_flight";
/// Connections open.
const CONNECTIONS: &str = "onsale_http_connections";

/// The statuses that answers have; any other is counted as the last.
const STATUSES: [u16; 19] =
    [200, 201, 204, 400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 429, 431, 503, 504, 500];

/// The figures of one route.
pub(crate) struct Meter {
    route: String,
    method: &'static str,
    seconds: Histogram,
    answered: [OnceLock<Counter>; STATUSES.len()],
}

impl Meter {
    /// The figures of a route, known by its template and method.
    pub(crate) fn new(route: &str, method: &'static str) -> Self {
        Self {
            seconds: metrics::histogram!(REQUEST_SECONDS, "route" => route.to_owned(), "method" => method),
            route: route.to_owned(),
            method,
            answered: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    /// The route's template.
    pub(crate) fn route(&self) -> &str {
        &self.route
    }

    /// Counts one answered request.
    pub(crate) fn record(&self, status: StatusCode, took: Duration) {
        let at = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        let counter = self.answered[at].get_or_init(|| {
            let (route, status) = (self.route.clone(), STATUSES[at].to_string());
            metrics::counter!(REQUESTS, "route" => route, "method" => self.method, "status" => status)
        });
        counter.increment(1);
        self.seconds.record(took.as_secs_f64());
    }
}

/// How many of something there are now.
#[derive(Clone)]
pub(crate) struct Level(Gauge);

impl Level {
    /// Requests under way.
    pub(crate) fn of_requests() -> Self {
        Self(metrics::gauge!(REQUESTS_IN_FLIGHT))
    }

    /// Connections open.
    pub(crate) fn of_connections() -> Self {
        Self(metrics::gauge!(CONNECTIONS))
    }

    /// Counts one until the guard is dropped, which also a caller that hangs up does.
    pub(crate) fn one(&self) -> LevelGuard {
        self.0.increment(1.0);
        LevelGuard(self.0.clone())
    }
}

/// One that is counted.
pub(crate) struct LevelGuard(Gauge);

impl Drop for LevelGuard {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use onsale_common::contract::Code;

    use super::*;

    #[test]
    fn every_status_of_a_code_is_counted_under_its_own_name() {
        for code in Code::ALL {
            assert!(STATUSES.contains(&crate::answer::status_of(*code).as_u16()), "{code:?}");
        }
    }
}
