//! The demo data. What is there is left as it is: loading it again changes nothing.

use std::time::Duration;

use chrono::{Datelike, Days, Months, NaiveDate, NaiveTime};
use onsale_common::contract::catalog::{NewRow, NewSeats, NewSection};
use onsale_common::ids::{ConcertId, ScheduleId};
use onsale_common::money::Money;
use onsale_common::time::Time;
use sqlx::{PgConnection, PgPool};

use super::catalog::concerts;
use super::catalog::schedules::{self, NewSchedule};
use crate::failure::Failure;
