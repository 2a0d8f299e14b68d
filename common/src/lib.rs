//! What every Onsale process shares: the contract (typed commands, replies and rejections, no I/O), ids and money,
//! the broker (topology, supervised connection, bundling client), configuration, telemetry and shutdown.

pub mod amqp;
pub mod asyncapi;
pub mod config;
pub mod contract;
pub mod ids;
pub mod lock;
pub mod login;
pub mod money;
pub mod ops;
pub mod shutdown;
pub mod telemetry;
pub mod time;

/// The allocator of every Onsale process. A request makes many small allocations, some of them freed by another thread
/// than the one that made them; the system's allocator took a sixth of ingress' own time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
