use wainwright_engine::{ImageSource, Subject};

use super::parse::with_hint;

pub(crate) fn parse_image(text: &str) -> Result<ImageSource, String> {
    ImageSource::of_image(text).map_err(with_hint)
}

/// An image on this machine.
pub(crate) fn parse_local(text: &str) -> Result<Subject, String> {
    match text.parse() {
        Ok(Subject::Registry(_)) => {
            Err("not an image on this machine; use `layout:DIR`, `archive:FILE` or `last`, or \
            `wain copy` to copy between registries"
                .into())
        }
        Ok(subject) => Ok(subject),
        Err(error) => Err(with_hint(error)),
    }
}

pub(crate) fn parse_subject(text: &str) -> Result<Subject, String> {
    text.parse().map_err(with_hint::<wainwright_engine::Error>)
}
