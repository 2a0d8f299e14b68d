//! Balances: every change is a ledger entry, and no balance is ever negative.

use onsale_common::contract::account::EntryKind;
use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{PaymentId, UserId};
use onsale_common::money::{Amount, Money};
use onsale_common::time::Time;

/// A balance as it is stored.
#[derive(Debug, Clone)]
pub struct Account {
    /// Whose.
    pub user: UserId,
    /// What is left.
    pub balance: Money,
    /// All that was ever charged.
    pub total_charged: Money,
    /// All that was ever used, payments included.
    pub total_used: Money,
    /// How often it changed.
    pub version: i64,
    /// When it last changed.
    pub updated_at: Time,
}

/// A change of a balance.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose balance.
    pub user: UserId,
    /// What it records.
    pub kind: EntryKind,
    /// What was added (above zero) or taken (below zero).
    pub amount: Money,
    /// The balance after it.
    pub balance_after: Money,
    /// The payment, where it records one.
    pub payment: Option<PaymentId>,
}

impl Account {
    /// Adds to the balance.
    ///
    /// # Errors
    /// `INVALID_AMOUNT` when the amount is not above zero, above `charge_max`, or would lift the balance above `balance_max`.
    pub fn charge(
        &mut self,
        amount: Amount,
        charge_max: Money,
        balance_max: Money,
        now: Time,
    ) -> Result<Entry, Rejection> {
        let amount = positive(amount)?;
        if amount > charge_max {
            let message = format!("amount must be at most {charge_max}");
            return Err(Rejection::saying(Code::InvalidAmount, message).with("max", charge_max));
        }
        if amount > balance_max - self.balance {
            let message = format!("the balance may not exceed {balance_max}");
            return Err(Rejection::saying(Code::InvalidAmount, message).with("max", balance_max - self.balance));
        }
        self.total_charged += amount;
        Ok(self.change(EntryKind::Charge, amount, None, now))
    }

    /// Takes from the balance.
    ///
    /// # Errors
    /// `INVALID_AMOUNT` when the amount is not above zero, `INSUFFICIENT_BALANCE` when the balance does not cover it.
    pub fn use_balance(&mut self, amount: Amount, now: Time) -> Result<Entry, Rejection> {
        let amount = positive(amount)?;
        self.take(EntryKind::Use, amount, None, now)
    }

    /// Takes what a payment costs, which may be nothing.
    ///
    /// # Errors
    /// `INSUFFICIENT_BALANCE` when the balance does not cover it.
    pub fn pay(&mut self, amount: Money, payment: PaymentId, now: Time) -> Result<Entry, Rejection> {
        self.take(EntryKind::Payment, amount, Some(payment), now)
    }

    fn take(
        &mut self,
        kind: EntryKind,
        amount: Money,
        payment: Option<PaymentId>,
        now: Time,
    ) -> Result<Entry, Rejection> {
        if amount > self.balance {
            return Err(Rejection::of(Code::InsufficientBalance)
                .with("balance", self.balance)
                .with("required", amount));
        }
        self.total_used += amount;
        Ok(self.change(kind, -amount, payment, now))
    }

    fn change(&mut self, kind: EntryKind, amount: Money, payment: Option<PaymentId>, now: Time) -> Entry {
        self.balance += amount;
        self.version += 1;
        self.updated_at = now;
        Entry { user: self.user, kind, amount, balance_after: self.balance, payment }
    }
}

fn positive(amount: Amount) -> Result<Money, Rejection> {
    amount.positive().ok_or_else(|| Rejection::saying(Code::InvalidAmount, "amount must be a whole number above 0"))
}
