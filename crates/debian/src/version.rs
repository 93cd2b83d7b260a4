use std::cmp::Ordering;

/// Compares two Debian versions as dpkg does (deb-version(7), Debian policy 5.6.12).
///
/// `[epoch:]upstream[-revision]`: epochs by number, then upstream and revision as alternating runs of letters and digits, where
/// `~` sorts before everything, even the end. `1.0` and `0:1.00-0` are equal although they are spelled differently.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a_rest) = split_epoch(a);
    let (b_epoch, b_rest) = split_epoch(b);
    let (a_upstream, a_revision) = split_revision(a_rest);
    let (b_upstream, b_revision) = split_revision(b_rest);
    compare_numbers(a_epoch.as_bytes(), b_epoch.as_bytes())
        .then_with(|| compare_part(a_upstream, b_upstream))
        .then_with(|| compare_part(a_revision, b_revision))
}

/// The part of a version its authors chose: without epoch and Debian revision.
pub(crate) fn upstream(version: &str) -> &str {
    split_revision(split_epoch(version).1).0
}

fn split_epoch(version: &str) -> (&str, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
        _ => ("", version),
    }
}

fn split_revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (a_word, a_rest) = split_where(a, |byte| byte.is_ascii_digit());
        let (b_word, b_rest) = split_where(b, |byte| byte.is_ascii_digit());
        let (a_number, a_next) = split_where(a_rest, |byte| !byte.is_ascii_digit());
        let (b_number, b_next) = split_where(b_rest, |byte| !byte.is_ascii_digit());
        let order = compare_words(a_word, b_word).then_with(|| compare_numbers(a_number, b_number));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_next, b_next);
    }
    Ordering::Equal
}

fn split_where(bytes: &[u8], stop: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(stop).unwrap_or(bytes.len());
    bytes.split_at(at)
}

/// Runs without digits: `~` before the end, the end before letters, letters before anything else.
fn compare_words(a: &[u8], b: &[u8]) -> Ordering {
    fn weight(byte: Option<&u8>) -> i16 {
        match byte {
            Some(b'~') => -1,
            None => 0,
            Some(letter) if letter.is_ascii_alphabetic() => i16::from(*letter),
            Some(other) => i16::from(*other) + 256,
        }
    }
    (0..a.len().max(b.len()))
        .map(|at| weight(a.get(at)).cmp(&weight(b.get(at))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Runs of digits of any length: without leading zeros the longer one is larger.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let trim = |digits: &[u8]| digits.iter().position(|d| *d != b'0').unwrap_or(digits.len());
    let (a, b) = (&a[trim(a)..], &b[trim(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_sort_as_dpkg_sorts_them() {
        // From the lowest to the highest; the first line is the example of Debian policy.
        for chain in [
            &["~~", "~~a", "~", "", "a"][..],
            &["1.0~beta1~svn1245", "1.0~beta1", "1.0", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0-2", "1.0.1"],
            &["2.36-9+deb12u9", "2.36-9+deb12u10", "2.36-10"],
            &["1.2.3", "1.2.3-1", "1.2.3+dfsg", "1.2.3+dfsg-1", "1.2.4"],
            &["9", "10", "1:0", "1:0.4", "2:0"],
            &["1.0a", "1.0b", "1.0+", "1.0."],
            &["0.9~rc1-1", "0.9-1~bpo12+1", "0.9-1"],
            &["3.11.2-6", "3.11.2-6+deb12u6", "3.11.9"],
            &["99999999999999999999998", "99999999999999999999999", "100000000000000000000000"],
        ] {
            for (at, low) in chain.iter().enumerate() {
                for high in &chain[at + 1..] {
                    assert_eq!(compare(low, high), Ordering::Less, "{low} < {high}");
                    assert_eq!(compare(high, low), Ordering::Greater, "{high} > {low}");
                }
            }
        }
    }

    #[test]
    fn one_version_has_several_spellings() {
        for (a, b) in [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.0", "1.00"), ("1.01", "1.1"), ("1-", "1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} = {b}");
        }
    }

    #[test]
    fn upstream_is_between_epoch_and_revision() {
        assert_eq!(upstream("2:3.11.2-6+deb12u6"), "3.11.2");
        assert_eq!(upstream("1.0-rc1-2"), "1.0-rc1");
        assert_eq!(upstream("2026c"), "2026c");
    }

    proptest! {
        #[test]
        fn comparison_is_a_total_order(
            a in "([0-9]:)?[0-9a-z.+~:-]{0,8}",
            b in "([0-9]:)?[0-9a-z.+~:-]{0,8}",
            c in "([0-9]:)?[0-9a-z.+~:-]{0,8}",
        ) {
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            let mut three = [&a, &b, &c];
            three.sort_by(|x, y| compare(x, y));
            prop_assert!(compare(three[0], three[2]).is_le());
            if compare(&a, &b).is_eq() {
                prop_assert_eq!(compare(&a, &c), compare(&b, &c));
            }
        }

        #[test]
        fn any_text_can_be_compared(a in ".{0,20}", b in ".{0,20}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        }
    }
}
