//! All SQL. Statements are set-based: one per kind of row and batch.

pub mod accounts;
pub mod attempts;
pub mod audit;
pub mod catalog;
pub mod demo;
pub mod expiry;
pub mod migrations;
pub mod numbers;
pub mod outbox;
pub mod outcomes;
pub mod pages;
pub mod payments;
pub mod pool;
pub mod purge;
pub mod questions;
pub mod reservations;
pub mod rooms;
pub mod sale;
pub mod seats;
pub mod slots;
pub mod tokens;
pub mod users;
