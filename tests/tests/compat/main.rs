//! The dialects of the four other designs, from outside, on real servers: a test for each endpoint and each error that a
//! design names, written from the design's text.

mod bearer;
mod cookie;
mod login;
mod reservation_token;
mod root;
