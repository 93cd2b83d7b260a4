use crate::error::Fault;
use crate::rules::{E_FRAME, E_ZIPDIFF};
use crate::source::Fields;

const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;
const UNKNOWN: u64 = 0xffff_ffff;

/// The extra fields that change what a header means (APPNOTE 4.5.3, 4.6.9); all others are passed over.
#[derive(Default)]
pub(super) struct Extra<'a> {
    zip64: Option<&'a [u8]>,
    unicode_path: Option<&'a [u8]>,
}

impl<'a> Extra<'a> {
    /// Takes the extra fields of a header apart. Fewer than four bytes at the end are padding.
    pub(super) fn read(bytes: &'a [u8], name: &[u8]) -> Result<Self, Fault> {
        let mut extra = Self::default();
        let mut fields = Fields(bytes);
        while fields.0.len() >= 4 {
            let id = fields.u16()?;
            let length = fields.u16()?.into();
            let Ok(data) = fields.bytes(length) else {
                return Err(Fault::member(
                    E_FRAME,
                    name,
                    "one of its extra fields is longer than all of them",
                ));
            };
            let slot = match id {
                ZIP64 => &mut extra.zip64,
                UNICODE_PATH => &mut extra.unicode_path,
                _ => continue,
            };
            if slot.replace(data).is_some() {
                return Err(Fault::member(E_ZIPDIFF, name, "it has the same extra field twice"));
            }
        }
        Ok(extra)
    }

    /// Refuses a Unicode Path field that does not repeat the name.
    pub(super) fn confirms(&self, name: &[u8]) -> Result<(), Fault> {
        let Some(data) = self.unicode_path else { return Ok(()) };
        let is_same = data.first() == Some(&1)
            && data.get(1..5) == Some(&crc32fast::hash(name).to_le_bytes()[..])
            && data.get(5..) == Some(name);
        if !is_same {
            return Err(Fault::member(E_ZIPDIFF, name, "its Unicode Path field has another name"));
        }
        Ok(())
    }

    /// The disk a member starts on: where the header has 0xffff, the zip64 field ends with it.
    pub(super) fn disk(&self, name: &[u8], disk: u16) -> Result<u32, Fault> {
        let rest = self.zip64.unwrap_or_default().chunks_exact(8).remainder();
        match (disk, rest) {
            (0xffff, [a, b, c, d]) => Ok(u32::from_le_bytes([*a, *b, *c, *d])),
            (_, []) => Ok(disk.into()),
            _ => Err(Fault::member(E_ZIPDIFF, name, "its zip64 field has an odd length")),
        }
    }

    /// Replaces the values that did not fit 32 bits by those of the zip64 field.
    ///
    /// By the specification the field holds only what did not fit, in a fixed order; some writers put everything there.
    /// Both forms are read where they cannot be confused and agree with the values that did fit.
    pub(super) fn widen<const N: usize>(&self, name: &[u8], mut values: [u64; N]) -> Result<[u64; N], Fault> {
        let Some(data) = self.zip64 else { return Ok(values) };
        let differ = || Fault::member(E_ZIPDIFF, name, "its zip64 sizes do not match its header");
        let wide: Vec<u64> = data
            .chunks_exact(8)
            .map(|eight| eight.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
            .collect();
        let unknown = values.iter().filter(|value| **value == UNKNOWN).count();
        if wide.len() == unknown {
            let missing = values.iter_mut().filter(|value| **value == UNKNOWN);
            missing.zip(&wide).for_each(|(value, wide)| *value = *wide);
            return Ok(values);
        }
        // More than needed: the values that are needed must come first, and the others repeat the header.
        let needed_first = values.iter().take(unknown).all(|value| *value == UNKNOWN);
        if wide.len() < unknown || wide.len() > N || !needed_first {
            return Err(differ());
        }
        for (value, wide) in values.iter_mut().zip(&wide) {
            if *value != UNKNOWN && *value != *wide {
                return Err(differ());
            }
            *value = *wide;
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widen(numbers: &[u64], values: [u64; 3]) -> Option<[u64; 3]> {
        let mut bytes = vec![1, 0, numbers.len() as u8 * 8, 0];
        numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        Extra::read(&bytes, b"name").unwrap().widen(b"name", values).ok()
    }

    #[test]
    fn pack_replaces_only_invalid_members() {
        assert_eq!(widen(&[5 << 32], [7, 8, UNKNOWN]), Some([7, 8, 5 << 32]));
        assert_eq!(widen(&[7, 8], [7, 8, 9]), Some([7, 8, 9]));
        assert_eq!(widen(&[7, 8, 9], [UNKNOWN, 8, 9]), Some([7, 8, 9]));
    }

    #[test]
    fn reader_rejects_ambiguous_archives() {
        // Is 7 the size that is repeated, or the offset that did not fit?
        assert_eq!(widen(&[7, 8, 9], [7, 8, UNKNOWN]), None);
        assert_eq!(widen(&[7, 9], [7, 8, 9]), None);
        assert_eq!(widen(&[], [UNKNOWN, 8, 9]), None);
    }
}
