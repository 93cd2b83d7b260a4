//! Dates as servers and certificates give them, in seconds since 1970.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, "IMF-fixdate"); anything else is `None`.
pub(crate) fn read_http(text: &str) -> Option<u64> {
    let (_, text) = text.trim().split_once(", ")?;
    let fields: Vec<&str> = text.split(' ').collect();
    let [day, month, year, time, "GMT"] = fields[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<u64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = clock[..] else { return None };
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_before(year, month) * 86_400 + (day - 1) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Writes `1994-11-06 08:49 UTC`.
pub(crate) fn show(seconds: u64) -> String {
    let days = seconds / 86_400;
    // A date beyond the year 9999 is only shown, so the nearest one will do.
    let year = (1970..=9999).rev().find(|year| days_before(*year, 0) <= days).unwrap_or(1970);
    let month = (0..12).rev().find(|month| days_before(year, *month) <= days).unwrap_or(0);
    let day = days - days_before(year, month) + 1;
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{year:04}-{:02}-{day:02} {hour:02}:{minute:02} UTC", month + 1)
}

/// The days from 1970-01-01 to the first day of a month (0 is January), Gregorian.
fn days_before(year: u64, month: usize) -> u64 {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let is_leap = leap_days(year) != leap_days(year - 1);
    let this_year = BEFORE[month] + u64::from(is_leap && month > 1);
    (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + this_year
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_date_matches_rfc_example() {
        assert_eq!(read_http("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(show(784_111_777), "1994-11-06 08:49 UTC");
        assert_eq!(show(951_782_400), "2000-02-29 00:00 UTC");
    }

    #[test]
    fn invalid_date_is_rejected() {
        for text in [
            "",
            "soon",
            "Sun, 06 Nov 1994",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999999 0:0:0 GMT",
        ] {
            assert_eq!(read_http(text), None, "{text}");
        }
    }
}
