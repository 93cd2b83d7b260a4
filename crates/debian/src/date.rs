use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use wainwright_oci::rfc3339;

/// A moment in UTC with a resolution of one second, from 1970 to 9999.
///
/// Written as RFC 3339: `2026-07-11T10:16:37Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(u64);

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

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
        let (_weekday, date) = text.trim().split_once(char::is_whitespace)?;
        let (date, zone) = date.rsplit_once(char::is_whitespace)?;
        matches!(zone, "UTC" | "GMT" | "Z" | "+0000").then(|| Self::read("%d %b %Y %H:%M:%S", date)).flatten()
    }

    /// `20260711T101637Z`, as snapshot archives name a moment.
    pub(crate) fn compact(self) -> String {
        self.to_string().replace(['-', ':'], "")
    }

    fn read(form: &str, text: &str) -> Option<Self> {
        let date = DateTime::strptime(form, text).ok()?;
        u64::try_from(date.duration_since(EPOCH).as_secs()).ok().map(Self)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339(self.0))
    }
}

impl FromStr for Date {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `strptime` would also read fewer digits, blanks and signs; a lock file has one spelling only.
        let is_canonical = text.len() == 20
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b':' | b'T' | b'Z'));
        let date = is_canonical.then(|| Self::read("%Y-%m-%dT%H:%M:%SZ", text)).flatten();
        date.ok_or("a date looks like `2026-07-11T10:16:37Z`")
    }
}

wainwright_python::serde_as_text!(Date);

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
            "2026-1-01T00:00:00Z",
            "+2026-1-01T00:00:00Z",
            "2026-01-01T00:00: 0Z",
            "-2026-1-01T00:00:00Z",
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
