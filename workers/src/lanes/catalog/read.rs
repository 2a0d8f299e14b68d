//! Reading the catalog. Fans ask for the same few things at the same time: each is loaded and written once for all who
//! ask for it in a batch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;
use onsale_common::contract::catalog::{ConcertPage, ConcertView, PlannedSchedule, SeatFilter};
use onsale_common::contract::page::{PAGE_LIMIT_DEFAULT, cursor_after};
use onsale_common::contract::{Code, Command, Envelope, Outcome, Rejection};
use onsale_common::ids::{ConcertId, ScheduleId, SeatId, UserId};
use onsale_common::time::Time;
use sqlx::PgConnection;

use super::seats::Seats;
use super::{CatalogLane, seat_map, views};
use crate::domain::schedule::Schedule;
use crate::failure::Failure;
use crate::lanes::callers::Callers;
use crate::sorted::sorted;
use crate::store::catalog::concerts::{self, ConcertsAsked};
use crate::store::catalog::{schedules, seat_maps};

/// Bytes that the different answers to one batch hold at most: hundreds of large seat maps would not fit into the memory of
/// a small machine. Callers beyond it are told to ask again.
const ANSWERS_BYTES_MAX: usize = 64 << 20;

/// Something to be answered; what is equal is answered with the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Question {
    Concerts { page: ConcertsAsked, with_schedules: bool },
    Concert { id: ConcertId, with_schedules: bool },
    Schedules { concert: ConcertId, from: Option<NaiveDate>, to: Option<NaiveDate> },
    Seats { schedule: ScheduleId, filter: SeatFilter },
    SomeSeats { caller: UserId, seats: Vec<SeatId> },
}

/// Settles reads.
pub(super) async fn settle(lane: &CatalogLane, commands: &[Arc<Envelope>]) -> Result<Vec<Outcome>, Failure> {
    let mut db = lane.pool.acquire().await?;
    let now = Time::now();
    let callers = Callers::read(&mut db, commands.iter().map(|command| &**command)).await?;
    let shelf = Shelf::load(&mut db, commands, now).await?;
    let questions: Vec<Result<Question, Rejection>> =
        commands.iter().map(|command| shelf.question(command, &callers, now)).collect();
    let distinct: HashSet<Question> = questions.iter().flatten().cloned().collect();
    let answers = shelf.answers(&mut db, distinct, now).await?;
    db.give_back();
    let answer = |question: Question| {
        let json = answers.get(&question).ok_or(Code::Overloaded)?;
        Ok(Outcome { ok: true, json: json.clone() })
    };
    Ok(questions.into_iter().map(|question| question.and_then(answer).into()).collect())
}

/// The concerts and schedules that a batch asks about.
struct Shelf {
    pages: HashMap<ConcertsAsked, Vec<ConcertId>>,
    concerts: HashMap<ConcertId, ConcertView>,
    /// By date.
    schedules: Vec<Schedule>,
    seats: Seats,
}

