//! `/compat/bearer`.
