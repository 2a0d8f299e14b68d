//! `/compat/bearer`: the design whose queue token travels in `Authorization: Bearer`.

use crate::dialect::Dialect;
use crate::v1;

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    name: "bearer",
    title: "Onsale: bearer",
    about: "the design whose queue token travels in `Authorization: Bearer`.",
    mount: "/compat/bearer",
    groups: &[],
    ..v1::DIALECT
};
