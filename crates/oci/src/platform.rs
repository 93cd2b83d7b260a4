use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The operating system and processor an image is for (OCI image-spec, "Image Index", `platform`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// As Go names it: `amd64`, `arm64`, `arm`, `ppc64le`, `s390x`, `riscv64`, `386`.
    pub architecture: String,
    /// `v7` of `linux/arm/v7`; absent for most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// `linux/<architecture>` without a variant.
    pub fn linux(architecture: &str) -> Self {
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }
    }

    /// The platform of images that run on this machine.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            other => other,
        };
        Self::linux(architecture)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Configs of strangers may hold anything; a name with a line end would forge a line of ours.
        write!(f, "{}/{}", self.os.escape_debug(), self.architecture.escape_debug())?;
        match &self.variant {
            Some(variant) => write!(f, "/{}", variant.escape_debug()),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// Reads `os/architecture[/variant]`; `x86_64`, `aarch64` and `linux/arm64/v8` become their usual forms.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || Error::Platform { text: text.chars().take(100).collect() };
        let is_word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let words: Vec<&str> = text.split('/').collect();
        if !(2..=3).contains(&words.len()) || !words.iter().all(|word| is_word(word)) {
            return Err(refuse());
        }
        let architecture = match words[1] {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let variant = words.get(2).copied().filter(|v| !(architecture == "arm64" && *v == "v8"));
        Ok(Self { os: words[0].into(), architecture: architecture.into(), variant: variant.map(Into::into) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_spellings_are_normalized() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm/v7", "linux/arm/v7"),
        ] {
            assert_eq!(text.parse::<Platform>().map(|p| p.to_string()), Ok(expected.into()));
        }
        for text in ["linux", "", "linux/", "/amd64", "linux/arm/v7/x", "linux/../x"] {
            assert!(text.parse::<Platform>().is_err(), "{text} was read");
        }
    }
}
