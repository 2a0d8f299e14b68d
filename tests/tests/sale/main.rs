//! Onsale from outside, on real servers. Every sale ends with the audit.

mod amqp;
mod api;
mod asyncapi;
mod attempts;
mod audit;
mod callers;
mod conditions;
mod endings;
mod events;
mod faults;
mod finding;
mod holds;
mod hostile;
mod locks;
mod organiser;
mod outages;
mod races;
mod room;
mod rows;
mod seat_locks;
mod service_room;
