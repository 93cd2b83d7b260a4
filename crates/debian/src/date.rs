use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in UTC with a resolution of one second, from 1970 to 9999.
///
/// Written as RFC 3339: `2026-07-11T10:16:37Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(u64);

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Date {
    /// The moment of a clock; before 1970 counts as 1970, after 9999 as the last second of 9999.
    pub fn from_system_time(time: SystemTime) -> Self {
        const LAST: u64 = 253_402_300_799;
        Self(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LAST))
    }

    /// This moment as the clock says it.
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0)
    }

    /// `hours` later.
    pub(crate) const fn plus_hours(self, hours: u64) -> Self {
        Self(self.0 + hours * 3600)
    }

    /// Reads the form of Release files: `Sat, 11 Jul 2026 10:16:37 UTC`.
    pub(crate) fn from_release(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (_weekday, day, month) = (words.next()?, words.next()?, words.next()?);
        let (year, time, zone) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || !matches!(zone, "UTC" | "GMT" | "Z" | "+0000") {
            return None;
        }
        let month = 1 + MONTHS.iter().position(|name| *name == month)? as u64;
        Self::new(number(year, 4)?, month, number(day, day.len().clamp(1, 2))?, time)
    }

    /// `20260711T101637Z`, as snapshot archives name a moment.
    pub(crate) fn compact(self) -> String {
        self.to_string().replace(['-', ':'], "")
    }

    fn new(year: u64, month: u64, day: u64, time: &str) -> Option<Self> {
        let mut parts = time.split(':');
        let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
        let second = number(parts.next()?, 2)?;
        let is_real = (1970..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1;
        if parts.next().is_some() || !is_real || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days_before(year, month);
        let month_length = if month == 12 { 31 } else { days_before(year, month + 1) - days };
        (day <= month_length)
            .then_some(Self((days + day - 1) * 86400 + hour * 3600 + minute * 60 + second.min(59)))
    }
}

/// Days from 1970-01-01 to the first of a month.
fn days_before(year: u64, month: u64) -> u64 {
    const DAYS: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days = |until: u64| until / 4 - until / 100 + until / 400;
    let is_leap = leap_days(year) != leap_days(year - 1);
    let in_year = DAYS[(month as usize - 1).min(11)] + u64::from(is_leap && month > 2);
    (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + in_year
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86400, self.0 % 86400);
        // Never too late: no year is shorter than 365 days.
        let mut year = 1970 + days / 366;
        while days_before(year + 1, 1) <= days {
            year += 1;
        }
        let month = (2..=12).rev().find(|month| days_before(year, *month) <= days).unwrap_or(1);
        let day = days - days_before(year, month) + 1;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl FromStr for Date {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
            let mut parts = date.split('-');
            let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
            let is_date = parts.next().is_none();
            is_date.then(|| Self::new(number(year, 4)?, number(month, 2)?, number(day, 2)?, time)).flatten()
        };
        read().ok_or("a date looks like `2026-07-11T10:16:37Z`")
    }
}

impl serde::Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn date_formats_are_equal() {
        for (release, rfc3339, seconds) in [
            ("Sat, 11 Jul 2026 10:16:37 UTC", "2026-07-11T10:16:37Z", 1_783_764_997),
            ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z", 0),
            ("Thu, 29 Feb 2024 23:59:59 +0000", "2024-02-29T23:59:59Z", 1_709_251_199),
            ("Fri, 31 Dec 9999 23:59:59 UTC", "9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            let date = Date::from_release(release).expect(release);
            assert_eq!(date.0, seconds);
            assert_eq!(date.to_string(), rfc3339);
            assert_eq!(rfc3339.parse(), Ok(date));
        }
    }

    #[test]
    fn days_that_never_were_are_refused() {
        for text in [
            "2025-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01",
            "1969-12-31T23:59:59Z",
            "",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text} was read");
        }
        assert_eq!(Date::from_release("Sat, 11 Jul 2026 10:16:37 CEST"), None);
    }

    proptest! {
        #[test]
        fn every_second_survives_the_round_trip(seconds in 0u64..253_402_300_800) {
            let date = Date(seconds);
            prop_assert_eq!(date.to_string().parse(), Ok(date));
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in ".{0,40}") {
            let _ = text.parse::<Date>();
            let _ = Date::from_release(&text);
        }
    }
}
