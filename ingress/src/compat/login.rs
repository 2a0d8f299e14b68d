//! `/compat/login`: the design whose callers log in and whose ids are UUIDs. Its document names paths and tables: what is
//! sent and answered are rows of those tables. A concert there is one performance: a schedule.

mod auth;
mod balance;
mod concerts;
mod health;
mod names;
mod payments;
mod queue;
mod reservations;
mod user;
mod words;

use onsale_common::ids::ScheduleId;
use uuid::Uuid;

use crate::answer;
use crate::caller::{Demand, Login, Place};
use crate::dialect::Dialect;
use crate::shape::Param;

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    name: "login",
    title: "Onsale: login",
    about: "The design whose callers log in and whose ids are UUIDs. The login travels in `Authorization: Bearer`, the \
            queue token in `Queue-Token`. Success is a row of the design's tables, failure is `{code, message}`.",
    mount: "/compat/login",
    groups: &[
        &health::GROUP,
        &auth::GROUP,
        &queue::GROUP,
        &concerts::GROUP,
        &reservations::GROUP,
        &balance::GROUP,
        &payments::GROUP,
    ],
    path_params: &[Param::of::<Uuid>("id", "The concert.", "\"00000000-0001-8000-8000-000000000001\"")],
    strict_query: false,
    done_around: ["", ""],
    done_schema: |schema| schema,
    words: words::words,
    failed_body: words::failed_body,
    failed_schema: words::failed_schema,
    token_challenge: answer::QUEUE_TOKEN_CHALLENGE,
};

/// Where the queue token travels.
const QUEUE_TOKEN: Place = Place::Header("Queue-Token");

/// A login, and a queue token of the same user.
const LOGIN_AND_TOKEN: Demand = Demand { login: Login::Always, ..Demand::token_in(QUEUE_TOKEN) };

/// The concert of the examples.
const CONCERT_EXAMPLE: ScheduleId = ScheduleId::new(1);
/// The user of the examples, `user1`.
const USER_EXAMPLE: Uuid = Uuid::from_u128(0x7d1c_0a5e_2b4f_4c6d_9e8f_1a2b_3c4d_5e6f);
