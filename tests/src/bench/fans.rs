//! The fans of the scenarios: what each asks, and what answer contents it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};
use uuid::Uuid;

use super::connection::Reply;
use super::load::{Fan, Heard};
use crate::seat;

/// A count that fans share.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    /// Counts one more; gives its number, from 0.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// How many were counted.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Somebody who has joined a schedule's waiting room.
#[derive(Debug, Clone, Copy)]
pub struct Joined {
    /// The user.
    pub user: i64,
    /// The schedule.
    pub schedule: i64,
    /// The queue token.
    pub token: Uuid,
}

impl<F: Fan + ?Sized> Fan for Box<F> {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        (**self).ask(request)
    }
    fn hear(&mut self, reply: Reply<'_>) -> Result<Heard> {
        (**self).hear(reply)
    }
}

/// Reads one path again and again.
pub struct Reader {
    /// The whole request.
    pub request: Arc<[u8]>,
    /// What the body must contain.
    pub says: &'static str,
}

impl Reader {
    /// A reader of `path`, with a queue token where one is needed.
    pub fn of(path: &str, token: Option<Uuid>, says: &'static str) -> Self {
        let token = token.map(|token| format!("queue-token: {token}\r\n")).unwrap_or_default();
        Self { request: format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{token}\r\n").into_bytes().into(), says }
    }
}

impl Fan for Reader {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        request.extend_from_slice(&self.request);
        true
    }
    fn hear(&mut self, reply: Reply<'_>) -> Result<Heard> {
        // The words come early in every body that is read here.
        let beginning = &reply.body[..reply.body.len().min(200)];
        expect(reply, reply.status == 200 && find(beginning, self.says.as_bytes()).is_some())
    }
}

/// Joins waiting rooms: one user after the other.
pub struct Joiner {
    /// Whose turn it is.
    pub turns: Count,
    /// The users: `first_user + turn`, up to this many.
    pub users: u64,
    /// The first of them.
    pub first_user: i64,
    /// The rooms, in turn.
    pub schedules: Arc<[i64]>,
    /// Who has joined, by this fan.
    pub joined: tokio::sync::mpsc::UnboundedSender<Joined>,
    /// Who asks now.
    pub asking: (i64, i64),
}

impl Fan for Joiner {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        let turn = self.turns.next();
        if turn >= self.users {
            return false;
        }
        let schedule = self.schedules[turn as usize % self.schedules.len()];
        self.asking = (self.first_user + turn as i64, schedule);
        let body = format!("{{\"userId\":{},\"scheduleId\":{schedule}}}", self.asking.0);
        post(request, "/api/v1/queue/tokens", None, &body);
        true
    }
    fn hear(&mut self, reply: Reply<'_>) -> Result<Heard> {
        let token = (reply.status == 200).then(|| text_after(reply.body, b"\"token\":\"")).flatten();
        match token.and_then(|token| token.parse().ok()) {
            Some(token) => {
                let (user, schedule) = self.asking;
                // Nobody listens where only the rate counts.
                let _ = self.joined.send(Joined { user, schedule, token });
                Ok(Heard::Done)
            }
            None => unexpected(reply),
        }
    }
}

/// Polls queue tokens, one after the other.
pub struct Poller {
    /// The tokens.
    pub joined: Arc<Vec<Joined>>,
    /// Where this fan is among them.
    pub at: usize,
}

impl Fan for Poller {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        // A stride that is prime to the number of tokens but for bad luck: neighbours are not polled together.
        self.at = (self.at + 7919) % self.joined.len();
        let token = self.joined[self.at].token;
        write!(request, "GET /api/v1/queue/tokens/{token} HTTP/1.1\r\nhost: bench\r\n\r\n").expect("memory");
        true
    }
    fn hear(&mut self, reply: Reply<'_>) -> Result<Heard> {
        expect(reply, reply.status == 200 && find(reply.body, b"\"queuePosition\":").is_some())
    }
}

/// People who have joined, to hold a seat of their own each, and what they were told of it.
#[derive(Debug, Clone)]
pub struct Crowd {
    /// The people.
    pub joined: Arc<Vec<Joined>>,
    /// Between how many schedules they alternate: one after the other has another schedule, and every round another seat.
    pub schedules: u64,
    turns: Count,
    /// Holds that somebody was told of.
    pub held: Count,
    /// Payments that somebody was told of.
    pub paid: Count,
}

impl Crowd {
    /// A crowd of people who joined, in the order in which their schedules alternate.
    pub fn new(joined: Vec<Joined>, schedules: u64) -> Self {
        let [turns, held, paid] = [(); 3].map(|()| Count::default());
        Self { joined: Arc::new(joined), schedules, turns, held, paid }
    }

    /// Somebody who holds for one after the other of them, and pays where it should.
    pub fn holder(&self, pays: bool) -> Holder {
        Holder { crowd: self.clone(), pays, unpaid: None, asking: None, may_be_refused: false }
    }
}

/// Holds a seat for each of a crowd in turn, and pays it where it should.
pub struct Holder {
    crowd: Crowd,
    pays: bool,
    /// The reservation to pay.
    unpaid: Option<(Joined, i64)>,
    /// Who asks now.
    asking: Option<Joined>,
    may_be_refused: bool,
}

impl Holder {
    /// Takes a full system's refusals for a part of the scenario.
    #[must_use]
    pub fn may_be_refused(self) -> Self {
        Self { may_be_refused: true, ..self }
    }
}

