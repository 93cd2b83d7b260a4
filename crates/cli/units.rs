//! Sizes and durations: parsing and display.

use std::time::Duration;

const SIZES: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

const TIMES: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 7 * 86_400)];

/// `10GiB`, `1.5 GB`, `500MB`; a number alone is bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, SIZES).ok_or_else(|| "not a size; use for example `10GiB` or `500MB`".to_owned())
}

/// As [`parse_size`], or `none`. A limit of 0 is rejected: some programs read it as no limit, others as no space.
pub(crate) fn parse_limit(text: &str) -> Result<Limit, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Limit(None));
    }
    match parse(text, SIZES) {
        Some(0) => Err("the limit must be above 0; use `none` for no limit".into()),
        Some(size) => Ok(Limit(Some(size))),
        None => Err("not a size; use for example `10GiB` or `500MB`, or `none`".into()),
    }
}

/// `30d`, `12h`, `2w`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let refuse = || "not a duration; use for example `30d`, `12h` or `90s`".to_owned();
    parse(text, TIMES).map(Duration::from_secs).ok_or_else(refuse)
}

/// As [`parse_time`], or `none`.
pub(crate) fn parse_age(text: &str) -> Result<Age, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Age(None));
    }
    let refuse = |message: String| format!("{message}, or `none`");
    parse_time(text).map(|time| Age(Some(time))).map_err(refuse)
}

/// A maximum size in bytes, or no maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<u64>);

/// A maximum time since the last use, or no maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(pub(crate) Option<Duration>);

/// A number, perhaps with a decimal fraction, and a unit.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Three digits are enough, and avoid floating point.
    let fraction: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(*factor)?.checked_add(factor * fraction / 1000)
}

/// A count with a noun: `1 layer`, `7 layers`.
pub(crate) fn things(count: impl TryInto<u64>, thing: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    }
}

/// A number of bytes, like `17.3 MB`.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_size_reads_decimal_and_binary_units() {
        for (text, expected) in [
            ("0", 0),
            ("4096", 4096),
            ("10GiB", 10 << 30),
            ("500MB", 500_000_000),
            ("1.5 gb", 1_500_000_000),
            ("2kB", 2000),
            ("7 B", 7),
        ] {
            assert_eq!(parse_size(text), Ok(expected), "{text}");
        }
        for text in ["", "GiB", "-1", "1e9", "10G", "ten", "1.2.3GB", "99999999999TiB", "1.GiB.", "٣GB"] {
            assert!(parse_size(text).is_err(), "{text} was read");
        }
    }

    #[test]
    fn parse_time_demands_a_unit() {
        assert_eq!(parse_time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_time("1.5h"), Ok(Duration::from_secs(5400)));
        for text in ["", "30", "d", "1y", "-1d"] {
            assert!(parse_time(text).is_err(), "{text} was read");
        }
    }

    #[test]
    fn parse_limit_reads_none_and_rejects_zero() {
        assert_eq!(parse_limit("none"), Ok(Limit(None)));
        assert_eq!(parse_limit("1GB"), Ok(Limit(Some(1_000_000_000))));
        for text in ["0", "0MB", "0.0GiB"] {
            assert!(parse_limit(text).unwrap_err().contains("`none` for no limit"), "{text}");
        }
        assert_eq!(parse_age("none"), Ok(Age(None)));
        assert_eq!(parse_age("1w"), Ok(Age(Some(Duration::from_secs(604_800)))));
    }

    #[test]
    fn bytes_has_at_most_two_decimals() {
        for (count, expected) in [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (17_300_000, "17.3 MB")] {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn things_has_a_singular() {
        let texts = [0_u64, 1, 2].map(|count| things(count, "layer"));
        assert_eq!(texts, ["0 layers", "1 layer", "2 layers"]);
    }
}
