use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};

use wainwright_base::each_file;
use wainwright_oci::Image;
use wainwright_store::Store;

use wainwright_engine::Error;

use super::files::Unequal;
use super::report::{ByteDifference, FileChange};

/// How many bytes are shown.
const SHOWN: usize = 16;
/// Contents that are looked at a second time are written to scratch space; together they may have this many bytes.
const MOST_SCRATCH: u64 = 2 << 30;

/// Finds the first differing byte of the files whose content changed: their old contents are written down, in one pass
/// over every layer that holds some, and then compared with the new ones as they pass.
pub(super) fn find(
    changes: &mut [FileChange],
    unequal: &[Unequal<'_>],
    before: &Image,
    after: &Image,
    store: &Store,
) -> Result<(), Error> {
    if unequal.is_empty() {
        return Ok(());
    }
    let scratch = store.scratch()?;
    let place = |number: usize| scratch.path().join(number.to_string());
    let mut left = MOST_SCRATCH;
    let mut kept = BTreeSet::new();
    for (at, wanted) in by_layer(unequal, |file| file.before) {
        let Some(layer) = before.layers.get(at) else { continue };
        each_file(layer, at + 1, store, |path, content| {
            let Some(number) = wanted.get(path) else { return Ok(()) };
            // One byte more than is left shows that it does not fit.
            let mut file = File::create(place(*number))?;
            let written = io::copy(&mut content.take(left.saturating_add(1)), &mut file)?;
            match left.checked_sub(written) {
                Some(rest) => {
                    left = rest;
                    kept.insert(*number);
                }
                None => left = 0,
            }
            Ok(())
        })?;
    }
    for (at, wanted) in by_layer(unequal, |file| file.after) {
        let Some(layer) = after.layers.get(at) else { continue };
        each_file(layer, at + 1, store, |path, content| {
            let Some(number) = wanted.get(path).filter(|number| kept.contains(number)) else {
                return Ok(());
            };
            if let Some(change) = changes.get_mut(*number) {
                change.first_difference = first_difference(File::open(place(*number))?, content)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The files of every layer, by path.
fn by_layer<'a>(
    files: &[Unequal<'a>],
    layer: impl Fn(&Unequal<'a>) -> usize,
) -> BTreeMap<usize, HashMap<&'a [u8], usize>> {
    let mut layers: BTreeMap<usize, HashMap<&[u8], usize>> = BTreeMap::new();
    for file in files {
        layers.entry(layer(file)).or_default().insert(file.path, file.number);
    }
    layers
}

fn first_difference(mut one: impl Read, mut two: impl Read) -> io::Result<Option<ByteDifference>> {
    const CHUNK: usize = 64 << 10;
    let mut offset = 0;
    let (mut old, mut new) = (Vec::new(), Vec::new());
    loop {
        fill(&mut one, &mut old, CHUNK)?;
        fill(&mut two, &mut new, CHUNK)?;
        let common = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        old.drain(..common);
        new.drain(..common);
        offset += common as u64;
        if !old.is_empty() || !new.is_empty() {
            // What is shown may lie across the end of what was read.
            fill(&mut one, &mut old, SHOWN)?;
            fill(&mut two, &mut new, SHOWN)?;
            let show = |bytes: &[u8]| bytes.get(..SHOWN).unwrap_or(bytes).escape_ascii().to_string();
            return Ok(Some(ByteDifference { offset, before: show(&old), after: show(&new) }));
        }
        if common == 0 {
            return Ok(None);
        }
    }
}

/// Reads until there are so many bytes, or no more.
fn fill(from: &mut impl Read, bytes: &mut Vec<u8>, count: usize) -> io::Result<()> {
    let missing = count.saturating_sub(bytes.len()) as u64;
    from.take(missing).read_to_end(bytes).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &[u8], two: &[u8], expected: Option<(u64, &str, &str)>) {
        let found = first_difference(one, two).unwrap();
        let found = found.as_ref().map(|found| (found.offset, found.before.as_str(), found.after.as_str()));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_first_byte_is_found_wherever_it_is() {
        check(b"abc", b"abc", None);
        check(b"abc", b"axc", Some((1, "bc", "xc")));
        check(b"abc", b"ab", Some((2, "c", "")));
        check(b"", b"\0\n", Some((0, "", "\\x00\\n")));
        let mut long = vec![b'a'; 200_000];
        let other = long.clone();
        long[131_071] = b'b';
        check(&long, &other, Some((131_071, "baaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa")));
    }
}