impl Fan for Holder {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        if let Some((joined, reservation)) = self.unpaid {
            let body =
                format!("{{\"reservationId\":{reservation},\"paymentMethod\":\"BALANCE\",\"userId\":{}}}", joined.user);
            post(request, "/api/v1/payments", Some(joined.token), &body);
            return true;
        }
        let turn = self.crowd.turns.next();
        let Some(joined) = self.crowd.joined.get(turn as usize).copied() else { return false };
        let number = 1 + (turn / self.crowd.schedules) as i64;
        let body = format!(
            "{{\"scheduleId\":{},\"seatIds\":[{}],\"userId\":{}}}",
            joined.schedule,
            seat(joined.schedule, number),
            joined.user
        );
        post(request, "/api/v1/reservations", Some(joined.token), &body);
        self.asking = Some(joined);
        true
    }
    fn hear(&mut self, reply: Reply<'_>) -> Result<Heard> {
        if reply.status == 503 && self.may_be_refused {
            return Ok(Heard::Refused);
        }
        if reply.status != 201 {
            return unexpected(reply);
        }
        if self.unpaid.take().is_some() {
            self.crowd.paid.next();
            return expect(reply, find(reply.body, b"\"COMPLETED\"").is_some());
        }
        let (Some(reservation), Some(joined)) = (number_after(reply.body, b"\"reservationId\":"), self.asking) else {
            return unexpected(reply);
        };
        self.crowd.held.next();
        if self.pays {
            self.unpaid = Some((joined, reservation));
            return Ok(Heard::Step);
        }
        Ok(Heard::Done)
    }
}

/// Charges balances, one after the other.
pub struct Charger {
    /// Whose turn it is.
    pub turns: Count,
    /// Whose balances, again and again.
    pub joined: Arc<Vec<Joined>>,
    /// Charges that somebody was told of.
    pub charged: Count,
}

impl Fan for Charger {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        let joined = self.joined[self.turns.next() as usize % self.joined.len()];
        let path = format!("/api/v1/users/{}/balance/charge", joined.user);
        post(request, &path, Some(joined.token), "{\"amount\":1000}");
        true
    }
    fn hear(&mut self, reply: Reply<'_>) -> Result<Heard> {
        self.charged.next();
        expect(reply, reply.status == 200 && find(reply.body, b"\"transactionId\":").is_some())
    }
}

/// Wants one of the first so many seats, once.
pub struct Contender {
    /// Who it is.
    pub joined: Joined,
    /// The seat's number.
    pub seat_number: i64,
    /// Whether it has asked.
    pub asked: bool,
}

impl Fan for Contender {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        let Joined { user, schedule, token } = self.joined;
        let wanted = seat(schedule, self.seat_number);
        let body = format!("{{\"scheduleId\":{schedule},\"seatIds\":[{wanted}],\"userId\":{user}}}");
        post(request, "/api/v1/reservations", Some(token), &body);
        !std::mem::replace(&mut self.asked, true)
    }
    fn hear(&mut self, reply: Reply<'_>) -> Result<Heard> {
        match reply.status {
            201 => Ok(Heard::Done),
            409 if find(reply.body, b"\"SEAT_TAKEN\"").is_some() => Ok(Heard::Refused),
            _ => unexpected(reply),
        }
    }
}

fn post(request: &mut Vec<u8>, path: &str, token: Option<Uuid>, body: &str) {
    write(request, "POST", path, token, body);
}

/// Writes a request with a JSON body.
pub fn write(request: &mut Vec<u8>, method: &str, path: &str, token: Option<Uuid>, body: &str) {
    write!(
        request,
        "{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    )
    .expect("memory");
    if let Some(token) = token {
        write!(request, "queue-token: {token}\r\n").expect("memory");
    }
    write!(request, "\r\n{body}").expect("memory");
}

fn expect(reply: Reply<'_>, content: bool) -> Result<Heard> {
    if content { Ok(Heard::Done) } else { unexpected(reply) }
}

fn unexpected(reply: Reply<'_>) -> Result<Heard> {
    let body = String::from_utf8_lossy(&reply.body[..reply.body.len().min(500)]);
    bail!("an answer that was not expected: {} {body}", reply.status)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// The text up to the next quote.
fn text_after<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t str> {
    let rest = &text[find(text, prefix)? + prefix.len()..];
    std::str::from_utf8(&rest[..find(rest, b"\"")?]).ok()
}

/// The whole number that follows.
fn number_after(text: &[u8], prefix: &[u8]) -> Option<i64> {
    let rest = &text[find(text, prefix)? + prefix.len()..];
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_answers() {
        let body = br#"{"data":{"token":"a-b","reservationId":42,"x":1}}"#;
        assert_eq!(text_after(body, b"\"token\":\""), Some("a-b"));
        assert_eq!(number_after(body, b"\"reservationId\":"), Some(42));
        assert_eq!(number_after(body, b"\"none\":"), None);
    }

    #[test]
    fn a_payer_pays_what_it_held() {
        let joined = Joined { user: 7, schedule: 1, token: Uuid::nil() };
        let crowd = Crowd::new(vec![joined], 1);
        let mut fan = crowd.holder(true);
        let mut request = Vec::new();
        assert!(fan.ask(&mut request));
        assert!(String::from_utf8_lossy(&request).contains("\"seatIds\":[536870913]"));
        let held = Reply { status: 201, body: br#"{"reservationId":9,"#.as_slice() };
        assert_eq!(fan.hear(held).unwrap(), Heard::Step);
        request.clear();
        assert!(fan.ask(&mut request));
        assert!(String::from_utf8_lossy(&request).contains("\"reservationId\":9"));
        assert_eq!(fan.hear(Reply { status: 201, body: b"\"COMPLETED\"" }).unwrap(), Heard::Done);
        assert_eq!((crowd.held.get(), crowd.paid.get()), (1, 1));
        assert!(!fan.ask(&mut request));
        assert!(fan.hear(Reply { status: 500, body: b"" }).is_err());
    }
}
