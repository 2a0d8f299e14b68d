//! One file for each command.

pub(crate) mod change;
pub(crate) mod down;
pub(crate) mod install;
pub(crate) mod servers;
pub(crate) mod up;
mod watch;
