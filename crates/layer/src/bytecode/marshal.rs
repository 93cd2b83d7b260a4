//! One form for the bytecode of a module, whatever the interpreter did before (CPython, `Python/marshal.c`).
//!
//! An interpreter marks an object as one that may be referred to (`FLAG_REF`) when anything else in the process holds it
//! at that moment: the same source gives other bytes after other modules. Here only objects that are referred to keep the
//! mark, and references are counted anew. What is loaded is the same.

/// The mark of an object that later ones may refer to.
const FLAG_REF: u8 = 0x80;
/// As deep as CPython reads.
const DEEPEST: usize = 2000;

/// Writes marshalled data in its one form; `None` where it does not follow the format of this Python.
///
/// Python 3.11 and later: earlier ones write sets in the order in which they happen to lie in memory.
pub(super) fn canonical(data: &[u8]) -> Option<Vec<u8>> {
    let mut first = Walk::new(data, None);
    first.object(0)?;
    let used = first.used;
    let mut second = Walk::new(data, Some(used));
    second.object(0)?;
    (second.at == data.len()).then_some(second.out)
}

struct Walk<'a> {
    data: &'a [u8],
    at: usize,
    /// How many marked objects there were.
    marked: usize,
    /// Which marked objects are referred to; filled by the first walk.
    used: Vec<bool>,
    /// The new numbers of those that are; only the second walk knows them, and writes.
    numbers: Option<Vec<Option<u32>>>,
    next: u32,
    out: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn new(data: &'a [u8], used: Option<Vec<bool>>) -> Self {
        let numbers = used.as_ref().map(|used| vec![None; used.len()]);
        let out = Vec::with_capacity(if used.is_some() { data.len() } else { 0 });
        Self { data, at: 0, marked: 0, used: used.unwrap_or_default(), numbers, next: 0, out }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.data.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(bytes)
    }

    /// Takes bytes that stay as they are.
    fn copy(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.take(count)?;
        if self.numbers.is_some() {
            self.out.extend_from_slice(bytes);
        }
        Some(bytes)
    }

    fn long(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.copy(4)?.try_into().ok()?))
    }

    fn short(&mut self) -> Option<usize> {
        Some(usize::from(*self.copy(1)?.first()?))
    }

    fn objects(&mut self, count: usize, depth: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.object(depth))
    }

    /// Walks over one object; `Some` as well for the `0` that ends a dictionary.
    fn object(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        let byte = *self.take(1)?.first()?;
        let mut kind = byte & !FLAG_REF;
        if kind == b'r' {
            return self.reference();
        }
        // Letters are one object for the whole process, and known to it by name or not, as it happens.
        if kind == b'z' && self.data.get(self.at) == Some(&1) {
            kind = b'Z';
        }
        let stays = byte & FLAG_REF != 0 && self.mark()?;
        if self.numbers.is_some() {
            self.out.push(if stays { kind | FLAG_REF } else { kind });
        }
        self.content(kind, depth + 1)
    }

    /// Counts a marked object; whether it keeps its mark.
    fn mark(&mut self) -> Option<bool> {
        let index = self.marked;
        self.marked += 1;
        match &mut self.numbers {
            None => {
                self.used.push(false);
                Some(false)
            }
            Some(numbers) => {
                let is_used = *self.used.get(index)?;
                if is_used {
                    *numbers.get_mut(index)? = Some(self.next);
                    self.next += 1;
                }
                Some(is_used)
            }
        }
    }

    fn reference(&mut self) -> Option<()> {
        let index = usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()?;
        match &self.numbers {
            None => *self.used.get_mut(index)? = true,
            Some(numbers) => {
                let number = (*numbers.get(index)?)?;
                self.out.push(b'r');
                self.out.extend_from_slice(&number.to_le_bytes());
            }
        }
        Some(())
    }

    fn content(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            b'0' | b'N' | b'F' | b'T' | b'S' | b'.' => {}
            b'i' => drop(self.copy(4)?),
            b'I' | b'g' => drop(self.copy(8)?),
            b'y' => drop(self.copy(16)?),
            b'f' | b'x' => {
                for _ in 0..if kind == b'x' { 2 } else { 1 } {
                    let length = self.short()?;
                    self.copy(length)?;
                }
            }
            b'l' => {
                let digits = self.long()?.cast_signed().unsigned_abs();
                self.copy(usize::try_from(digits).ok()?.checked_mul(2)?)?;
            }
            b's' | b't' | b'u' | b'a' | b'A' => {
                let length = usize::try_from(self.long()?).ok()?;
                self.copy(length)?;
            }
            b'z' | b'Z' => {
                let length = self.short()?;
                self.copy(length)?;
            }
            b'(' | b'[' | b'<' | b'>' => {
                let count = usize::try_from(self.long()?).ok()?;
                self.objects(count, depth)?;
            }
            b')' => {
                let count = self.short()?;
                self.objects(count, depth)?;
            }
            b'{' => {
                while self.data.get(self.at)? != &b'0' {
                    self.objects(2, depth)?;
                }
                self.copy(1)?;
            }
            b':' => self.objects(3, depth)?,
            b'c' => self.code(depth)?,
            _ => return None,
        }
        Some(())
    }

    /// A code object: numbers, objects, the first line, tables.
    fn code(&mut self, depth: usize) -> Option<()> {
        self.copy(4 * 5)?;
        self.objects(8, depth)?;
        self.copy(4)?;
        self.objects(2, depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &[u8], expected: &[u8]) {
        assert_eq!(canonical(data).as_deref(), Some(expected), "{}", data.escape_ascii());
        assert_eq!(canonical(expected).as_deref(), Some(expected), "the one form has one form");
    }

    #[test]
    fn unused_marshal_references_are_dropped() {
        // ("a", "bc", "bc"): the tuple and both strings are marked, the second string is needed.
        check(b"\xa9\x03\xfa\x01a\xda\x02bcr\x02\0\0\0", b")\x03Z\x01a\xda\x02bcr\0\0\0\0");
        check(b"\xe9\x01\0\0\0", b"i\x01\0\0\0");
        // {1: None}, and a list that holds itself.
        check(b"\xfbi\x01\0\0\0N0", b"{i\x01\0\0\0N0");
        check(b"\xdb\x01\0\0\0r\0\0\0\0", b"\xdb\x01\0\0\0r\0\0\0\0");
    }

    #[test]
    fn non_marshal_data_is_unchanged() {
        for data in [
            &b""[..],
            b"?",
            b"(\xff\xff\xff\xffN",
            b"z\x05abc",
            b"r\0\0\0\0",
            b"NN",
            b"{i\x01\0\0\0",
            &b")\x01".repeat(3000),
            b"c\0\0",
        ] {
            assert_eq!(canonical(data), None, "{}", data.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn reader_never_panics_on_bytes(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            if let Some(one) = canonical(&data) {
                proptest::prop_assert_eq!(canonical(&one), Some(one.clone()));
            }
        }
    }
}