impl Shelf {
    async fn load(db: &mut PgConnection, commands: &[Arc<Envelope>], now: Time) -> Result<Self, Failure> {
        let (mut pages, mut planned) = (HashSet::new(), HashSet::new());
        let (mut of_concerts, mut schedule_ids) = (Vec::new(), Vec::new());
        let (mut concert_ids, mut seat_ids) = (Vec::new(), Vec::new());
        for command in commands {
            match &command.command {
                Command::ListConcerts(list) => {
                    let page = page(list.limit, list.cursor.as_deref());
                    pages.insert(page);
                    if list.with_schedules {
                        planned.insert(page);
                    }
                }
                Command::GetConcert(get) if get.with_schedules => of_concerts.push(get.concert_id.get()),
                Command::GetConcert(get) => concert_ids.push(get.concert_id.get()),
                Command::GetSeats(get) => seat_ids.extend(get.seat_ids.as_slice().iter().map(|seat| seat.get())),
                Command::ListSchedules(list) => of_concerts.push(list.concert_id.get()),
                Command::ListSeats(list) => {
                    concert_ids.extend(list.concert_id.map(ConcertId::get));
                    schedule_ids.push(list.schedule_id.get());
                }
                _ => {}
            }
        }
        let pages: Vec<ConcertsAsked> = pages.into_iter().collect();
        let found = concerts::pages(db, &pages).await?;
        for (page, concerts) in pages.iter().zip(&found) {
            let ids = if planned.contains(page) { &mut of_concerts } else { &mut concert_ids };
            ids.extend(concerts);
        }
        let seats = Seats::load(db, &sorted(seat_ids), now).await?;
        schedule_ids.extend(seats.schedules());
        let schedules = schedules::read(db, &sorted(schedule_ids), &sorted(of_concerts.clone())).await?;
        concert_ids.extend(of_concerts);
        concert_ids.extend(schedules.iter().map(|schedule| schedule.concert.get()));
        let concerts = concerts::read(db, &sorted(concert_ids)).await?;
        let ids = |found: Vec<i64>| found.into_iter().map(ConcertId::new).collect();
        Ok(Self {
            pages: pages.into_iter().zip(found.into_iter().map(ids)).collect(),
            concerts: concerts.into_iter().map(|concert| (concert.concert_id, concert)).collect(),
            schedules,
            seats,
        })
    }

    /// What a command asks, once it may: the token, then what it names, then whether the token opens it.
    fn question(&self, command: &Envelope, callers: &Callers, now: Time) -> Result<Question, Rejection> {
        let demand_concert = |id| self.concerts.get(&id).map(drop).ok_or(Code::ConcertNotFound);
        match &command.command {
            Command::ListConcerts(list) => {
                let page = page(list.limit, list.cursor.as_deref());
                Ok(Question::Concerts { page, with_schedules: list.with_schedules })
            }
            Command::GetConcert(get) => {
                demand_concert(get.concert_id)?;
                Ok(Question::Concert { id: get.concert_id, with_schedules: get.with_schedules })
            }
            Command::ListSchedules(list) => {
                callers.live(command, now)?;
                demand_concert(list.concert_id)?;
                Ok(Question::Schedules { concert: list.concert_id, from: list.from_date, to: list.to_date })
            }
            Command::ListSeats(list) => {
                let caller = callers.live(command, now)?;
                list.concert_id.map_or(Ok(()), demand_concert)?;
                let of_concert = |found: &&Schedule| list.concert_id.is_none_or(|concert| found.concert == concert);
                let schedule = self.schedule(list.schedule_id).filter(of_concert);
                let schedule = schedule.ok_or(Code::ScheduleNotFound)?.id;
                caller.demand_schedule(schedule)?;
                Ok(Question::Seats { schedule, filter: list.status })
            }
            Command::GetSeats(get) => {
                let caller = callers.live(command, now)?;
                let seats = get.seat_ids.as_slice();
                self.seats.demand_exist(seats)?;
                seats.iter().try_for_each(|seat| caller.demand_schedule(seat.schedule()))?;
                Ok(Question::SomeSeats { caller: caller.user, seats: seats.to_vec() })
            }
            _ => Err(Code::Internal.into()),
        }
    }

    fn schedule(&self, id: ScheduleId) -> Option<&Schedule> {
        self.schedules.iter().find(|schedule| schedule.id == id)
    }

