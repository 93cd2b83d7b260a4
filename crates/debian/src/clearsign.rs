use pgp::composed::{Deserializable as _, DetachedSignature};
use pgp::packet::Signature;

use crate::Error;

/// More signatures than this are not looked at; Debian's suites carry two or three.
const MOST_SIGNATURES: usize = 32;

/// A text signed in the clear (RFC 9580, section 7), split into its text and its signatures. Nothing is verified yet.
#[derive(Debug)]
pub(crate) struct ClearSigned {
    /// The signed lines joined by `\n`, dash escapes undone, white space at line ends removed.
    pub(crate) text: String,
    /// The signatures that could be read.
    pub(crate) signatures: Vec<Signature>,
}

impl ClearSigned {
    /// Splits `file`. Stricter than the specification: any line outside the signed part is refused, so that what is read
    /// afterwards is exactly what was signed.
    pub(crate) fn split(bytes: &[u8], file: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::NotSigned { file: file.to_owned(), reason };
        let all = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8"))?;
        if all.replace("\r\n", "\n").contains('\r') {
            return Err(refuse("it has a carriage return inside a line"));
        }
        let mut lines = all.lines();
        if lines.next() != Some("-----BEGIN PGP SIGNED MESSAGE-----") {
            return Err(refuse("it does not begin with `-----BEGIN PGP SIGNED MESSAGE-----`"));
        }
        loop {
            match lines.next() {
                Some("") => break,
                Some(header) if header.starts_with("Hash: ") => {}
                _ => return Err(refuse("its armor has a header other than `Hash`")),
            }
        }
        let mut text = String::with_capacity(all.len());
        loop {
            match lines.next() {
                None => return Err(refuse("it has no signature")),
                Some("-----BEGIN PGP SIGNATURE-----") => break,
                Some(line) => {
                    let line = match line.strip_prefix("- ") {
                        Some(escaped) => escaped,
                        None if line.starts_with('-') => {
                            return Err(refuse("a line begins with a dash that is not escaped"));
                        }
                        None => line,
                    };
                    text.push_str(line.trim_end_matches([' ', '\t']));
                    text.push('\n');
                }
            }
        }
        // The line break before the signature is not signed.
        text.pop();
        let mut armor = String::from("-----BEGIN PGP SIGNATURE-----\n");
        loop {
            let line = lines.next().ok_or_else(|| refuse("its signature has no end"))?;
            armor.push_str(line);
            armor.push('\n');
            if line == "-----END PGP SIGNATURE-----" {
                break;
            }
        }
        if lines.any(|line| !line.is_empty()) {
            return Err(refuse("text follows the signature"));
        }
        let (parsed, _) = DetachedSignature::from_armor_many(armor.as_bytes())
            .map_err(|_| refuse("its signature cannot be read"))?;
        let signatures: Vec<_> =
            parsed.take(MOST_SIGNATURES).filter_map(Result::ok).map(|parsed| parsed.signature).collect();
        if signatures.is_empty() {
            return Err(refuse("its signature cannot be read"));
        }
        Ok(Self { text, signatures })
    }
}
