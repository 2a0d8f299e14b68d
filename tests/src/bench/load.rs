//! Load: many fans at once, closed loop (each asks again as soon as it is answered) or open loop (requests arrive at their
//! time, whether or not earlier ones are answered).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::connection::{Connection, Reply};
use super::cpu;

/// Longest time that the histogram tells apart.
const LATENCY_MAX_US: u64 = 120_000_000;

/// A fan at one connection: what it asks next, and whether it is content with the answer.
pub trait Fan: Send + 'static {
    /// Writes the next request; false when there is nothing left to ask.
    fn ask(&mut self, request: &mut Vec<u8>) -> bool;

    /// Looks at the answer; whether it completes one of what is counted.
    ///
    /// # Errors
    /// What is wrong with the answer: it ends the measurement.
    fn hear(&mut self, reply: Reply<'_>) -> Result<Heard>;
}

/// What an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It completes one of what is counted.
    Done,
    /// A step on the way there.
    Step,
    /// A refusal that the scenario expects.
    Refused,
}

/// What became of a load.
#[derive(Debug, Clone)]
pub struct Run {
    /// What was counted within the window.
    pub done: u64,
    /// The same, before and after the window too.
    pub answered: u64,
    /// Refusals within the window.
    pub refused: u64,
    /// The window.
    pub seconds: f64,
    /// Times of the requests that were done, in microseconds.
    pub latency_us: Histogram<u64>,
    /// Times of the refusals.
    pub refusal_us: Histogram<u64>,
    /// The part of all processors' time that the generator took.
    pub generator_share: f64,
}

impl Run {
    /// How many were done in a second.
    pub fn per_second(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// A percentile of the latency, in milliseconds.
    pub fn ms_at(&self, percentile: f64) -> f64 {
        self.latency_us.value_at_percentile(percentile) as f64 / 1000.0
    }
}

/// How long fans are watched.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// What is not counted at the start.
    pub warm_up: Duration,
    /// What is counted.
    pub counted: Duration,
}

/// One answered request: when it was answered, how long it took, what it was.
struct Sample {
    at: Instant,
    took: Duration,
    heard: Heard,
}

/// Lets every fan ask one request after the other, until the window ends or nobody has anything left to ask.
///
/// # Errors
/// When a connection breaks, or a fan is not content.
pub async fn closed<F: Fan>(address: &str, fans: Vec<F>, window: Window) -> Result<Run> {
    let connections = connect(address, fans.len()).await?;
    let (started, own) = (Instant::now(), cpu::own_seconds());
    let (from, end) = (started + window.warm_up, started + window.warm_up + window.counted);
    let mut tasks = JoinSet::new();
    for (mut fan, mut connection) in fans.into_iter().zip(connections) {
        tasks.spawn(async move {
            let (mut samples, mut request) = (Vec::with_capacity(256), Vec::with_capacity(512));
            let mut sent = Instant::now();
            while sent < end {
                request.clear();
                if !fan.ask(&mut request) {
                    break;
                }
                let heard = fan.hear(connection.ask(&request).await?)?;
                let at = Instant::now();
                samples.push(Sample { at, took: at - sent, heard });
                sent = at;
            }
            anyhow::Ok(samples)
        });
    }
    let samples = gather(&mut tasks).await?;
    // Where everything was asked before the window's end, the window ends with the last answer.
    let last = samples.iter().map(|sample| sample.at).max().unwrap_or(end);
    Ok(count(&samples, from, last.min(end), share_since(started, own)))
}

/// How often free connections are told of requests that have arrived; so much of a latency may be the generator's own.
const ARRIVALS_EVERY: Duration = Duration::from_millis(1);

/// Requests that arrive one after the other at their time, and connections that are free to send them.
struct Arrivals {
    started: Instant,
    end: Instant,
    per_second: f64,
    /// How many were handed to a connection. Those after them that are due by now are late.
    handed_out: u64,
    /// Whoever was answered last is asked first, so that no more connections are in use than the load needs.
    free: Vec<oneshot::Sender<Instant>>,
}

/// What a connection is to do that is free.
enum Turn {
    /// To send the request that was due then.
    Send(Instant),
    /// To wait for one.
    Wait(oneshot::Receiver<Instant>),
    /// Nothing more.
    End,
}

impl Arrivals {
    /// When the next request was due, if it is by now: its own time and not the one at which it is handed out, so that a
    /// generator that is kept from its processor does not hide that.
    fn next_due(&mut self, now: Instant) -> Option<Instant> {
        let due = self.started + Duration::from_secs_f64(self.handed_out as f64 / self.per_second);
        if due > now {
            return None;
        }
        self.handed_out += 1;
        Some(due)
    }

    /// What a connection does next that is free now.
    fn turn(&mut self, now: Instant) -> Turn {
        if now >= self.end {
            return Turn::End;
        }
        if let Some(due) = self.next_due(now) {
            return Turn::Send(due);
        }
        let (sender, receiver) = oneshot::channel();
        self.free.push(sender);
        Turn::Wait(receiver)
    }

