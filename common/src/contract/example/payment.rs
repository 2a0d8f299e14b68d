//! Examples of the payment lane.

use super::{Example, PAYMENT, PRICE, RESERVATION, USER, at};
use crate::contract::payment::{GetPayment, PaidReservation, PaidSeat, Pay, PaymentMethod, PaymentStatus, PaymentView};
use crate::contract::reservation::reservation_number;
use crate::money::Amount;

impl Example for Pay {
    fn example() -> Self {
        Self {
            reservation_id: RESERVATION,
            payment_method: PaymentMethod::Balance,
            user_id: USER,
            amount: Some(Amount::new(PRICE)),
        }
    }
}

impl Example for GetPayment {
    fn example() -> Self {
        Self { payment_id: PAYMENT }
    }
}

impl Example for PaidSeat {
    fn example() -> Self {
        Self { seat_number: 1, price: PRICE }
    }
}

impl Example for PaidReservation {
    fn example() -> Self {
        Self { reservation_number: reservation_number(RESERVATION), seats: Example::example() }
    }
}

impl Example for PaymentView {
    fn example() -> Self {
        Self {
            payment_id: PAYMENT,
            reservation_id: RESERVATION,
            user_id: USER,
            amount: PRICE,
            payment_method: PaymentMethod::Balance,
            status: PaymentStatus::Completed,
            paid_at: at(3),
            reservation: Example::example(),
        }
    }
}
