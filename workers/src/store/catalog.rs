//! Concerts, their schedules, and seats as they are shown.

pub mod concerts;
pub mod schedules;
pub mod seat_maps;
pub mod seats;
