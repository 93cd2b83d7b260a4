use wainwright_oci::Digest;

/// Tables above this number of cells are not worth their memory; no real image comes near it.
const MOST_CELLS: usize = 4 << 20;

/// Which layer of one image corresponds to which of another: those with the same digest in the same order, and between
/// them those that stand at the same place.
///
/// Each number occurs once, in order; one that stands alone was added or removed.
pub(crate) fn pairs(one: &[Digest], two: &[Digest]) -> Vec<(Option<usize>, Option<usize>)> {
    let mut pairs = Vec::new();
    let (mut from_one, mut from_two) = (0, 0);
    for (a, b) in common(one, two).into_iter().chain([(one.len(), two.len())]) {
        let between = (a - from_one).max(b - from_two);
        pairs.extend((0..between).map(|at| {
            let pick = |from: usize, end: usize| Some(from + at).filter(|number| *number < end);
            (pick(from_one, a), pick(from_two, b))
        }));
        if a < one.len() && b < two.len() {
            pairs.push((Some(a), Some(b)));
        }
        (from_one, from_two) = (a + 1, b + 1);
    }
    pairs
}

/// The longest common subsequence, as pairs of numbers.
fn common(one: &[Digest], two: &[Digest]) -> Vec<(usize, usize)> {
    let start = one.iter().zip(two).take_while(|(a, b)| a == b).count();
    let mut found: Vec<(usize, usize)> = (0..start).map(|at| (at, at)).collect();
    let (one, two) = (&one[start..], &two[start..]);
    if one.len().saturating_mul(two.len()) > MOST_CELLS {
        return found;
    }
    // lengths[a][b]: how long the longest one is that begins at `a` and `b`.
    let mut lengths = vec![vec![0u32; two.len() + 1]; one.len() + 1];
    for a in (0..one.len()).rev() {
        for b in (0..two.len()).rev() {
            lengths[a][b] = match one[a] == two[b] {
                true => lengths[a + 1][b + 1] + 1,
                false => lengths[a + 1][b].max(lengths[a][b + 1]),
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    while a < one.len() && b < two.len() {
        if one[a] == two[b] {
            found.push((start + a, start + b));
            (a, b) = (a + 1, b + 1);
        } else if lengths[a + 1][b] >= lengths[a][b + 1] {
            a += 1;
        } else {
            b += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, two: &str, expected: &str) {
        let digests = |text: &str| text.chars().map(|name| Digest::of(name.to_string())).collect::<Vec<_>>();
        let name = |text: &str, at: Option<usize>| at.and_then(|at| text.chars().nth(at)).unwrap_or('-');
        let found: Vec<String> = pairs(&digests(one), &digests(two))
            .into_iter()
            .map(|(a, b)| format!("{}{}", name(one, a), name(two, b)))
            .collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn layers_find_each_other() {
        check("abc", "abc", "aa bb cc");
        check("abc", "axc", "aa bx cc");
        check("abc", "abxc", "aa bb -x cc");
        check("abc", "ac", "aa b- cc");
        check("abc", "xyabc", "-x -y aa bb cc");
        check("ab", "xyz", "ax by -z");
        check("", "a", "-a");
        check("", "", "");
    }
}
