use std::cmp::Ordering;

/// Orders paths so that everything below a path follows it directly: a separator comes before every other byte.
pub fn by_component(a: &[u8], b: &[u8]) -> Ordering {
    let key = |byte: &u8| if *byte == b'/' { 0 } else { u16::from(*byte) + 1 };
    let same = common(a, b);
    a.get(same).map(key).cmp(&b.get(same).map(key))
}

/// How many bytes both begin with. Paths that are sorted share much, so eight are compared at a time.
fn common(a: &[u8], b: &[u8]) -> usize {
    let (eights, others) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let start = 8 * eights.iter().zip(others).take_while(|(a, b)| a == b).count();
    start + a.iter().zip(b).skip(start).take_while(|(a, b)| a == b).count()
}

/// A path of these that lies below another one: `(above, below)`. Takes time for sorting and memory for a list.
pub fn one_below_another<'a>(paths: impl Iterator<Item = &'a [u8]>) -> Option<(&'a [u8], &'a [u8])> {
    let mut paths: Vec<&[u8]> = paths.collect();
    // Paths that were sorted by bytes are nearly in order, and a stable sort is quick with those.
    paths.sort_by(|a, b| by_component(a, b));
    paths.windows(2).find_map(|pair| match *pair {
        [above, below] if below.strip_prefix(above).is_some_and(|rest| rest.starts_with(b"/")) => {
            Some((above, below))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&'static str]) -> Option<(&'static str, &'static str)> {
        let (above, below) = one_below_another(paths.iter().map(|path| path.as_bytes()))?;
        Some((std::str::from_utf8(above).unwrap(), std::str::from_utf8(below).unwrap()))
    }

    #[test]
    fn separators_come_first_wherever_paths_begin_to_differ() {
        let mut paths =
            ["a", "a/z", "a b", "a-b", "folders/of/names/x", "folders/of/names", "folders/of/names-x", ""];
        paths.sort_unstable_by(|a, b| by_component(a.as_bytes(), b.as_bytes()));
        let sorted =
            ["", "a", "a/z", "a b", "a-b", "folders/of/names", "folders/of/names/x", "folders/of/names-x"];
        assert_eq!(paths, sorted);
        for pair in sorted.windows(2) {
            assert_eq!(by_component(pair[0].as_bytes(), pair[1].as_bytes()), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn digest_is_found_between_neighbours() {
        assert_eq!(found(&["a/b/c/d", "a-b", "a", "a.py", "a b"]), Some(("a", "a/b/c/d")));
        assert_eq!(found(&["a", "a.py/b", "ab", "b/a", "b/a.py"]), None);
        assert_eq!(found(&["a", "a"]), None);
    }
}
