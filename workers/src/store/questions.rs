//! Questions that travel together: what a batch asks first, in one message with the BEGIN of its transaction. A message is
//! two changes of hands, which is most of what a batch of one command takes.
//!
//! Statements with parameters travel by themselves, so that these are a text: prepared by each connection as it is made,
//! and asked by name, with lists of numbers and ids, which cannot be mistaken for anything else.

use std::fmt::{Display, Write};
use std::vec::IntoIter;

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{outcomes, sale, tokens};

/// What a new connection prepares, so that Postgres plans each statement once and not for each batch.
pub(super) fn prepare() -> String {
    [outcomes::PREPARE, tokens::PREPARE, &sale::PREPARE.join("; ")].join("; ")
}

/// What may stand in a list: no text, which a client may have written.
pub(super) trait Listed: Display {}
impl Listed for i64 {}
impl Listed for Uuid {}

/// A list as a parameter of a question.
pub(super) fn list<T: Listed>(items: impl IntoIterator<Item = T>) -> String {
    let mut list = String::from("'{");
    for (n, item) in items.into_iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        write!(list, "{comma}{item}").expect("a text takes whatever is written");
    }
    list.push_str("}'");
    list
}

/// Some questions, in the order in which they are answered. The first row of the first answer begins with the clock.
#[derive(Debug, Default)]
pub struct Questions(String);

impl Questions {
    /// Asks for the clock alone.
    pub(super) fn clock() -> Self {
        Self("; SELECT statement_timestamp()".to_owned())
    }

    /// Adds a statement that was [prepared](prepare), with a [`list`] for each of its parameters.
    pub(super) fn ask(&mut self, statement: &str, lists: &[&str]) {
        write!(self.0, "; EXECUTE {statement}({})", lists.join(", ")).expect("a text takes whatever is written");
    }

    /// The questions as a text that follows another statement.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rows of each question, in their order.
pub type Answers = IntoIter<Vec<PgRow>>;
