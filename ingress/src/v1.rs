//! `/api/v1`, the canonical dialect: a request's fields are its command's data, a reply's data is its answer's.

mod admin;
mod concerts;
mod payments;
mod queue;
mod reservations;
mod users;

use onsale_common::contract::Code;
use onsale_common::contract::page::{PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX};
use onsale_common::ids::{ConcertId, PaymentId, QueueToken, ReservationId, UserId};
use serde_json::{Value, json};

use crate::answer;
use crate::dialect::Dialect;
use crate::shape::{Param, SCHEDULE_ID};

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    name: "v1",
    title: "Onsale",
    about: "The canonical API. Success is `{success, data}`, failure is `{success, error}`.",
    mount: "/api/v1",
    groups: &[&queue::GROUP, &users::GROUP, &concerts::GROUP, &reservations::GROUP, &payments::GROUP, &admin::GROUP],
    path_params: &[
        Param::of::<QueueToken>("token", "The queue token.", "\"00000100-0000-8000-8000-000000000001\""),
        Param::of::<UserId>("userId", "The user: the token's.", "1"),
        Param::of::<ConcertId>("concertId", "The concert.", "1"),
        SCHEDULE_ID,
        Param::of::<ReservationId>("reservationId", "The reservation.", "536870913"),
        Param::of::<PaymentId>("paymentId", "The payment.", "536870913"),
    ],
    strict_query: true,
    done_around: answer::DONE_AROUND,
    done_schema: |data| {
        json!({
            "type": "object",
            "properties": { "success": { "const": true }, "data": data },
            "required": ["success", "data"],
        })
    },
    words: answer::words,
    failed_body: answer::failed_body,
    failed_schema,
    token_challenge: answer::QUEUE_TOKEN_CHALLENGE,
};

const LIMIT: Param = Param::new(
    "limit",
    "Entries on the page at most.",
    || json!({ "type": "integer", "minimum": 1, "maximum": PAGE_LIMIT_MAX, "default": PAGE_LIMIT_DEFAULT }),
    "20",
);
const CURSOR: Param = Param::new(
    "cursor",
    "The `nextCursor` of the page before.",
    || json!({ "type": "string", "pattern": "^[0-9]{1,18}$" }),
    "\"0\"",
);

fn failed_schema() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "properties": {
            "success": { "const": false },
            "error": {
                "type": "object",
                "properties": {
                    "code": { "type": "string", "enum": codes },
                    "message": { "type": "string" },
                    "details": { "type": "object" },
                },
                "required": ["code", "message", "details"],
            },
        },
        "required": ["success", "error"],
    })
}
