//! Sizes and spans of time as people write them.

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
    parse(text, SIZES).ok_or_else(|| "write a size like `10GiB` or `500MB`".to_owned())
}

/// As [`parse_size`], or `none`. A limit of nothing is refused: some programs take it for no limit, others for no room.
pub(crate) fn parse_limit(text: &str) -> Result<Limit, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Limit(None));
    }
    match parse(text, SIZES) {
        Some(0) => Err("nothing fits into no bytes: write a size above it, or `none` for no limit".into()),
        Some(size) => Ok(Limit(Some(size))),
        None => Err("write a size like `10GiB` or `500MB`, or `none`".into()),
    }
}

/// `30d`, `12h`, `2w`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let refuse = || "write a time like `30d`, `12h` or `90s`".to_owned();
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

/// A size in bytes that may not be exceeded, or no such size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<u64>);

/// How long something may be unused, or no such time.
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
    // Three digits are enough for anybody, and keep floating point away.
    let fraction: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(*factor)?.checked_add(factor * fraction / 1000)
}

/// A number of things for people: `1 layer`, `7 layers`.
pub(crate) fn things(count: impl TryInto<u64>, thing: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    }
}

/// A number of bytes for people: `17.3 MB`.
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
    fn sizes_are_read_as_people_write_them() {
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
    fn times_have_units() {
        assert_eq!(parse_time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_time("1.5h"), Ok(Duration::from_secs(5400)));
        for text in ["", "30", "d", "1y", "-1d"] {
            assert!(parse_time(text).is_err(), "{text} was read");
        }
    }

    #[test]
    fn no_limit_is_a_word_and_not_a_number() {
        assert_eq!(parse_limit("none"), Ok(Limit(None)));
        assert_eq!(parse_limit("1GB"), Ok(Limit(Some(1_000_000_000))));
        for text in ["0", "0MB", "0.0GiB"] {
            assert!(parse_limit(text).unwrap_err().contains("`none` for no limit"), "{text}");
        }
        assert_eq!(parse_age("none"), Ok(Age(None)));
        assert_eq!(parse_age("1w"), Ok(Age(Some(Duration::from_secs(604_800)))));
    }

    #[test]
    fn sizes_are_short() {
        for (count, expected) in [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (17_300_000, "17.3 MB")] {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn one_thing_is_not_many() {
        let told = [0_u64, 1, 2].map(|count| things(count, "layer"));
        assert_eq!(told, ["0 layers", "1 layer", "2 layers"]);
    }
}
