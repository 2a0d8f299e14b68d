//! `/compat/cookie`: the design whose queue token travels in a cookie.

use crate::dialect::Dialect;
use crate::v1;

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    name: "cookie",
    title: "Onsale: cookie",
    about: "the design whose queue token travels in a cookie.",
    mount: "/compat/cookie",
    groups: &[],
    ..v1::DIALECT
};
