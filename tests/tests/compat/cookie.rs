//! `/compat/cookie`.
