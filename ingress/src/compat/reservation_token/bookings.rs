//! Booking and paying a seat.

use hyper::StatusCode;
use onsale_common::contract::account::ListReservations;
use onsale_common::contract::admission::{GetToken, TokenStatus};
use onsale_common::contract::catalog::{GetSeats, SeatStatus};
use onsale_common::contract::payment::{Pay, PaymentMethod};
use onsale_common::contract::reservation::{HoldSeats, RecordAttempt, ReservationStatus, ReservationView};
use onsale_common::contract::{Code, Example, Rejection};
use onsale_common::ids::{ScheduleId, SeatId};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{EXAMPLE_USER, TOKEN, ids};
use crate::answer::{Failure, OwnWords};
use crate::compat::zoneless::Zoneless;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

pub(super) const GROUP: Group = Group {
    name: "Bookings",
    endpoints: &[
        Endpoint::post("/performance_seats/{id}/book", TOKEN)
            .talks("bookSeat", "Hold a seat until it is paid, for five minutes.", |talk| answer_with(book(talk)))
            .gives::<Booking>()
            .created()
            .fails(&[
                Code::TokenNotActive,
                Code::SeatNotFound,
                Code::HoldExists,
                Code::SeatLimitExceeded,
                Code::BookingClosed,
                Code::WrongSchedule,
            ])
            .says(&[BOOKED_BY_OTHER, SOLD, NO_SUCH_SCHEDULE]),
        Endpoint::post("/performance_seats/{id}/pay", TOKEN)
            .talks("paySeat", "Pay the booking of a seat from the balance.", |talk| answer_with(pay(talk)))
            .gives::<SoldSeat>()
            .fails(&[
                Code::TokenNotActive,
                Code::SeatNotFound,
                Code::ReservationNotFound,
                Code::ReservationExpired,
                Code::AlreadyPaid,
                Code::InsufficientBalance,
                Code::NotPayable,
                Code::WrongSchedule,
            ]),
    ],
};

const BOOKED_BY_OTHER: OwnWords =
    OwnWords::new(Code::SeatTaken, StatusCode::CONFLICT, "Other user is booking the seat");
const SOLD: OwnWords = OwnWords::new(Code::SeatTaken, StatusCode::BAD_REQUEST, "Seat is already booked");
/// The path names only a seat.
const NO_SUCH_SCHEDULE: OwnWords =
    OwnWords::new(Code::ScheduleNotFound, StatusCode::NOT_FOUND, "Performance seat not found");

/// A seat that is held.
#[derive(Debug, Serialize, JsonSchema)]
struct Booking {
    /// The seat.
    performance_seat_id: SeatId,
    /// When the hold began.
    book_attempt_at: Zoneless,
}

/// A seat that is paid.
#[derive(Debug, Serialize, JsonSchema)]
struct SoldSeat {
    /// The seat.
    id: SeatId,
    /// What it is a seat of.
    concert_performance_id: ScheduleId,
    /// Its number within the performance.
    seat_number: i32,
    /// Whose it is now.
    user_id: Uuid,
    /// True.
    booked: bool,
}

async fn book(talk: Talk<'_>) -> Result<Booking, Failure> {
    let seat = seat_id(&talk)?;
    // Whatever comes of it, the organiser can see who tried.
    let attempt = talk.command(RecordAttempt { seat_id: seat }).await?;
    let hold = HoldSeats {
        schedule_id: seat.schedule(),
        seat_ids: seat.into(),
        user_id: attempt.user_id,
        amount: None,
        only_hold: true,
    };
    match talk.effect(hold).await {
        Ok(held) => Ok(Booking::of(&held, seat)),
        // That it is sold comes before whatever the user or somebody else has under way.
        Err(refused) if may_be_sold(refused.code) && is_sold(&talk, seat).await? => Err(SOLD.into()),
        Err(refused) => Err(refused),
    }
}

fn may_be_sold(refused: Code) -> bool {
    matches!(refused, Code::SeatTaken | Code::HoldExists | Code::SeatLimitExceeded)
}

async fn is_sold(talk: &Talk<'_>, seat: SeatId) -> Result<bool, Failure> {
    let found = talk.command(GetSeats { seat_ids: seat.into() }).await?;
    Ok(found.iter().any(|found| found.seat.status == SeatStatus::Sold))
}

async fn pay(mut talk: Talk<'_>) -> Result<SoldSeat, Failure> {
    let seat = seat_id(&talk)?;
    let payer = talk.token_owner().await?;
    let last = ListReservations { user_id: payer.user_id, seat_id: Some(seat), limit: Some(1), cursor: None };
    let page = match talk.command(last.clone()).await {
        // The token may have ended with the booking; what became of that its user may still hear.
        Err(over) if over.code == Code::TokenExpired => {
            talk.go_on_as(payer.user_id).await?;
            talk.command(last).await?
        }
        page => page?,
    };
    match page.reservations.first().map(|last| (last.status, last)) {
        Some((ReservationStatus::Reserved, booking)) => {
            let reservation_id = booking.reservation_id;
            let (payment_method, user_id) = (PaymentMethod::Balance, payer.user_id);
            talk.effect(Pay { reservation_id, payment_method, user_id, amount: None }).await?;
            SoldSeat::of(booking, seat, payer.uuid).ok_or_else(|| Code::Internal.into())
        }
        Some((ReservationStatus::Paid, _)) => Err(Code::AlreadyPaid.into()),
        Some((ReservationStatus::Expired, _)) => Err(Code::ReservationExpired.into()),
        Some((ReservationStatus::Cancelled, _)) | None => Err(nothing_to_pay(&talk, seat).await?.into()),
    }
}

/// Why there is nothing to pay for who has not booked the seat: the token, that there is no such seat, who has it.
async fn nothing_to_pay(talk: &Talk<'_>, seat: SeatId) -> Result<Code, Failure> {
    match talk.command(GetToken::default()).await?.status {
        TokenStatus::Waiting => Ok(Code::TokenNotActive),
        TokenStatus::Expired | TokenStatus::Used => Ok(Code::TokenExpired),
        TokenStatus::Active if is_sold(talk, seat).await? => Ok(Code::AlreadyPaid),
        TokenStatus::Active => Ok(Code::ReservationNotFound),
    }
}

fn seat_id(talk: &Talk<'_>) -> Result<SeatId, Rejection> {
    ids::id_of("id", &talk.ask.param("id"), SeatId::new)
}

impl Booking {
    fn of(reservation: &ReservationView, seat: SeatId) -> Self {
        Self { performance_seat_id: seat, book_attempt_at: reservation.reserved_at.into() }
    }
}

impl SoldSeat {
    fn of(reservation: &ReservationView, seat: SeatId, user_id: Uuid) -> Option<Self> {
        let seat = reservation.seats.iter().find(|reserved| reserved.seat_id == seat)?;
        Some(Self {
            id: seat.seat_id,
            concert_performance_id: reservation.schedule_id,
            seat_number: seat.seat_number,
            user_id,
            booked: true,
        })
    }
}

impl Example for Booking {
    fn example() -> Self {
        let reservation = ReservationView::example();
        Self::of(&reservation, reservation.seats[0].seat_id)
    }
}

impl Example for SoldSeat {
    fn example() -> Self {
        let reservation = ReservationView::example();
        Self::of(&reservation, reservation.seats[0].seat_id, EXAMPLE_USER).expect("the seat is the reservation's")
    }
}
