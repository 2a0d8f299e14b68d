//! `/api/v1`, the canonical dialect: a request's fields are its command's data, a reply's data is its answer's.

mod admin;
mod concerts;
mod payments;
mod queue;
mod reservations;
mod users;

use crate::answer;
use crate::endpoint::Dialect;

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    mount: "/api/v1",
    groups: &[
        queue::ENDPOINTS,
        users::ENDPOINTS,
        concerts::ENDPOINTS,
        reservations::ENDPOINTS,
        payments::ENDPOINTS,
        admin::ENDPOINTS,
    ],
    done: answer::done,
    failed: answer::failed,
};
