//! The words of a control file: fields, versions, and who may replace whom (deb-control(5), deb-version(7)).

use std::cmp::Ordering;

/// One field of the first paragraph, on one line; `None` when it is absent.
pub(super) fn field<'a>(control: &'a str, name: &str) -> Option<&'a str> {
    control.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Whether the value of a `Replaces` field covers a package.
pub(super) fn replaces(field: &str, package: &str, version: &str) -> bool {
    field.split(',').any(|relation| {
        let (name, bound) = match relation.split_once('(') {
            Some((name, bound)) => (name, Some(bound.trim().trim_end_matches(')'))),
            None => (relation, None),
        };
        let name = name.trim().split(':').next().unwrap_or("");
        name == package && bound.is_none_or(|bound| fits(bound, version))
    })
}

/// Whether a version follows a bound such as `<< 1:2.3~`. A bound that cannot be read covers nothing.
fn fits(bound: &str, version: &str) -> bool {
    let split = bound.find(|letter: char| !"<>=".contains(letter)).unwrap_or(bound.len());
    let (operator, wanted) = bound.split_at(split);
    let order = compare(version, wanted.trim());
    match operator {
        "<<" => order.is_lt(),
        "<=" | "<" => order.is_le(),
        "=" => order.is_eq(),
        ">=" | ">" => order.is_ge(),
        ">>" => order.is_gt(),
        _ => false,
    }
}

/// Compares two versions: epoch, upstream version, revision (deb-version(7), "Sorting algorithm").
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let parts = |version: &str| -> (u64, String, String) {
        let (epoch, rest) = match version.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, version),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream.to_owned(), revision.to_owned())
    };
    let (left, right) = (parts(left), parts(right));
    left.0
        .cmp(&right.0)
        .then_with(|| compare_part(left.1.as_bytes(), right.1.as_bytes()))
        .then_with(|| compare_part(left.2.as_bytes(), right.2.as_bytes()))
}

/// Letters before other signs, `~` before everything and even before the end; digits by their number.
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(digit) if digit.is_ascii_digit() => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    let is_text = |part: &[u8]| part.first().is_some_and(|byte| !byte.is_ascii_digit());
    while !left.is_empty() || !right.is_empty() {
        while is_text(left) || is_text(right) {
            let order = weight(left.first()).cmp(&weight(right.first()));
            if order.is_ne() {
                return order;
            }
            (left, right) = (left.get(1..).unwrap_or(&[]), right.get(1..).unwrap_or(&[]));
        }
        let (first, second) = (take_number(&mut left), take_number(&mut right));
        let order = first.len().cmp(&second.len()).then_with(|| first.cmp(second));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes the digits at the start, without leading zeros.
fn take_number<'a>(part: &mut &'a [u8]) -> &'a [u8] {
    let end = part.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(part.len());
    let (number, rest) = part.split_at(end);
    *part = rest;
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_dpkg_sorts_them() {
        let sorted = [
            "1.0~rc1-1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1.1",
            "1.0a-1",
            "1.0+dfsg-1",
            "1.9-1",
            "1.10-1",
            "1.10-1+deb12u1",
            "1:0.1-1",
        ];
        let mut shuffled = sorted;
        shuffled.sort_unstable();
        assert_ne!(shuffled, sorted, "bytes sort alike, so this test could not fail");
        shuffled.sort_by(|left, right| compare(left, right));
        assert_eq!(shuffled, sorted);
        assert_eq!(compare("1.002-1", "1.2-1"), Ordering::Equal);
    }

    #[test]
    fn replaces_respects_version_bound() {
        let field = "libc6-amd64, libpython3.13-stdlib (<< 3.13.1-3~), mime-support:any (<= 3)";
        assert!(replaces(field, "libc6-amd64", "9"));
        assert!(replaces(field, "libpython3.13-stdlib", "3.13.0-1"));
        assert!(!replaces(field, "libpython3.13-stdlib", "3.13.5-2"));
        assert!(replaces(field, "mime-support", "3"));
        assert!(!replaces(field, "libc6", "2.36"));
    }

    #[test]
    fn fields_are_read_from_the_first_paragraph() {
        let control = "Package: a\nDescription: b\n Version: no\nversion: 1\n\nSource: other\n";
        assert_eq!(field(control, "Version"), Some("1"));
        assert_eq!(field(control, "Source"), None);
    }
}
