//! The dialects of four other designs of the same system: each translates its requests to the commands and their replies
//! to its own words, so that its clients work unchanged. The rules of the sale are the workers'.

pub(crate) mod bearer;
mod concerts;
pub(crate) mod cookie;
mod decimal;
pub(crate) mod login;
pub(crate) mod reservation_token;
mod seat;
mod zoneless;
