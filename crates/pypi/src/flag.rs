use crate::Error;

/// What `strtobool` takes.
pub(crate) fn read_flag(value: &str, place: &str) -> Result<bool, Error> {
    match value.trim().to_lowercase().as_str() {
        "1" | "y" | "yes" | "t" | "true" | "on" => Ok(true),
        "0" | "n" | "no" | "f" | "false" | "off" => Ok(false),
        _ => Err(Error::Setting { place: place.to_owned(), reason: "it must be true or false".into() }),
    }
}
