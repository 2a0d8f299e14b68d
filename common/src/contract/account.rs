//! Commands and replies of the account lane: users and their balances.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::{CommandData, CommandName, hash_text};
use super::page::check_page;
use super::reservation::ReservationView;
use super::{Code, Rejection};
use crate::ids::{PaymentId, QueueToken, SeatId, UserId};
use crate::money::{Amount, Money};
use crate::time::Time;

/// The longest address that mail is sent to (RFC 5321, 4.5.3.1.3).
const EMAIL_MAX_CHARS: usize = 254;
const PASSWORD_MIN_CHARS: usize = 8;
const PASSWORD_MAX_CHARS: usize = 128;

/// Sign up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateUser {
    /// 1 to 50 characters of letters, digits and `._-`.
    #[schemars(length(min = 1, max = 50))]
    pub username: String,
    /// Where the user is reached, and what they log in with.
    #[schemars(email, length(max = EMAIL_MAX_CHARS))]
    pub email: String,
    /// 8 to 128 characters.
    #[schemars(length(min = PASSWORD_MIN_CHARS, max = PASSWORD_MAX_CHARS))]
    pub password: String,
}

impl std::fmt::Debug for CreateUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateUser").field("username", &self.username).finish_non_exhaustive()
    }
}

impl CommandData for CreateUser {
    const NAME: CommandName = CommandName::CreateUser;
    type Reply = UserView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        hash_text(&self.username)
    }
    fn check(&self) -> Result<(), Rejection> {
        let name_ok = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !(1..=50).contains(&self.username.chars().count()) || !self.username.chars().all(name_ok) {
            return Err(Rejection::invalid_field("username", "must be 1 to 50 letters, digits, '.', '_' or '-'"));
        }
        if !is_email(&self.email) {
            return Err(Rejection::invalid_field("email", "must be an email address of at most 254 characters"));
        }
        if !(PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS).contains(&self.password.chars().count()) {
            return Err(Rejection::invalid_field("password", "must be 8 to 128 characters long"));
        }
        Ok(())
    }
}

/// Whether a text can be an address: something before the last `@`, a dotted name after it, no spaces or controls.
fn is_email(text: &str) -> bool {
    let plain = text.len() <= EMAIL_MAX_CHARS && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.rsplit_once('@');
    plain
        && parts.is_some_and(|(local, domain)| {
            !local.is_empty()
                && !local.contains('@')
                && domain.split('.').count() > 1
                && domain.split('.').all(|label| !label.is_empty())
        })
}

/// Exchange email and password for an access token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogIn {
    /// The address of the sign-up.
    pub email: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for LogIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogIn").finish_non_exhaustive()
    }
}

impl CommandData for LogIn {
    const NAME: CommandName = CommandName::LogIn;
    type Reply = LoginView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        hash_text(&self.email)
    }
    fn check(&self) -> Result<(), Rejection> {
        // What cannot be an address is nobody's; Postgres would refuse some of it, and the command with it.
        if self.password.chars().count() > PASSWORD_MAX_CHARS || !is_email(&self.email) {
            return Err(Rejection::of(Code::LoginFailed));
        }
        Ok(())
    }
}

macro_rules! amount_command {
    ($(#[$doc:meta])* $name:ident, $reply:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Whose balance: the token's user.
            pub user_id: UserId,
            /// How much, above zero.
            #[schemars(range(min = 1))]
            pub amount: Amount,
        }

        impl CommandData for $name {
            const NAME: CommandName = CommandName::$name;
            type Reply = $reply;
            fn partition_key(&self, _: Option<QueueToken>) -> u64 {
                self.user_id.get().unsigned_abs()
            }
            fn check(&self) -> Result<(), Rejection> {
                match self.amount.positive() {
                    Some(_) => Ok(()),
                    None => Err(Rejection::saying(Code::InvalidAmount, "amount must be a whole number above 0")),
                }
            }
        }
    };
}

amount_command!(
    /// Add to a balance.
    ChargeBalance, ChargeView
);
amount_command!(
    /// Take from a balance.
    UseBalance, UseView
);

/// Read a balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetBalance {
    /// Whose balance: the token's user.
    pub user_id: UserId,
}

impl CommandData for GetBalance {
    const NAME: CommandName = CommandName::GetBalance;
    type Reply = BalanceView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.user_id.get().unsigned_abs()
    }
}

macro_rules! user_list_command {
    ($(#[$doc:meta])* $name:ident, $reply:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Whose: the token's user.
            pub user_id: UserId,
            /// How many at most.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub limit: Option<u32>,
            /// Where to go on.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub cursor: Option<String>,
        }

        impl CommandData for $name {
            const NAME: CommandName = CommandName::$name;
            type Reply = $reply;
            fn partition_key(&self, _: Option<QueueToken>) -> u64 {
                self.user_id.get().unsigned_abs()
            }
            fn check(&self) -> Result<(), Rejection> {
                check_page(self.limit, self.cursor.as_deref())
            }
        }
    };
}

