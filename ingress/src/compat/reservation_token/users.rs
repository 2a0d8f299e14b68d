//! Users: their balance, and the seats that they bought.

use futures_util::future::try_join;
use onsale_common::contract::account::{ChargeBalance, ChargeView, GetBalance, ListReservations, UserView};
use onsale_common::contract::catalog::{ConcertView, GetSeats, SeatInContext, YourReservation};
use onsale_common::contract::page::PAGE_LIMIT_MAX;
use onsale_common::contract::payment::PaymentView;
use onsale_common::contract::reservation::{ReservationStatus, SEATS_PER_COMMAND_MAX, SeatIds};
use onsale_common::contract::{Code, Example, Rejection};
use onsale_common::ids::{ConcertId, ScheduleId, SeatId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EXAMPLE_USER, TOKEN_OR_LOGIN, find_user, performance_datetime};
use crate::answer::Failure;
use crate::compat::decimal::{Decimal, DecimalAmount};
use crate::compat::zoneless::Zoneless;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

pub(super) const GROUP: Group = Group {
    name: "Users",
    endpoints: &[
        Endpoint::post("/users/{user_id}/charge", TOKEN_OR_LOGIN)
            .talks("chargeBalance", "Add to a user's balance.", |talk| answer_with(charge(talk)))
            .takes::<Charge>()
            .gives::<Charged>()
            .keyed()
            .fails(&[Code::InvalidAmount, Code::UserNotFound]),
        Endpoint::get("/users/{user_id}", TOKEN_OR_LOGIN)
            .talks("getUser", "Read a user's balance and the seats that the user bought.", |talk| {
                answer_with(user(talk))
            })
            .gives::<User>()
            .fails(&[Code::UserNotFound]),
    ],
};

/// How much to add.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Charge {
    /// The amount, above zero and without a fraction.
    amount: DecimalAmount,
}

/// That it was added.
#[derive(Debug, Serialize, JsonSchema)]
struct Charged {
    /// True.
    result: bool,
}

/// A user.
#[derive(Debug, Serialize, JsonSchema)]
struct User {
    /// The user.
    id: Uuid,
    /// What is left.
    balance: Decimal,
    /// The seats that the user bought, the last bought first.
    booked_performance_seats: Vec<BookedSeat>,
}

/// A seat that was bought.
#[derive(Debug, Serialize, JsonSchema)]
struct BookedSeat {
    /// The seat.
    id: SeatId,
    /// Its number within the performance.
    seat_number: i32,
    /// When it was paid.
    book_success_at: Zoneless,
    /// What it is a seat of.
    concert_performance: Performance,
}

/// A performance with its concert.
#[derive(Debug, Serialize, JsonSchema)]
struct Performance {
    /// The performance.
    id: ScheduleId,
    /// Its concert.
    concert: Concert,
    /// When it begins, where the venue is.
    performance_datetime: Zoneless,
}

/// A concert.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Concert {
    /// The concert.
    id: ConcertId,
    /// Its name.
    name: String,
}

async fn charge(mut talk: Talk<'_>) -> Result<Charged, Failure> {
    let Charge { amount } = talk.ask.read()?;
    let user_id = named_user(&talk).await?.user_id;
    talk.go_on_as(user_id).await?;
    talk.effect(ChargeBalance { user_id, amount: amount.0 }).await?;
    Ok(Charged { result: true })
}

async fn user(mut talk: Talk<'_>) -> Result<User, Failure> {
    let UserView { user_id, uuid, .. } = named_user(&talk).await?;
    talk.go_on_as(user_id).await?;
    let (balance, booked) = try_join(talk.command(GetBalance { user_id }), booked_seats(&talk, user_id)).await?;
    Ok(User { id: uuid, balance: Decimal(balance.current_balance), booked_performance_seats: booked })
}

/// The user of the path.
async fn named_user(talk: &Talk<'_>) -> Result<UserView, Failure> {
    let uuid = Uuid::try_parse(&talk.ask.param("user_id"));
    find_user(talk, uuid.map_err(|_| Rejection::invalid_field("user_id", "must be a UUID"))?).await
}

async fn booked_seats(talk: &Talk<'_>, user_id: UserId) -> Result<Vec<BookedSeat>, Failure> {
    let mut paid = Vec::new();
    let mut cursor = None;
    loop {
        let next = ListReservations { user_id, seat_id: None, limit: Some(PAGE_LIMIT_MAX), cursor };
        let page = talk.command(next).await?;
        let of_page = page.reservations.into_iter().filter(|found| found.status == ReservationStatus::Paid);
        paid.extend(of_page.flat_map(|found| found.seats).map(|seat| seat.seat_id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let mut booked = Vec::with_capacity(paid.len());
    for seats in paid.chunks(SEATS_PER_COMMAND_MAX) {
        let seat_ids = SeatIds::try_from(seats.to_vec()).map_err(|_| Code::Internal)?;
        let found = talk.command(GetSeats { seat_ids }).await?;
        booked.extend(found.into_iter().filter_map(BookedSeat::of));
    }
    booked.sort_by_key(|seat| std::cmp::Reverse(seat.book_success_at.0));
    Ok(booked)
}

impl BookedSeat {
    fn of(found: SeatInContext) -> Option<Self> {
        Some(Self {
            id: found.seat.seat_id,
            seat_number: found.seat.seat_number,
            book_success_at: found.yours?.paid_at?.into(),
            concert_performance: Performance {
                id: found.schedule.schedule_id,
                performance_datetime: performance_datetime(&found.schedule),
                concert: found.concert.into(),
            },
        })
    }
}

impl From<ConcertView> for Concert {
    fn from(concert: ConcertView) -> Self {
        Self { id: concert.concert_id, name: concert.title }
    }
}

impl Example for Concert {
    fn example() -> Self {
        ConcertView::example().into()
    }
}

impl Example for Charge {
    fn example() -> Self {
        Self { amount: DecimalAmount(ChargeBalance::example().amount) }
    }
}

impl Example for Charged {
    fn example() -> Self {
        Self { result: true }
    }
}

/// After the payment.
impl Example for User {
    fn example() -> Self {
        let (charged, seat) = (ChargeView::example(), SeatInContext::example());
        let paid_at = Some(PaymentView::example().paid_at);
        let price = seat.seat.price;
        let yours = seat.yours.clone().map(|yours| YourReservation { paid_at, ..yours });
        let booked = BookedSeat::of(SeatInContext { yours, ..seat });
        Self {
            id: EXAMPLE_USER,
            balance: Decimal(charged.current_balance - price),
            booked_performance_seats: booked.into_iter().collect(),
        }
    }
}
