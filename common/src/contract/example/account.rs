//! Examples of the account lane.

use uuid::Uuid;

use super::{Example, PAYMENT, PRICE, SEAT, USER, at};
use crate::contract::account::{
    BalanceView, ChargeBalance, ChargeView, CreateUser, EntryKind, FindUser, GetBalance, LedgerEntryView, LedgerPage,
    ListLedger, ListReservations, LogIn, LoginView, ReservationPage, TokenType, UseBalance, UseView, UserView,
};
use crate::ids::UserId;
use crate::money::{Amount, Money};

pub(super) const CHARGED: Money = 100_000;
pub(super) const USED: Money = 10_000;

impl Example for CreateUser {
    fn example() -> Self {
        Self {
            username: "hana".to_owned(),
            email: "hana@example.com".to_owned(),
            password: "sing me a song".to_owned(),
        }
    }
}

impl Example for FindUser {
    fn example() -> Self {
        Self { username: Some("hana".to_owned()), ..Self::default() }
    }
}

/// The first who signs up after the thousand demo users.
impl Example for UserView {
    fn example() -> Self {
        Self {
            user_id: UserId::new(1001),
            uuid: Uuid::from_u128(0x3f2b_8c1d_5e6a_4b7c_8d9e_0f1a_2b3c_4d5e),
            username: "hana".to_owned(),
            email: "hana@example.com".to_owned(),
            created_at: at(0),
        }
    }
}

impl Example for LogIn {
    fn example() -> Self {
        Self { email: "user1@example.com".to_owned(), password: "onsale-demo".to_owned() }
    }
}

impl Example for LoginView {
    fn example() -> Self {
        Self {
            access_token: "<header>.<claims>.<signature>".to_owned(),
            token_type: TokenType::Bearer,
            expires_in: 3600,
            user_id: USER,
        }
    }
}

impl Example for ChargeBalance {
    fn example() -> Self {
        Self { user_id: USER, amount: Amount::new(CHARGED) }
    }
}

impl Example for ChargeView {
    fn example() -> Self {
        Self { user_id: USER, charged_amount: CHARGED, current_balance: CHARGED, transaction_id: 1, charged_at: at(1) }
    }
}

impl Example for UseBalance {
    fn example() -> Self {
        Self { user_id: USER, amount: Amount::new(USED) }
    }
}

impl Example for UseView {
    fn example() -> Self {
        Self {
            user_id: USER,
            used_amount: USED,
            current_balance: CHARGED - PRICE - USED,
            transaction_id: 3,
            used_at: at(4),
        }
    }
}

impl Example for GetBalance {
    fn example() -> Self {
        Self { user_id: USER }
    }
}

impl Example for BalanceView {
    fn example() -> Self {
        Self {
            user_id: USER,
            current_balance: CHARGED - PRICE - USED,
            total_charged: CHARGED,
            total_used: PRICE + USED,
            last_updated: at(4),
        }
    }
}

impl Example for ListLedger {
    fn example() -> Self {
        Self { user_id: USER, limit: Some(20), cursor: None }
    }
}

impl Example for LedgerEntryView {
    fn example() -> Self {
        Self {
            transaction_id: 2,
            kind: EntryKind::Payment,
            amount: -PRICE,
            balance_after: CHARGED - PRICE,
            payment_id: Some(PAYMENT),
            created_at: at(3),
        }
    }
}

impl Example for LedgerPage {
    fn example() -> Self {
        let payment = LedgerEntryView::example();
        let used = LedgerEntryView {
            transaction_id: 3,
            kind: EntryKind::Use,
            amount: -USED,
            balance_after: payment.balance_after - USED,
            payment_id: None,
            created_at: at(4),
        };
        let charged = LedgerEntryView {
            transaction_id: 1,
            kind: EntryKind::Charge,
            amount: CHARGED,
            balance_after: CHARGED,
            payment_id: None,
            created_at: at(1),
        };
        Self { entries: vec![used, payment, charged], next_cursor: None }
    }
}

impl Example for ListReservations {
    fn example() -> Self {
        Self { user_id: USER, seat_id: Some(SEAT), limit: Some(20), cursor: None }
    }
}

impl Example for ReservationPage {
    fn example() -> Self {
        Self { reservations: Example::example(), next_cursor: None }
    }
}
