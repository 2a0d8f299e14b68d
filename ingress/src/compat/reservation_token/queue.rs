//! The service's one queue.

use futures_util::future::try_join;
use hyper::StatusCode;
use onsale_common::contract::account::{ListReservations, ReservationPage};
use onsale_common::contract::admission::{GetToken, IssueToken, TokenStatus, TokenView};
use onsale_common::contract::catalog::{GetSeats, YourReservation};
use onsale_common::contract::reservation::{ReservationStatus, ReservationView};
use onsale_common::contract::{Code, Example};
use onsale_common::ids::{QueueToken, ReservationId, ScheduleId, SeatId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EXAMPLE_TOKEN, EXAMPLE_USER, TOKEN, find_user};
use crate::answer::{Failure, OwnWords};
use crate::caller::Demand;
use crate::compat::zoneless::Zoneless;
use crate::dialect::Group;
use crate::endpoint::Endpoint;
use crate::talk::{Talk, answer_with};

pub(super) const GROUP: Group = Group {
    name: "The queue",
    endpoints: &[
        Endpoint::post("/user_queue_tokens", Demand::LOGIN)
            .talks("issueToken", "Join the queue.", |talk| answer_with(issue(talk)))
            .takes::<NewToken>()
            .gives::<Token>()
            .created()
            .says(&[OwnWords::new(Code::UserNotFound, StatusCode::BAD_REQUEST, "User not found")]),
        Endpoint::get("/user_queue_tokens/token_info", TOKEN)
            .talks("getTokenInfo", "Read how a token stands, and what is booked with it.", |talk| {
                answer_with(info(talk))
            })
            .gives::<TokenInfo>(),
    ],
};

/// Who joins the queue.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct NewToken {
    /// The user.
    user_id: Uuid,
}

/// A queue token.
#[derive(Debug, Serialize, JsonSchema)]
struct Token {
    /// The token: keep it secret.
    token: QueueToken,
}

/// How a token stands.
#[derive(Debug, Serialize, JsonSchema)]
struct TokenInfo {
    /// Whose it is.
    user_id: Uuid,
    /// Where it stands.
    status: QueueStatus,
    /// The last booking in its time, unless that was released.
    performance_seat_book_info: Option<BookInfo>,
}

/// Life of a token.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum QueueStatus {
    /// Waiting for its turn.
    InQueue,
    /// May book and pay.
    InProgress,
    /// Over.
    Expired,
}

/// A booking.
#[derive(Debug, Serialize, JsonSchema)]
struct BookInfo {
    /// The reservation.
    id: ReservationId,
    /// The seat; the first of them where a reservation has several.
    performance_seat_id: SeatId,
    /// When the seat was held.
    book_attempt_at: Zoneless,
    /// When it was paid; null until then.
    book_success_at: Option<Zoneless>,
}

async fn issue(mut talk: Talk<'_>) -> Result<Token, Failure> {
    let asked: NewToken = talk.ask.read()?;
    let user_id = find_user(&talk, asked.user_id).await?.user_id;
    talk.go_on_as(user_id).await?;
    match talk.effect(IssueToken { user_id, schedule_id: ScheduleId::SERVICE_WIDE }).await {
        Ok(TokenView { token, .. }) => Ok(Token { token }),
        // Whoever lost the token asks for it again.
        Err(failure) if failure.code == Code::TokenExists => {
            let details = failure.rejection().details;
            let token = details.get("token").and_then(|token| token.as_str()?.parse().ok());
            token.map(|token| Token { token }).ok_or(failure)
        }
        Err(failure) => Err(failure),
    }
}

async fn info(mut talk: Talk<'_>) -> Result<TokenInfo, Failure> {
    let (token, owner) = try_join(talk.command(GetToken::default()), talk.token_owner()).await?;
    let status = match token.status {
        TokenStatus::Waiting => QueueStatus::InQueue,
        TokenStatus::Active => QueueStatus::InProgress,
        TokenStatus::Expired | TokenStatus::Used => QueueStatus::Expired,
    };
    // A token that is over opens nothing any more, but what was booked with it is still its user's to see.
    talk.vouch_for(owner.user_id);
    let booking = match token.status {
        TokenStatus::Waiting => None,
        _ => booking(&talk, owner.user_id, &token).await?,
    };
    Ok(TokenInfo { user_id: owner.uuid, status, performance_seat_book_info: booking })
}

async fn booking(talk: &Talk<'_>, user_id: UserId, token: &TokenView) -> Result<Option<BookInfo>, Failure> {
    let last = ListReservations { user_id, seat_id: None, limit: Some(1), cursor: None };
    let ReservationPage { reservations, .. } = talk.command(last).await?;
    let Some(last) = reservations.into_iter().next() else { return Ok(None) };
    let in_its_life = (token.issued_at..=token.expires_at).contains(&last.reserved_at);
    if last.status == ReservationStatus::Cancelled || !in_its_life {
        return Ok(None);
    }
    let Some(seat) = last.seats.first() else { return Ok(None) };
    let paid = match last.status {
        ReservationStatus::Paid => talk.command(GetSeats { seat_ids: seat.seat_id.into() }).await?,
        _ => Vec::new(),
    };
    let yours = paid.into_iter().next().and_then(|seat| seat.yours);
    Ok(Some(BookInfo::of(&last, seat.seat_id, yours)))
}

impl BookInfo {
    fn of(reservation: &ReservationView, seat: SeatId, paid: Option<YourReservation>) -> Self {
        Self {
            id: reservation.reservation_id,
            performance_seat_id: seat,
            book_attempt_at: reservation.reserved_at.into(),
            book_success_at: paid.and_then(|yours| yours.paid_at).map(Zoneless),
        }
    }
}

impl Example for NewToken {
    fn example() -> Self {
        Self { user_id: EXAMPLE_USER }
    }
}

impl Example for Token {
    fn example() -> Self {
        Self { token: EXAMPLE_TOKEN }
    }
}

/// Between the booking and the payment.
impl Example for TokenInfo {
    fn example() -> Self {
        let reservation = ReservationView::example();
        let booking = BookInfo::of(&reservation, reservation.seats[0].seat_id, None);
        Self { user_id: EXAMPLE_USER, status: QueueStatus::InProgress, performance_seat_book_info: Some(booking) }
    }
}
