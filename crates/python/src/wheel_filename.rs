use std::fmt;
use std::str::FromStr;

use crate::{Error, PackageName, Version, WheelTag};

/// The file name of a wheel, taken apart (PyPA, "Binary distribution format", "File name convention").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WheelFilename {
    /// The name as written; a single path component by construction.
    text: String,
    /// The normalized package name.
    pub name: PackageName,
    /// The version.
    pub version: Version,
    /// The build tag, `(1, "a")` for `1a`; breaks ties between equal tags.
    pub build: Option<(u64, String)>,
    /// The compatibility tags: the product of the three dotted sets.
    pub tags: Vec<WheelTag>,
}

impl WheelFilename {
    /// The whole file name, `.whl` included.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for WheelFilename {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::WheelFilename {
            text: text.chars().take(200).collect::<String>().escape_debug().to_string(),
            reason,
        };
        if text.len() > 255 {
            return Err(refuse("it is longer than 255 bytes"));
        }
        let stem = text.strip_suffix(".whl").ok_or_else(|| refuse("it does not end in `.whl`"))?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+!".contains(&b);
        if !stem.bytes().all(is_plain) {
            return Err(refuse("it contains characters other than letters, digits, `.`, `_`, `-`, `+`, `!`"));
        }
        let parts: Vec<&str> = stem.split('-').collect();
        let (build, [name, version, python, abi, platform]) = match parts[..] {
            [name, version, python, abi, platform] => (None, [name, version, python, abi, platform]),
            [name, version, build, python, abi, platform] => {
                (Some(build), [name, version, python, abi, platform])
            }
            _ => return Err(refuse("it must have five or six parts separated by dashes")),
        };
        let build = match build {
            None => None,
            Some(build) => {
                let letters = build.trim_start_matches(|c: char| c.is_ascii_digit());
                let number = build[..build.len() - letters.len()]
                    .parse()
                    .map_err(|_| refuse("its build tag does not start with a number"))?;
                Some((number, letters.to_owned()))
            }
        };
        // The product of the three sets grows fast, and hostile names would make it huge.
        let size = [python, abi, platform].map(|set| set.split('.').count()).iter().product::<usize>();
        if size > 1000 {
            return Err(refuse("it expands to more than 1000 tags"));
        }
        let mut tags = Vec::with_capacity(size);
        for python in python.split('.') {
            for abi in abi.split('.') {
                for platform in platform.split('.') {
                    if python.is_empty() || abi.is_empty() || platform.is_empty() {
                        return Err(refuse("a tag is empty"));
                    }
                    tags.push(WheelTag {
                        python: python.to_ascii_lowercase(),
                        abi: abi.to_ascii_lowercase(),
                        platform: platform.to_ascii_lowercase(),
                    });
                }
            }
        }
        Ok(Self {
            text: text.to_owned(),
            name: name.parse().map_err(|_| refuse("its first part is not a package name"))?,
            version: version.parse().map_err(|_| refuse("its second part is not a version"))?,
            build,
            tags,
        })
    }
}

impl fmt::Display for WheelFilename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

crate::serde_as_text!(WheelFilename);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheel_file_name_is_split_into_parts() {
        let name = "Foo_Bar-1.0.post1-1a-py2.py3-none-Any.whl";
        let wheel: WheelFilename = name.parse().unwrap();
        assert_eq!(wheel.as_str(), name);
        assert_eq!(wheel.name.as_str(), "foo-bar");
        assert_eq!(wheel.version.to_string(), "1.0.post1");
        assert_eq!(wheel.build, Some((1, "a".into())));
        let tags: Vec<_> = wheel.tags.iter().map(ToString::to_string).collect();
        assert_eq!(tags, ["py2-none-any", "py3-none-any"]);
    }

    #[test]
    fn wheel_file_name_rejects_invalid_names_with_reason() {
        let many = "a.".repeat(12) + "a";
        let explosion = format!("foo-1-{many}-{many}-{many}.whl");
        for (name, reason) in [
            ("foo-1.0.tar.gz", "it does not end in `.whl`"),
            ("foo-1.0-py3-none.whl", "it must have five or six parts separated by dashes"),
            ("../foo-1.0-py3-none-any.whl", "it contains characters other than"),
            ("foo-1.0-x-py3-none-any.whl", "its build tag does not start with a number"),
            ("foo-one-py3-none-any.whl", "its second part is not a version"),
            ("-1.0-py3-none-any.whl", "its first part is not a package name"),
            ("foo-1.0-py3..py2-none-any.whl", "a tag is empty"),
            (&explosion, "it expands to more than 1000 tags"),
        ] {
            let message = name.parse::<WheelFilename>().unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }
}
