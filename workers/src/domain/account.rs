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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHARGE_MAX: Money = 1000;
    const BALANCE_MAX: Money = 2500;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Charge(Money),
        Use(Money),
        Pay(Money),
    }

    fn step() -> impl Strategy<Value = Step> {
        let amount = -10..CHARGE_MAX + 10;
        prop_oneof![
            amount.clone().prop_map(Step::Charge),
            amount.prop_map(Step::Use),
            (0..CHARGE_MAX).prop_map(Step::Pay)
        ]
    }

    fn take(account: &mut Account, step: Step, now: Time) -> Result<Entry, Rejection> {
        match step {
            Step::Charge(amount) => account.charge(Amount::new(amount), CHARGE_MAX, BALANCE_MAX, now),
            Step::Use(amount) => account.use_balance(Amount::new(amount), now),
            Step::Pay(amount) => account.pay(amount, PaymentId::new(1), now),
        }
    }

    proptest! {
        #[test]
        fn a_balance_is_the_sum_of_its_entries_and_never_negative(steps in prop::collection::vec(step(), 0..60)) {
            let now = Time::now();
            let mut account =
                Account { user: UserId::new(1), balance: 0, total_charged: 0, total_used: 0, version: 0, updated_at: now };
            let mut entries = Vec::new();
            for step in steps {
                let before = account.clone();
                match take(&mut account, step, now) {
                    Ok(entry) => {
                        prop_assert_eq!(entry.balance_after, account.balance);
                        entries.push(entry);
                    }
                    Err(_) => prop_assert_eq!((account.balance, account.version), (before.balance, before.version)),
                }
                prop_assert!((0..=BALANCE_MAX).contains(&account.balance));
            }
            prop_assert_eq!(account.balance, entries.iter().map(|entry| entry.amount).sum::<Money>());
            prop_assert_eq!(account.balance, account.total_charged - account.total_used);
            prop_assert_eq!(account.version, entries.len() as i64);
        }
    }
}
