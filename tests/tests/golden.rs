//! Golden samples of the wire: whatever changes how a command, a reply or a rejection is written fails here.
//!
//! Each line of a file is one message, byte for byte. A sample is changed by hand, and only together with the contract.

use std::collections::HashSet;
use std::path::PathBuf;

use onsale_common::contract::account::{
    BalanceView, ChargeView, LedgerPage, LoginView, ReservationPage, UseView, UserView,
};
use onsale_common::contract::admission::TokenView;
use onsale_common::contract::catalog::{ConcertPage, ConcertView, ManagedScheduleView, ScheduleView, SeatMap};
use onsale_common::contract::payment::PaymentView;
use onsale_common::contract::reservation::ReservationView;
use onsale_common::contract::{Code, CommandName, Envelope, Outcome, Rejection, Reply};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn golden(path: &str) -> Vec<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{path} has no sample");
    lines
}

fn written(outcome: &Outcome, reply: &Reply<'_>) -> String {
    let mut json = Vec::new();
    outcome.write_reply(reply.id, &mut json);
    String::from_utf8(json).expect("JSON is UTF-8")
}

/// A reply's data, read as what it should be and written again.
fn again<T: Serialize + DeserializeOwned>(data: &str) -> Outcome {
    Outcome::done(&serde_json::from_str::<T>(data).unwrap_or_else(|error| panic!("{data}: {error}")))
}

fn reread(command: CommandName, data: &str) -> Outcome {
    use CommandName as C;
    match command {
        C::IssueToken | C::GetToken => again::<TokenView>(data),
        C::LeaveQueue | C::ReleaseReservation => again::<serde_json::Map<String, serde_json::Value>>(data),
        C::HoldSeats | C::GetReservation => again::<ReservationView>(data),
        C::Pay | C::GetPayment => again::<PaymentView>(data),
        C::CreateUser => again::<UserView>(data),
        C::LogIn => again::<LoginView>(data),
        C::ChargeBalance => again::<ChargeView>(data),
        C::UseBalance => again::<UseView>(data),
        C::GetBalance => again::<BalanceView>(data),
        C::ListLedger => again::<LedgerPage>(data),
        C::ListReservations => again::<ReservationPage>(data),
        C::ListConcerts => again::<ConcertPage>(data),
        C::GetConcert | C::CreateConcert => again::<ConcertView>(data),
        C::ListSchedules => again::<Vec<ScheduleView>>(data),
        C::ListSeats => again::<SeatMap>(data),
        C::CreateSchedule | C::UpdateSchedule => again::<ManagedScheduleView>(data),
    }
}

#[test]
fn every_command_is_read_and_written_as_in_its_samples() {
    for name in CommandName::ALL {
        for sample in golden(&format!("commands/{}.jsonl", name.as_str())) {
            let envelope = Envelope::decode(&sample).unwrap_or_else(|fault| panic!("{sample}: {fault:?}"));
            assert_eq!(envelope.command.name(), *name);
            assert_eq!(String::from_utf8(envelope.encode()).unwrap(), sample);
        }
    }
}

#[test]
fn every_reply_is_read_and_written_as_in_its_samples() {
    for name in CommandName::ALL {
        for sample in golden(&format!("replies/{}.jsonl", name.as_str())) {
            let reply: Reply<'_> = serde_json::from_str(&sample).unwrap();
            assert!(reply.ok, "{sample}");
            let data = reply.data.unwrap_or_else(|| panic!("{sample} has no data")).get();
            assert_eq!(written(&reread(*name, data), &reply), sample);
        }
    }
}

#[test]
fn every_rejection_is_read_and_written_as_in_its_sample() {
    let mut seen = HashSet::new();
    for sample in golden("rejections.jsonl") {
        let reply: Reply<'_> = serde_json::from_str(&sample).unwrap();
        let rejection = reply.error.clone().unwrap_or_else(|| panic!("{sample} has no error"));
        assert_eq!(written(&Outcome::rejected(&rejection), &reply), sample);
        assert_eq!(rejection.message, Rejection::of(rejection.code).message, "the sentence of a code changed");
        seen.insert(rejection.code);
    }
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no sample of {missing:?}");
}
