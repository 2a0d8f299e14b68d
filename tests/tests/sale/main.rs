//! Onsale from outside, on real servers. Every sale ends with the audit.

mod amqp;
mod api;
mod asyncapi;
mod audit;
mod endings;
mod events;
mod faults;
mod holds;
mod hostile;
mod locks;
mod organiser;
mod outages;
mod races;
mod room;
mod rows;
