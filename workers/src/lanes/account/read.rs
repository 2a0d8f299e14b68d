//! Reading users, balances, ledgers and reservations: one query per kind of row, whatever the batch asks.

use std::collections::HashMap;
use std::sync::Arc;

use onsale_common::contract::account::{BalanceView, FindUser, LedgerEntryView, LedgerPage, ReservationPage, UserView};
use onsale_common::contract::page::{PAGE_LIMIT_DEFAULT, cursor_after};
use onsale_common::contract::{Code, Command, Envelope, Outcome, Rejection};
use onsale_common::ids::{SeatId, UserId};
use onsale_common::time::Time;
use sqlx::PgConnection;

use super::{AccountLane, standing};
use crate::domain::account::Account;
use crate::domain::hold::{Reservation, Seat};
use crate::failure::Failure;
use crate::lanes::callers::Callers;
use crate::lanes::views;
use crate::sorted::sorted;
use crate::store;
use crate::store::pages::PageAsked;
use crate::store::reservations::ReservationsAsked;
use crate::store::users::UserAsked;

/// Settles reads.
pub(super) async fn settle(lane: &AccountLane, commands: &[Arc<Envelope>]) -> Result<Vec<Outcome>, Failure> {
    let mut db = lane.pool.acquire().await?;
    let now = Time::now();
    let envelopes = commands.iter().map(|command| &**command);
    let callers = Callers::read(&mut db, envelopes.clone()).await?;
    let standings = standing::of_callers(&mut db, &callers, envelopes, now).await?;
    let mut asked = Asked::default();
    let places: Vec<Result<Place, Rejection>> = commands
        .iter()
        .zip(standings)
        .map(|(command, standing)| match &command.command {
            Command::FindUser(find) => asked.note_user(find, command, &callers),
            other => standing.and_then(|user| asked.note(other, user)),
        })
        .collect();
    let found = Found::load(&mut db, &asked).await?;
    db.give_back();
    Ok(places.into_iter().map(|place| place.and_then(|place| found.answer(&asked, place, now)).into()).collect())
}

/// Everything that a batch asks for.
#[derive(Default)]
struct Asked {
    balances: Vec<UserId>,
    ledgers: Vec<PageAsked>,
    reservations: Vec<ReservationsAsked>,
    users: Vec<UserAsked>,
}

/// Where a command's answer will be found.
#[derive(Clone, Copy)]
enum Place {
    Balance(usize),
    Ledger(usize),
    Reservations(usize),
    User(usize),
}

impl Asked {
    fn note(&mut self, command: &Command, user: UserId) -> Result<Place, Rejection> {
        let page = |limit: Option<u32>, cursor: &Option<String>| PageAsked {
            user,
            after: cursor_after(cursor.as_deref()),
            // One more than asked tells whether there is a next page.
            limit: limit.unwrap_or(PAGE_LIMIT_DEFAULT) + 1,
        };
        match command {
            Command::GetBalance(_) => {
                self.balances.push(user);
                Ok(Place::Balance(self.balances.len() - 1))
            }
            Command::ListLedger(list) => {
                self.ledgers.push(page(list.limit, &list.cursor));
                Ok(Place::Ledger(self.ledgers.len() - 1))
            }
            Command::ListReservations(list) => {
                self.reservations.push(ReservationsAsked { page: page(list.limit, &list.cursor), seat: list.seat_id });
                Ok(Place::Reservations(self.reservations.len() - 1))
            }
            _ => Err(Code::Internal.into()),
        }
    }

    /// Anybody may find a user by name; without a name it is the caller, whatever the state of the token.
    fn note_user(&mut self, find: &FindUser, command: &Envelope, callers: &Callers) -> Result<Place, Rejection> {
        self.users.push(match find {
            FindUser { user_id: Some(id), .. } => UserAsked::Id(*id),
            FindUser { uuid: Some(uuid), .. } => UserAsked::Uuid(*uuid),
            FindUser { username: Some(name), .. } => UserAsked::Username(name.clone()),
            FindUser { email: Some(email), .. } => UserAsked::Email(email.clone()),
            _ => UserAsked::Id(match (command.token, command.caller) {
                (None, Some(vouched)) => vouched,
                _ => callers.of(command)?.user,
            }),
        });
        Ok(Place::User(self.users.len() - 1))
    }
}

/// Everything that was found.
struct Found {
    accounts: HashMap<UserId, Account>,
    ledgers: Vec<Vec<LedgerEntryView>>,
    reservations: Vec<Vec<Reservation>>,
    seats: HashMap<SeatId, Seat>,
    users: Vec<Option<UserView>>,
}

impl Found {
    async fn load(db: &mut PgConnection, asked: &Asked) -> Result<Self, Failure> {
        let users = sorted(asked.balances.iter().map(|user| user.get()).collect());
        let accounts = store::accounts::read(db, &users).await?;
        let ledgers = store::accounts::ledger_pages(db, &asked.ledgers).await?;
        let reservations = store::reservations::pages(db, &asked.reservations).await?;
        let seats = reservations.iter().flatten().flat_map(|found| &found.seats).map(|seat| seat.get()).collect();
        let seats = views::by_id(store::seats::read(db, &sorted(seats)).await?);
        let accounts = accounts.into_iter().map(|account| (account.user, account)).collect();
        let users = store::users::find(db, &asked.users).await?;
        Ok(Self { accounts, ledgers, reservations, seats, users })
    }

    fn answer(&self, asked: &Asked, place: Place, now: Time) -> Result<Outcome, Rejection> {
        match place {
            Place::Balance(n) => {
                let account = self.accounts.get(&asked.balances[n]).ok_or(Code::UserNotFound)?;
                Ok(Outcome::done(&balance(account)))
            }
            Place::Ledger(n) => {
                let (entries, next) = page(&self.ledgers[n], asked.ledgers[n]);
                let next_cursor = next.map(|last| last.transaction_id.to_string());
                Ok(Outcome::done(&LedgerPage { entries: entries.to_vec(), next_cursor }))
            }
            Place::Reservations(n) => {
                let (found, next) = page(&self.reservations[n], asked.reservations[n].page);
                let reservations = found.iter().map(|found| views::reservation(found, &self.seats, now)).collect();
                let next_cursor = next.map(|last| last.id.to_string());
                Ok(Outcome::done(&ReservationPage { reservations, next_cursor }))
            }
            Place::User(n) => Ok(Outcome::done(self.users[n].as_ref().ok_or(Code::UserNotFound)?)),
        }
    }
}

/// The rows of a page and, where more follow, the last of them.
fn page<T>(rows: &[T], asked: PageAsked) -> (&[T], Option<&T>) {
    let limit = asked.limit as usize - 1;
    let shown = &rows[..limit.min(rows.len())];
    (shown, if rows.len() > limit { shown.last() } else { None })
}

fn balance(account: &Account) -> BalanceView {
    BalanceView {
        user_id: account.user,
        current_balance: account.balance,
        total_charged: account.total_charged,
        total_used: account.total_used,
        last_updated: account.updated_at,
    }
}
