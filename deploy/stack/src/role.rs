//! The roles of Onsale's own processes.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};
use serde::{Deserialize, Serialize};

/// What a process does. Its binary has the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Speaks HTTP.
    Ingress,
    /// Serves the waiting room.
    Admission,
    /// Holds seats.
    Reservation,
    /// Pays reservations.
    Payment,
    /// Keeps users and balances.
    Account,
    /// Reads and writes concerts, schedules and seats.
    Catalog,
    /// Cleans up what expires, and relays events.
    Cron,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] =
        [Self::Ingress, Self::Admission, Self::Reservation, Self::Payment, Self::Account, Self::Catalog, Self::Cron];

    /// The roles that consume commands.
    pub const WORKERS: [Self; 5] = [Self::Admission, Self::Reservation, Self::Payment, Self::Account, Self::Catalog];

    /// The name of the role and of its binary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Admission => "admission",
            Self::Reservation => "reservation",
            Self::Payment => "payment",
            Self::Account => "account",
            Self::Catalog => "catalog",
            Self::Cron => "cron",
        }
    }

    /// The name of the role's process with this number, counted from 1: `payment`, `payment-2`, …
    pub fn process_name(self, number: usize) -> String {
        if number <= 1 { self.to_string() } else { format!("{self}-{number}") }
    }

    /// The role and the number that a process name stands for.
    pub fn of_process(name: &str) -> Option<(Self, usize)> {
        let Some((role, number)) = name.rsplit_once('-') else { return Some((name.parse().ok()?, 1)) };
        let number: usize = number.parse().ok()?;
        (number >= 2).then_some((role.parse().ok()?, number))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match Self::ALL.into_iter().find(|role| role.as_str() == name) {
            Some(role) => Ok(role),
            None => bail!("there is no role `{name}`; the roles are {}", Self::ALL.map(Self::as_str).join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_of_a_role_has_its_bare_name() {
        assert_eq!(Role::Payment.process_name(1), "payment");
        assert_eq!(Role::Payment.process_name(3), "payment-3");
        assert_eq!(Role::of_process("payment"), Some((Role::Payment, 1)));
        assert_eq!(Role::of_process("payment-3"), Some((Role::Payment, 3)));
        assert_eq!(Role::of_process("payment-1"), None);
        assert_eq!(Role::of_process("postgres"), None);
    }
}
