//! `/compat/cookie`: the design whose queue token travels in a cookie.

mod points;
mod queue;
mod reservations;
mod words;

use onsale_common::ids::UserId;

use crate::caller::{Demand, Place};
use crate::dialect::Dialect;
use crate::shape::Param;

/// The cookie that holds the queue token.
const COOKIE: &str = "tokenId";
/// A queue token in the cookie.
const TOKEN: Demand = Demand::token_in(Place::Cookie(COOKIE));

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    name: "cookie",
    title: "Onsale for clients with cookies",
    about: "The queue token travels in the cookie `tokenId`, which is `HttpOnly` and `Secure`. Successes have no envelope; \
            failures are `{code, message}`, in Korean. Times are in UTC, without their zone. A seat is named by its number \
            within the schedule, or by the `seatId` of the canonical API.",
    mount: "/compat/cookie",
    groups: &[&queue::GROUP, &reservations::GROUP, &points::GROUP],
    path_params: &[Param::of::<UserId>("userId", "The user: the token's.", "1")],
    strict_query: false,
    done_around: ["", ""],
    done_schema: |schema| schema,
    words: words::of,
    failed_body: words::failed_body,
    failed_schema: words::failed_schema,
    token_challenge: "Cookie cookie-name=\"tokenId\"",
};