    fn between(&self, concert: ConcertId, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Vec<&Schedule> {
        let wanted = |schedule: &&Schedule| {
            let date = schedule.performance_date;
            schedule.concert == concert && from.is_none_or(|from| date >= from) && to.is_none_or(|to| date <= to)
        };
        self.schedules.iter().filter(wanted).collect()
    }

    async fn answers(
        &self,
        db: &mut PgConnection,
        questions: HashSet<Question>,
        now: Time,
    ) -> Result<HashMap<Question, Arc<str>>, Failure> {
        let counted = questions.iter().flat_map(|question| self.counted(question)).map(ScheduleId::get).collect();
        let available: HashMap<ScheduleId, u64> =
            seat_maps::available(db, &sorted(counted), now).await?.into_iter().collect();
        let planned = |schedule: &Schedule| views::planned(schedule, available[&schedule.id], now);
        let (mut answers, mut bytes) = (HashMap::with_capacity(questions.len()), 0);
        for question in questions {
            if bytes > ANSWERS_BYTES_MAX {
                break;
            }
            let json = match &question {
                Question::Concerts { page, with_schedules } => {
                    let mut page = self.concert_page(*page);
                    for concert in page.concerts.iter_mut().filter(|_| *with_schedules) {
                        *concert = self.with_schedules(concert.concert_id, planned);
                    }
                    json(&page)
                }
                Question::Concert { id, with_schedules: true } => json(&self.with_schedules(*id, planned)),
                Question::Concert { id, .. } => json(&self.concerts[id]),
                Question::Schedules { concert, from, to } => {
                    let view = |schedule: &Schedule| views::schedule(schedule, available[&schedule.id], now);
                    json(&self.between(*concert, *from, *to).into_iter().map(view).collect::<Vec<_>>())
                }
                // One query for each map: its rows arrive in order, and are written as they do.
                Question::Seats { schedule, filter } => {
                    let schedule = self.schedule(*schedule).expect("the question was about a schedule that exists");
                    seat_map::write(db, schedule, *filter, now).await?.into()
                }
                Question::SomeSeats { caller, seats } => json(&self.seats.in_context(seats, *caller, |id| {
                    let schedule = self.schedule(id).expect("a seat's schedule exists");
                    (planned(schedule), self.concerts[&schedule.concert].clone())
                })),
            };
            bytes += json.len();
            answers.insert(question, json);
        }
        Ok(answers)
    }

    /// The schedules whose free seats an answer tells.
    fn counted(&self, question: &Question) -> Vec<ScheduleId> {
        let of_concert = |id: ConcertId| self.between(id, None, None).into_iter().map(|schedule| schedule.id);
        match question {
            Question::Schedules { concert, from, to } => {
                self.between(*concert, *from, *to).into_iter().map(|schedule| schedule.id).collect()
            }
            Question::Concerts { page, with_schedules: true } => {
                self.pages[page].iter().copied().flat_map(of_concert).collect()
            }
            Question::Concert { id, with_schedules: true } => of_concert(*id).collect(),
            Question::SomeSeats { seats, .. } => seats.iter().map(|seat| seat.schedule()).collect(),
            Question::Concerts { .. } | Question::Concert { .. } | Question::Seats { .. } => Vec::new(),
        }
    }

    fn with_schedules(&self, id: ConcertId, planned: impl Fn(&Schedule) -> PlannedSchedule) -> ConcertView {
        let schedules = self.between(id, None, None).into_iter().map(planned).collect();
        ConcertView { schedules: Some(schedules), ..self.concerts[&id].clone() }
    }

    fn concert_page(&self, asked: ConcertsAsked) -> ConcertPage {
        let limit = asked.limit as usize - 1;
        let ids = self.pages.get(&asked).map_or(&[][..], Vec::as_slice);
        let shown = &ids[..limit.min(ids.len())];
        let next_cursor = if ids.len() > limit { shown.last().map(ToString::to_string) } else { None };
        ConcertPage { concerts: shown.iter().filter_map(|id| self.concerts.get(id)).cloned().collect(), next_cursor }
    }
}

fn page(limit: Option<u32>, cursor: Option<&str>) -> ConcertsAsked {
    // One more than asked tells whether there is a next page.
    ConcertsAsked { after: cursor_after(cursor).unwrap_or(0), limit: limit.unwrap_or(PAGE_LIMIT_DEFAULT) + 1 }
}

fn json(view: &impl serde::Serialize) -> Arc<str> {
    Outcome::done(view).json
}
