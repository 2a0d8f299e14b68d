//! Query strings: each parameter that the endpoint knows, once.

use std::borrow::Cow;
use std::str::FromStr;

use chrono::NaiveDate;
use onsale_common::contract::Rejection;

/// Parameters of one request at most; no endpoint knows as many.
const PARAMETERS_MAX: usize = 16;

/// The parameters that the endpoint has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Query<'r>(Vec<(Cow<'r, str>, Cow<'r, str>)>);

impl<'r> Query<'r> {
    /// Splits and decodes a query string.
    ///
    /// # Errors
    /// `INVALID_REQUEST` when there are too many parameters.
    pub(crate) fn parse(text: &'r str) -> Result<Self, Rejection> {
        let mut parameters = Vec::new();
        for parameter in form_urlencoded::parse(text.as_bytes()) {
            if parameters.len() == PARAMETERS_MAX {
                return Err(Rejection::invalid_field("query", "has too many parameters"));
            }
            parameters.push(parameter);
        }
        Ok(Self(parameters))
    }

    /// Takes the text of a parameter.
    ///
    /// # Errors
    /// `INVALID_REQUEST` when it is given twice.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<Cow<'r, str>>, Rejection> {
        let at = |query: &Self| query.0.iter().position(|(known, _)| known == name);
        let text = at(self).map(|first| self.0.swap_remove(first).1);
        if at(self).is_some() {
            return Err(Rejection::invalid_field(name, "is given twice"));
        }
        Ok(text)
    }

    /// Takes a parameter that is a whole number; its range is the command's to check.
    ///
    /// # Errors
    /// `INVALID_REQUEST` that names it.
    pub(crate) fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Rejection> {
        let number = |text: Cow<'_, str>| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        self.text(name)?
            .map(|text| number(text).ok_or_else(|| Rejection::invalid_field(name, "must be a whole number")))
            .transpose()
    }

    /// Takes a parameter that is a day.
    ///
    /// # Errors
    /// `INVALID_REQUEST` that names it.
    pub(crate) fn date(&mut self, name: &str) -> Result<Option<NaiveDate>, Rejection> {
        let day = |text: Cow<'_, str>| {
            // The parser would also take unpadded numbers and spaces.
            let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            plain.then(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()).flatten()
        };
        self.text(name)?
            .map(|text| day(text).ok_or_else(|| Rejection::invalid_field(name, "must be a day as in 2026-01-31")))
            .transpose()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `INVALID_REQUEST` that names every parameter that nobody took.
    pub(crate) fn finish(&self) -> Result<(), Rejection> {
        if self.0.is_empty() {
            return Ok(());
        }
        let faults = self.0.iter().map(|(name, _)| (name.to_string(), "is not a parameter of this request".into()));
        Err(Rejection::of(onsale_common::contract::Code::InvalidRequest)
            .with("fields", faults.collect::<serde_json::Map<_, _>>()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(rejection: &Rejection) -> Vec<&String> {
        rejection.details["fields"].as_object().unwrap().keys().collect()
    }

    #[test]
    fn parameters_are_decoded_and_taken_once() {
        let mut query = Query::parse("limit=20&cursor=a%20b%2B&fromDate=2026-01-31").unwrap();
        assert_eq!(query.number::<u32>("limit"), Ok(Some(20)));
        assert_eq!(query.text("cursor").unwrap().as_deref(), Some("a b+"));
        assert_eq!(query.date("fromDate"), Ok(NaiveDate::from_ymd_opt(2026, 1, 31)));
        assert_eq!(query.date("toDate"), Ok(None));
        assert_eq!(query.finish(), Ok(()));
    }

    #[test]
    fn faults_name_their_parameter() {
        for bad in ["2026-1-31", "2026-02-30", "20260131", "", "tomorrow", " 2026-1-3 "] {
            let text = format!("toDate={bad}");
            assert_eq!(fields(&Query::parse(&text).unwrap().date("toDate").unwrap_err()), ["toDate"], "{bad}");
        }
        for bad in ["-1", "+1", "1.5", "", "4294967296"] {
            let text = format!("limit={bad}");
            assert_eq!(fields(&Query::parse(&text).unwrap().number::<u32>("limit").unwrap_err()), ["limit"], "{bad}");
        }
        for twice in ["limit=1&limit=2", "limit=1&a=3&limit=1"] {
            assert_eq!(fields(&Query::parse(twice).unwrap().number::<u32>("limit").unwrap_err()), ["limit"], "{twice}");
        }
        assert_eq!(fields(&Query::parse("x=1&y").unwrap().finish().unwrap_err()), ["x", "y"]);
    }

    proptest! {
        #[test]
        fn no_query_panics(text in ".*") {
            if let Ok(mut query) = Query::parse(&text) {
                let _ = query.date("a");
                let _ = query.number::<u32>("b");
                let _ = query.finish();
            }
        }
    }
}
