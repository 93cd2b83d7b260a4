use wainwright_oci::Digest;

/// A hash as lockfiles write it: `sha256:2c26...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256(Digest),
    /// Another algorithm, by its name: broken (`md5`, `sha1`) or not computed here.
    Other(String),
}

impl Hash {
    /// Reads `algorithm:digits`; the reason is a sentence.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let Some((algorithm, digits)) = text.split_once(':') else {
            return Err(format!("`{}` is not a hash: it must start with `sha256:`", short(text)));
        };
        Self::of(algorithm, digits)
    }

    /// Reads algorithm and digits that stand apart.
    pub(crate) fn of(algorithm: &str, digits: &str) -> Result<Self, String> {
        let algorithm = algorithm.to_ascii_lowercase();
        if algorithm != "sha256" {
            let is_known = ["md5", "sha1", "sha224", "sha384", "sha512", "sha3_", "blake2"]
                .iter()
                .any(|known| algorithm.starts_with(known));
            return if is_known {
                Ok(Self::Other(algorithm))
            } else {
                Err(format!("`{}` is not a hash algorithm", short(&algorithm)))
            };
        }
        Digest::from_hex(&digits.to_ascii_lowercase())
            .map(Self::Sha256)
            .map_err(|_| format!("`{}` is not a sha256: it must have 64 hexadecimal digits", short(digits)))
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
