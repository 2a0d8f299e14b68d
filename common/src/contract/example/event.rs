//! Examples of events: what the story of the demo data publishes, and two that a story with another end would.

use uuid::Uuid;

use super::account::{CHARGED, USED};
use super::{Example, PAYMENT, PRICE, RESERVATION, SCHEDULE, SEAT, USER, at};
use crate::contract::event::{
    About, BalanceCharged, BalanceUsed, CloudEvent, EventData, HoldExpired, PaymentCompleted, SeatsHeld, SeatsReleased,
    Sequence, TokenAdmitted,
};

macro_rules! examples {
    ($($name:ident, number $number:literal, after $minutes:literal minutes: { $($fields:tt)* };)+) => {$(
        impl Example for $name {
            fn example() -> Self {
                Self { $($fields)* }
            }
        }

        impl Example for CloudEvent<$name> {
            fn example() -> Self {
                let id = Uuid::from_u128(0x5d0c_3a7e_91b2_4c48_8f60_2b1d_7e9a_0000 + $number);
                let data = $name::example();
                let about = About { subject: data.subject(), schedule: data.schedule() };
                Self::new(id, Sequence($number), $name::KIND, about, at($minutes), data)
            }
        }
    )+};
}

examples! {
    TokenAdmitted, number 1, after 1 minutes: {
        schedule_id: SCHEDULE,
        user_id: USER,
        expires_at: at(6),
    };
    BalanceCharged, number 2, after 1 minutes: {
        user_id: USER,
        amount: CHARGED,
        current_balance: CHARGED,
        transaction_id: 1,
    };
    SeatsHeld, number 3, after 2 minutes: {
        reservation_id: RESERVATION,
        schedule_id: SCHEDULE,
        user_id: USER,
        seat_ids: vec![SEAT],
        total_amount: PRICE,
        expires_at: at(7),
    };
    PaymentCompleted, number 4, after 3 minutes: {
        payment_id: PAYMENT,
        reservation_id: RESERVATION,
        schedule_id: SCHEDULE,
        user_id: USER,
        seat_ids: vec![SEAT],
        amount: PRICE,
    };
    BalanceUsed, number 5, after 4 minutes: {
        user_id: USER,
        amount: USED,
        current_balance: CHARGED - PRICE - USED,
        transaction_id: 3,
    };
    SeatsReleased, number 4, after 3 minutes: {
        reservation_id: RESERVATION,
        schedule_id: SCHEDULE,
        user_id: USER,
        seat_ids: vec![SEAT],
        total_amount: PRICE,
    };
    HoldExpired, number 4, after 7 minutes: {
        reservation_id: RESERVATION,
        schedule_id: SCHEDULE,
        user_id: USER,
        seat_ids: vec![SEAT],
    };
}
