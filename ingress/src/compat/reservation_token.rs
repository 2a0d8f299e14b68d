//! `/compat/reservation-token`: the design whose queue token travels in `X-Reservation-Token`.

use crate::dialect::Dialect;
use crate::v1;

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    name: "reservation-token",
    title: "Onsale: reservation-token",
    about: "the design whose queue token travels in `X-Reservation-Token`.",
    mount: "/compat/reservation-token",
    groups: &[],
    ..v1::DIALECT
};
