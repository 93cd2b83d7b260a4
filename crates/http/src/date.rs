//! Dates as servers and certificates give them, in seconds since 1970.

use std::time::UNIX_EPOCH;

use wainwright_oci::rfc3339;

/// Reads a date in one of the three forms of RFC 9110, 5.6.7 (`Sun, 06 Nov 1994 08:49:37 GMT`); anything else is `None`.
pub(crate) fn read_http(text: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Writes `1994-11-06 08:49 UTC`.
pub(crate) fn show(seconds: u64) -> String {
    let text = rfc3339(seconds);
    format!("{} {} UTC", &text[..10], &text[11..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_date_matches_rfc_example() {
        assert_eq!(read_http("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(read_http("Sunday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(read_http("Sun Nov  6 08:49:37 1994"), Some(784_111_777));
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
