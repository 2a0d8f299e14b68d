//! Reads configuration from the environment: every fault is collected, so that start-up can say all of them at once.

use std::fmt::{Display, Write as _};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// Where a value comes from: the process environment, or a table in tests.
type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// A reader of `ONSALE_…` variables that remembers what was wrong and what was read.
pub struct Env {
    lookup: Lookup,
    faults: Vec<String>,
    report: String,
}

/// Configuration that the process cannot start with.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not usable:\n{0}")]
pub struct ConfigError(String);

impl Default for Env {
    fn default() -> Self {
        Self::from_process()
    }
}

impl Env {
    /// Reads from the environment of this process.
    pub fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads from anything that knows variables by name.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { lookup: Box::new(lookup), faults: Vec::new(), report: String::new() }
    }

    fn raw(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    /// A number within a range.
    pub fn number<T: FromStr + PartialOrd + Display + Copy>(
        &mut self,
        name: &str,
        default: T,
        range: RangeInclusive<T>,
    ) -> T {
        let value = match self.raw(name) {
            None => default,
            Some(text) => match text.trim().parse::<T>() {
                Ok(value) if range.contains(&value) => value,
                _ => {
                    let (least, most) = (range.start(), range.end());
                    self.faults.push(format!("  {name} is {text:?}; it must be a number from {least} to {most}"));
                    default
                }
            },
        };
        let _ = write!(self.report, " {name}={value}");
        value
    }

    /// A duration given in whole seconds.
    pub fn seconds(&mut self, name: &str, default_s: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(name, default_s, range))
    }

    /// A duration given in whole milliseconds.
    pub fn millis(&mut self, name: &str, default_ms: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(name, default_ms, range))
    }

    /// A text that must be given; its value is not reported.
    pub fn required_secret(&mut self, name: &str, meaning: &str) -> String {
        let value = self.secret(name);
        if value.is_none() {
            self.faults.push(format!("  {name} is missing: {meaning}"));
        }
        value.unwrap_or_default()
    }

    /// A text that may be given; only whether it was is reported.
    pub fn secret(&mut self, name: &str) -> Option<String> {
        let value = self.raw(name);
        let _ = write!(self.report, " {name}={}", if value.is_some() { "(set)" } else { "(not set)" });
        value
    }

    /// A value that is parsed, with a default.
    pub fn parsed<T: FromStr<Err: Display> + Display>(&mut self, name: &str, default: T) -> T {
        let value = match self.raw(name) {
            None => default,
            Some(text) => text.parse().unwrap_or_else(|error| {
                self.faults.push(format!("  {name} is {text:?}: {error}"));
                default
            }),
        };
        let _ = write!(self.report, " {name}={value}");
        value
    }

    /// A value that is parsed where it is given.
    pub fn optional<T: FromStr<Err: Display> + Display>(&mut self, name: &str) -> Option<T> {
        let text = self.raw(name)?;
        match text.parse::<T>() {
            Ok(value) => {
                let _ = write!(self.report, " {name}={value}");
                Some(value)
            }
            Err(error) => {
                self.faults.push(format!("  {name} is {text:?}: {error}"));
                None
            }
        }
    }

    /// Adds a fault that a rule across several variables found.
    pub fn fault(&mut self, sentence: impl Into<String>) {
        self.faults.push(format!("  {}", sentence.into()));
    }

    /// What was read, without secrets, to be logged at start.
    pub fn report(&self) -> &str {
        self.report.trim_start()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every fault found, a line each.
    pub fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.faults.is_empty() { Ok(value) } else { Err(ConfigError(self.faults.join("\n"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&str, &str)]) -> Env {
        Env::from_lookup(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    #[test]
    fn every_fault_is_said_at_once_and_secrets_are_not() {
        let mut env = env(&[("A", "0"), ("S", "hush")]);
        env.number("A", 1_u16, 1..=9);
        env.required_secret("B", "the URL of the broker");
        env.required_secret("S", "a secret");
        assert!(!env.report().contains("hush"));
        let said = env.finish(()).unwrap_err().to_string();
        assert!(said.contains("A is \"0\"; it must be a number from 1 to 9"), "{said}");
        assert!(said.contains("B is missing: the URL of the broker"), "{said}");
        assert!(!said.contains("hush"));
    }
}
