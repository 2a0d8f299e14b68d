//! `/compat/reservation-token`.
