//! `/compat/bearer`: the design whose queue token travels in `Authorization: Bearer`, whose users go by their names, and
//! whose waiting room is one for the whole service.

mod concerts;
mod payments;
mod points;
mod queues;
mod reservations;
mod username;
mod words;

use futures_util::future::join;
use onsale_common::contract::Code;
use onsale_common::contract::account::{FindUser, UserView};
use onsale_common::ids::ConcertId;

use crate::answer::Failure;
use crate::caller::{Demand, Place};
use crate::dialect::Dialect;
use crate::shape::{Param, SCHEDULE_ID};
use crate::talk::Talk;

use self::username::Username;

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    name: "bearer",
    title: "Onsale for clients with bearer tokens",
    about: "The queue token travels in `Authorization: Bearer`; it is one for the whole service and opens every schedule. \
            `userId` is a username. Successes have no envelope; failures are `{status, message}`, in Korean. A seat is \
            named by the `seatId` of its list, or by its number within the schedule.",
    mount: "/compat/bearer",
    groups: &[&concerts::GROUP, &queues::GROUP, &reservations::GROUP, &points::GROUP, &payments::GROUP],
    path_params: &[
        Param::of::<ConcertId>("concertId", "The concert.", "1"),
        SCHEDULE_ID,
        Param::of::<Username>("userId", "The user, by name.", "\"user1\""),
    ],
    strict_query: false,
    done_around: ["", ""],
    done_schema: |schema| schema,
    words: words::words,
    failed_body: words::failed_body,
    failed_schema: words::failed_schema,
    token_challenge: "Bearer",
};

/// A queue token.
const TOKEN: Demand = Demand::token_in(Place::Bearer);

/// The user of the examples.
const EXAMPLE_USER: &str = "user1";

/// The user of this name.
async fn user_named(talk: &Talk<'_>, name: &str) -> Result<UserView, Failure> {
    talk.command(FindUser { username: Some(name.to_owned()), ..FindUser::default() }).await
}

/// The user of this name, who must be the queue token's. Who has no token of ours does not learn whether there is one.
async fn token_user(talk: &Talk<'_>, name: &str) -> Result<UserView, Failure> {
    let (owner, named) = join(talk.token_owner(), user_named(talk, name)).await;
    let owner = owner?;
    let named = named?;
    if owner.user_id == named.user_id { Ok(named) } else { Err(Code::Forbidden.into()) }
}