user_list_command!(
    /// Read a balance's ledger entries, newest first.
    ListLedger, LedgerPage
);

/// Read a user's reservations, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListReservations {
    /// Whose: the token's user.
    pub user_id: UserId,
    /// Only those of this seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat_id: Option<SeatId>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl CommandData for ListReservations {
    const NAME: CommandName = CommandName::ListReservations;
    type Reply = ReservationPage;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.user_id.get().unsigned_abs()
    }
    fn check(&self) -> Result<(), Rejection> {
        check_page(self.limit, self.cursor.as_deref())
    }
}

/// Find a user by one of the names that the user is known by; by none: the user of the envelope's token, in whatever
/// state the token is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindUser {
    /// By number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// By UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Uuid>,
    /// By name, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// By address, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl CommandData for FindUser {
    const NAME: CommandName = CommandName::FindUser;
    type Reply = UserView;
    fn partition_key(&self, token: Option<QueueToken>) -> u64 {
        let by_name = || self.username.as_deref().or(self.email.as_deref()).map(hash_text);
        let uuid = self.uuid.or(token.map(QueueToken::uuid));
        self.user_id
            .map(|id| id.get().unsigned_abs())
            .or_else(by_name)
            .or(uuid.map(|uuid| uuid.as_u64_pair().1))
            .unwrap_or(0)
    }
    fn check(&self) -> Result<(), Rejection> {
        let given = [self.user_id.is_some(), self.uuid.is_some(), self.username.is_some(), self.email.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(Rejection::invalid_field("userId", "userId, uuid, username and email exclude each other"));
        }
        // What cannot be a name is nobody's; Postgres would refuse some of it, and the command with it.
        let plain = |name: &Option<String>| {
            name.as_ref().is_none_or(|name| name.len() <= 254 && !name.chars().any(char::is_control))
        };
        if plain(&self.username) && plain(&self.email) { Ok(()) } else { Err(Code::UserNotFound.into()) }
    }
}

/// A user as sign-up returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    /// The number by which v1 knows the user.
    pub user_id: UserId,
    /// The UUID by which other dialects know the user.
    pub uuid: Uuid,
    /// The name.
    pub username: String,
    /// The address.
    pub email: String,
    /// When the user signed up.
    pub created_at: Time,
}

/// The token type of [`LoginView`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TokenType {
    /// RFC 6750.
    Bearer,
}

/// A login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginView {
    /// A signed JWT.
    pub access_token: String,
    /// How to present it.
    pub token_type: TokenType,
    /// Seconds until it expires.
    pub expires_in: u64,
    /// Who logged in.
    pub user_id: UserId,
}

/// A charge, as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChargeView {
    /// Whose balance.
    pub user_id: UserId,
    /// How much was added.
    pub charged_amount: Money,
    /// The balance after it.
    pub current_balance: Money,
    /// The ledger entry.
    pub transaction_id: i64,
    /// When.
    pub charged_at: Time,
}

/// A use of balance, as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UseView {
    /// Whose balance.
    pub user_id: UserId,
    /// How much was taken.
    pub used_amount: Money,
    /// The balance after it.
    pub current_balance: Money,
    /// The ledger entry.
    pub transaction_id: i64,
    /// When.
    pub used_at: Time,
}

/// A balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BalanceView {
    /// Whose.
    pub user_id: UserId,
    /// What is left.
    pub current_balance: Money,
    /// All that was ever charged.
    pub total_charged: Money,
    /// All that was ever used, payments included.
    pub total_used: Money,
    /// When it last changed; when the user signed up, if never.
    pub last_updated: Time,
}

/// What a ledger entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum EntryKind {
    /// Balance was added.
    Charge,
    /// Balance was taken by its owner.
    Use,
    /// A reservation was paid.
    Payment,
}

/// A ledger entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntryView {
    /// Its id.
    pub transaction_id: i64,
    /// What it records.
    #[serde(rename = "type")]
    pub kind: EntryKind,
    /// What was added (above zero) or taken (below zero).
    pub amount: Money,
    /// The balance after it.
    pub balance_after: Money,
    /// The payment, where it records one.
    pub payment_id: Option<PaymentId>,
    /// When.
    pub created_at: Time,
}

/// A page of ledger entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerPage {
    /// Newest first.
    pub entries: Vec<LedgerEntryView>,
    /// The `cursor` of the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// A page of reservations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationPage {
    /// Newest first.
    pub reservations: Vec<ReservationView>,
    /// The `cursor` of the next page; null on the last.
    pub next_cursor: Option<String>,
}
