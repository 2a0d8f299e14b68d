//! `/compat/login`: the design whose callers log in and whose ids are UUIDs.

use crate::dialect::Dialect;
use crate::v1;

/// The dialect.
pub(crate) static DIALECT: Dialect = Dialect {
    name: "login",
    title: "Onsale: login",
    about: "the design whose callers log in and whose ids are UUIDs.",
    mount: "/compat/login",
    groups: &[],
    ..v1::DIALECT
};
