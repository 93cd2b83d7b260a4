use std::collections::BTreeMap;

use wainwright_oci::Digest;
use wainwright_python::WheelFilename;

use crate::error::redact;
use crate::percent::percent_decoded;
use crate::{Error, Location, LockedPackage};

/// The file name at the end of an address: `foo-1.0+cpu-py3-none-any.whl` of `https://x/foo-1.0%2Bcpu-...whl#sha256=..`.
pub(crate) fn file_name_of_url(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?;
    let segment = path.split("://").nth(1)?.rsplit_once('/')?.1;
    let name = percent_decoded(segment)?;
    (!name.is_empty()).then_some(name)
}

/// Checks that all files are files of the package, one hash each, and collects their digests.
pub(crate) fn check_files(package: &mut LockedPackage) -> Result<(), Error> {
    let wrong = |reason| Error::Syntax { place: package.origin.clone(), reason };
    for wheel in &package.wheels {
        let name: WheelFilename =
            wheel.filename.parse().map_err(|error: wainwright_python::Error| wrong(error.to_string()))?;
        let is_other = package.version.as_ref().is_some_and(|version| *version != name.version);
        if name.name != package.name || is_other {
            return Err(wrong(format!(
                "`{name}` is listed as a wheel of `{}` {}",
                package.name,
                package.shown_version()
            )));
        }
    }
    let mut digests: BTreeMap<&str, Digest> = BTreeMap::new();
    for file in package.wheels.iter().chain(&package.sdist) {
        let name = file.filename.as_str();
        if name.contains(['/', '\\', '\0']) || [".", "..", ""].contains(&name) {
            return Err(wrong(format!("`{}` is not a file name", name.escape_debug())));
        }
        if let Location::Url(url) = &file.location
            && redact(url) != *url
        {
            // Addresses are written into plans and records of the image.
            return Err(wrong(format!("the URL of `{name}` contains a user name or password")));
        }
        let Some(second) = file.digest else { continue };
        match digests.insert(name, second) {
            Some(first) if first != second => {
                let place = package.origin.clone().into();
                return Err(Error::HashConflict { place, file: name.into(), first, second });
            }
            _ => {}
        }
    }
    package.hashes = digests.into_values().collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_is_last_part_of_url() {
        for (url, name) in [
            ("https://host/a/foo-1.whl", Some("foo-1.whl")),
            ("https://host/foo-1%2Bcpu.whl#sha256=00", Some("foo-1+cpu.whl")),
            ("https://host/foo.whl?token=a/b", Some("foo.whl")),
            ("https://host/", None),
            ("https://host", None),
            ("foo.whl", None),
            ("https://host/%zz", None),
            ("https://host/%", None),
        ] {
            assert_eq!(file_name_of_url(url).as_deref(), name, "{url}");
        }
    }
}
