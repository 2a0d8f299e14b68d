//! The UUIDs by which this design names what Onsale numbers, one to one. They are of version 8 (RFC 9562, 5.8): 24 bits
//! that only a queue entry's name uses, 24 bits of kind, and the number in the last 62. Users have UUIDs of their own.

use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{MAX_ID, PaymentId, ReservationId, ScheduleId, SeatId, UserId};
use uuid::Uuid;

use crate::ask::Ask;

/// Where the schedule of a queue entry begins.
const SCHEDULE_SHIFT: u32 = 104;
/// Where the kind begins.
const KIND_SHIFT: u32 = 80;
/// The bits of version and variant.
const VERSION_8: u128 = (0b1000 << 76) | (0b10 << 62);
/// The kind of a queue entry.
const ENTRY_KIND: u128 = 5;

/// A number of ours that this design gives a UUID.
pub(super) trait Numbered: Sized {
    /// Tells its UUIDs from those of other kinds.
    const KIND: u128;
    /// What is said of a UUID that names nothing of this kind.
    const UNKNOWN: Code;
    /// The number.
    fn number(&self) -> i64;
    /// What has this number.
    fn numbered(number: i64) -> Self;
}

macro_rules! numbered {
    ($($id:ident = $kind:literal, $unknown:ident;)+) => {$(
        impl Numbered for $id {
            const KIND: u128 = $kind;
            const UNKNOWN: Code = Code::$unknown;
            fn number(&self) -> i64 {
                self.get()
            }
            fn numbered(number: i64) -> Self {
                Self::new(number)
            }
        }
    )+};
}
numbered! {
    ScheduleId = 1, ConcertNotFound;
    SeatId = 2, SeatNotFound;
    ReservationId = 3, ReservationNotFound;
    PaymentId = 4, PaymentNotFound;
}

/// The UUID of something.
pub(super) fn name_of<T: Numbered>(id: T) -> Uuid {
    compose(0, T::KIND, id.number())
}

/// What a UUID names.
///
/// # Errors
/// What is said of a UUID that names nothing of this kind.
pub(super) fn named<T: Numbered>(name: Uuid) -> Result<T, Code> {
    // What is left when the fixed bits are taken away is the number, unless other bits were set.
    let rest = name.as_u128() ^ compose(0, T::KIND, 0).as_u128();
    i64::try_from(rest).ok().filter(|number| (1..=MAX_ID).contains(number)).map(T::numbered).ok_or(T::UNKNOWN)
}

/// What the UUID names that a path has as `id`.
///
/// # Errors
/// `INVALID_REQUEST` where it is none, and as [`named`].
pub(super) fn named_in_path<T: Numbered>(ask: &Ask<'_>) -> Result<T, Rejection> {
    let name = Uuid::try_parse(&ask.param("id")).map_err(|_| Rejection::invalid_field("id", "must be a UUID"))?;
    Ok(named(name)?)
}

/// The UUID of a user's entry in a concert's queue, of which there is one at a time. It tells nothing of the token.
pub(super) fn name_of_entry(concert: ScheduleId, user: UserId) -> Uuid {
    compose(concert.get(), ENTRY_KIND, user.get())
}

fn compose(schedule: i64, kind: u128, number: i64) -> Uuid {
    let [schedule, number] = [schedule, number].map(|n| u128::from(n.unsigned_abs()));
    Uuid::from_u128((schedule << SCHEDULE_SHIFT) | (kind << KIND_SHIFT) | VERSION_8 | number)
}

#[cfg(test)]
mod tests {
    use onsale_common::ids::MAX_SCHEDULE_ID;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_and_a_number_are_one_to_one(number in 1..=MAX_ID) {
            let name = name_of(SeatId::new(number));
            prop_assert_eq!((name.get_version_num(), name.get_variant()), (8, uuid::Variant::RFC4122));
            prop_assert_eq!(named(name), Ok(SeatId::new(number)));
            prop_assert_eq!(named::<ScheduleId>(name), Err(Code::ConcertNotFound));
            prop_assert_eq!(named::<ReservationId>(name), Err(Code::ReservationNotFound));
            prop_assert_eq!(named::<PaymentId>(name), Err(Code::PaymentNotFound));
        }

        #[test]
        fn what_is_named_has_that_name(bits in any::<u128>(), flipped in 0_u32..128, number in 1..=MAX_ID) {
            let near = name_of(ReservationId::new(number)).as_u128() ^ (1 << flipped);
            for name in [bits, near].map(Uuid::from_u128) {
                if let Ok(reservation) = named::<ReservationId>(name) {
                    prop_assert_eq!(name_of(reservation), name);
                }
            }
        }

        #[test]
        fn entries_have_names_of_their_own(schedule in 1..=MAX_SCHEDULE_ID, user in 1..=MAX_ID) {
            let name = name_of_entry(ScheduleId::new(schedule), UserId::new(user)).as_u128();
            prop_assert_eq!((name >> SCHEDULE_SHIFT) as i64, schedule);
            prop_assert_eq!((name & ((1 << 62) - 1)) as i64, user);
            prop_assert!(named::<ScheduleId>(Uuid::from_u128(name)).is_err());
        }
    }

    #[test]
    fn nothing_has_number_zero() {
        assert_eq!(named::<ScheduleId>(name_of(ScheduleId::SERVICE_WIDE)), Err(Code::ConcertNotFound));
        assert_eq!(named::<SeatId>(Uuid::nil()), Err(Code::SeatNotFound));
    }
}
