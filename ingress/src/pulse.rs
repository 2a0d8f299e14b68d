//! How long each connection has been quiet, felt by one watchdog for all of them, and what the watchdog then tells the
//! connection. A request sets no timer and takes no lock that other connections share: hyper's own header timeout costs a
//! timer for each request, and treats a kept-alive connection as a slow one.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use onsale_common::lock::lock;
use tokio::time::MissedTickBehavior;

/// Nothing is asked, or an answer is on its way out.
const IDLE: u8 = 0;
/// The first bytes of a request are here, its headers not all.
const HEAD: u8 = 1;
/// A request is worked on; its own timeouts bound it.
const BUSY: u8 = 2;

/// No order.
const GO_ON: u8 = 0;
const LEAVE: u8 = 1;
const END: u8 = 2;

/// What a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Answer what was asked, then close.
    Leave,
    /// Close: it has been quiet for too long.
    End,
}

/// How long a connection has been quiet, and in which phase.
#[derive(Default)]
pub(crate) struct Pulse {
    phase: AtomicU8,
    quiet_ticks: AtomicU32,
    order: AtomicU8,
    connection: AtomicWaker,
}

impl Pulse {
    /// Says that a request is worked on, until the guard is dropped.
    pub(crate) fn busy(self: Arc<Self>) -> Busy {
        self.enter(BUSY);
        Busy(self)
    }

    /// Bytes of a request came.
    pub(crate) fn has_read(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE {
            self.enter(HEAD);
        }
    }

    /// Bytes of an answer went.
    pub(crate) fn has_written(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE {
            self.quiet_ticks.store(0, Ordering::Relaxed);
        }
    }

    /// Waits for an order of the watchdog.
    pub(crate) async fn order(&self) -> Order {
        poll_fn(|cx| self.poll_order(cx)).await
    }

    fn poll_order(&self, cx: &mut Context<'_>) -> Poll<Order> {
        // Before the look: an order given in between wakes.
        self.connection.register(cx.waker());
        if self.order.load(Ordering::Acquire) == GO_ON {
            return Poll::Pending;
        }
        match self.order.swap(GO_ON, Ordering::AcqRel) {
            END => Poll::Ready(Order::End),
            LEAVE => Poll::Ready(Order::Leave),
            _ => Poll::Pending,
        }
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::Relaxed);
        self.quiet_ticks.store(0, Ordering::Relaxed);
    }

    /// Counts a tick; true when the connection has been quiet for longer than its phase allows.
    fn tick(&self, tick: Duration, header_timeout: Duration, idle_timeout: Duration) -> bool {
        let quiet = tick * self.quiet_ticks.fetch_add(1, Ordering::Relaxed);
        match self.phase.load(Ordering::Relaxed) {
            HEAD => quiet > header_timeout,
            IDLE => quiet > idle_timeout,
            _ => false,
        }
    }

    fn give(&self, order: u8) {
        self.order.fetch_max(order, Ordering::AcqRel);
        self.connection.wake();
    }
}

/// A request that is worked on.
pub(crate) struct Busy(Arc<Pulse>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(IDLE);
    }
}

/// Feels the pulses of all connections.
pub(crate) struct Watchdog {
    pulses: Mutex<Vec<Weak<Pulse>>>,
    header_timeout: Duration,
    idle_timeout: Duration,
}

impl Watchdog {
    /// A watchdog that ends connections whose headers take longer than the first, or that ask nothing for longer than
    /// the second, each met within half of the shorter one.
    pub(crate) fn new(header_timeout: Duration, idle_timeout: Duration) -> Self {
        Self { pulses: Mutex::default(), header_timeout, idle_timeout }
    }

    /// The pulse of a new connection.
    pub(crate) fn watch(&self) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::default());
        lock(&self.pulses).push(Arc::downgrade(&pulse));
        pulse
    }

    /// Feels the pulses as long as it is polled.
    pub(crate) async fn run(&self) {
        let period = self.header_timeout.min(self.idle_timeout) / 4;
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.each(|pulse| {
                if pulse.tick(period, self.header_timeout, self.idle_timeout) {
                    pulse.give(END);
                }
            });
        }
    }

    /// Tells every connection to leave.
    pub(crate) fn dismiss(&self) {
        self.each(|pulse| pulse.give(LEAVE));
    }

    /// Does something with every connection that is still open, and forgets the others.
    fn each(&self, act: impl Fn(&Pulse)) {
        lock(&self.pulses).retain(|pulse| pulse.upgrade().inspect(|pulse| act(pulse)).is_some());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_connection_may_be_quiet_as_long_as_its_phase_allows() {
        let pulse = Arc::new(Pulse::default());
        let second = Duration::from_secs(1);
        let quiet = |pulse: &Pulse, ticks: u32| (0..ticks).any(|_| pulse.tick(second, second * 5, second * 60));
        assert!(!quiet(&pulse, 61));
        assert!(quiet(&pulse, 1), "idle for over a minute");
        pulse.has_written();
        assert!(!quiet(&pulse, 61), "the answer goes on");
        pulse.enter(IDLE);
        pulse.has_read();
        assert!(!quiet(&pulse, 4));
        pulse.has_read();
        assert!(quiet(&pulse, 3), "a trickle of headers is not a sign of life");
        let busy = pulse.clone().busy();
        assert!(!quiet(&pulse, 1000));
        drop(busy);
        assert!(!quiet(&pulse, 61));
    }

    #[test]
    fn an_order_is_given_once_and_the_graver_one_counts() {
        let watchdog = Watchdog::new(Duration::from_secs(5), Duration::from_secs(60));
        let pulse = watchdog.watch();
        assert_eq!(pulse.order().now_or_never(), None);
        watchdog.dismiss();
        assert_eq!(pulse.order().now_or_never(), Some(Order::Leave));
        assert_eq!(pulse.order().now_or_never(), None);
        pulse.give(END);
        watchdog.dismiss();
        assert_eq!(pulse.order().now_or_never(), Some(Order::End));
        drop(pulse);
        watchdog.dismiss();
        assert!(watchdog.pulses.lock().unwrap().is_empty(), "a closed connection is forgotten");
    }

    #[tokio::test]
    async fn an_order_wakes_the_connection() {
        let watchdog = Watchdog::new(Duration::from_millis(40), Duration::from_millis(40));
        let pulse = watchdog.watch();
        tokio::select! {
            order = pulse.order() => assert_eq!(order, Order::End),
            () = watchdog.run() => {}
        }
    }
}
