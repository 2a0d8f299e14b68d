//! `/compat/login`.