    /// Hands out what is due to those that wait; whether there is time for more.
    fn hand_out(&mut self, now: Instant) -> bool {
        if now >= self.end {
            self.free.clear();
            return false;
        }
        while let Some(connection) = self.free.pop() {
            let Some(due) = self.next_due(now) else {
                self.free.push(connection);
                break;
            };
            // It waits for as long as there is time.
            let _ = connection.send(due);
        }
        true
    }
}

/// Requests arrive `per_second`, at as many connections as there are fans, which are kept open. A request whose time has
/// come while every connection waits is late, and its lateness counts as latency.
///
/// # Errors
/// As [`closed`].
pub async fn open<F: Fan>(address: &str, fans: Vec<F>, per_second: f64, window: Window) -> Result<Run> {
    let connections = connect(address, fans.len()).await?;
    let (started, own) = (Instant::now(), cpu::own_seconds());
    let (from, end) = (started + window.warm_up, started + window.warm_up + window.counted);
    let arrivals = Arrivals { started, end, per_second, handed_out: 0, free: Vec::new() };
    let arrivals = Arc::new(Mutex::new(arrivals));
    let mut tasks = JoinSet::new();
    for (mut fan, mut connection) in fans.into_iter().zip(connections) {
        let arrivals = arrivals.clone();
        tasks.spawn(async move {
            let (mut samples, mut request) = (Vec::new(), Vec::with_capacity(512));
            while let Some(due) = arrival(&arrivals).await {
                request.clear();
                if !fan.ask(&mut request) {
                    break;
                }
                let heard = fan.hear(connection.ask(&request).await?)?;
                let at = Instant::now();
                samples.push(Sample { at, took: at - due, heard });
            }
            anyhow::Ok(samples)
        });
    }
    let arriving = tokio::spawn(arrive(arrivals));
    let samples = gather(&mut tasks).await?;
    arriving.await?;
    Ok(count(&samples, from, end, share_since(started, own)))
}

/// Lets requests arrive until the end.
async fn arrive(arrivals: Arc<Mutex<Arrivals>>) {
    let mut ticks = tokio::time::interval(ARRIVALS_EVERY);
    loop {
        ticks.tick().await;
        if !lock(&arrivals).hand_out(Instant::now()) {
            return;
        }
    }
}

/// When the next request was due that a free connection is to send; none when the time is over.
async fn arrival(arrivals: &Mutex<Arrivals>) -> Option<Instant> {
    let turn = {
        let mut arrivals = lock(arrivals);
        // The time is read under the lock: nobody begins to wait after the last look at who waits.
        arrivals.turn(Instant::now())
    };
    match turn {
        Turn::Send(due) => Some(due),
        Turn::Wait(for_it) => for_it.await.ok(),
        Turn::End => None,
    }
}

fn lock(arrivals: &Mutex<Arrivals>) -> MutexGuard<'_, Arrivals> {
    arrivals.lock().expect("nobody panics while holding it")
}

async fn connect(address: &str, count: usize) -> Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(Connection::open(address).await?);
    }
    Ok(connections)
}

async fn gather(tasks: &mut JoinSet<Result<Vec<Sample>>>) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        samples.extend(ended??);
    }
    if samples.is_empty() {
        bail!("nothing was asked");
    }
    Ok(samples)
}

fn share_since(started: Instant, own_seconds: f64) -> f64 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    (cpu::own_seconds() - own_seconds) / started.elapsed().as_secs_f64() / processors
}

/// An empty histogram of microseconds.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("bounds that are in order")
}

fn count(samples: &[Sample], from: Instant, end: Instant, generator_share: f64) -> Run {
    let mut run = Run {
        done: 0,
        answered: samples.iter().filter(|sample| sample.heard == Heard::Done).count() as u64,
        refused: 0,
        seconds: end.saturating_duration_since(from).as_secs_f64(),
        latency_us: histogram(),
        refusal_us: histogram(),
        generator_share,
    };
    for sample in samples.iter().filter(|sample| sample.at >= from && sample.at <= end) {
        let us = (sample.took.as_micros() as u64).clamp(1, LATENCY_MAX_US);
        match sample.heard {
            Heard::Done => {
                run.done += 1;
                run.latency_us.saturating_record(us);
            }
            Heard::Step => run.latency_us.saturating_record(us),
            Heard::Refused => {
                run.refused += 1;
                run.refusal_us.saturating_record(us);
            }
        }
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_due_at_its_own_time_however_late_it_is_handed_out() {
        let started = Instant::now();
        let after = |ms: u64| started + Duration::from_millis(ms);
        let mut arrivals = Arrivals { started, end: after(100), per_second: 1000.0, handed_out: 0, free: Vec::new() };
        for ms in 0..=2 {
            let Turn::Send(due) = arrivals.turn(after(2)) else { panic!("the request of {ms} ms is late") };
            assert_eq!(due, after(ms));
        }
        let (Turn::Wait(mut first), Turn::Wait(mut last)) = (arrivals.turn(after(2)), arrivals.turn(after(2))) else {
            panic!("nothing more is due");
        };
        assert!(arrivals.hand_out(after(3)));
        assert_eq!((first.try_recv().ok(), last.try_recv().ok()), (None, Some(after(3))));
        assert!(!arrivals.hand_out(after(100)));
        assert!(first.try_recv().is_err());
        assert!(matches!(arrivals.turn(after(100)), Turn::End));
    }
}
