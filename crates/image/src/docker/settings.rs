use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use wainwright_oci::Digest;

use crate::Error;

/// The most bytes of a settings file.
const MOST: u64 = 4 << 20;

/// A daemon that the user gave a name (`docker context`).
pub(super) struct Context {
    pub(super) name: String,
    pub(super) address: String,
    /// Where its certificates are, when it has some.
    pub(super) certificates: Option<PathBuf>,
}

/// The context in use, from Docker's configuration folder; `None` for the default one.
pub(super) fn context(config: &Path, chosen: Option<&str>) -> Result<Option<Context>, Error> {
    let name = match chosen {
        Some(name) => Some(name.to_owned()),
        None => {
            let settings = read(&config.join("config.json"))?.unwrap_or_default();
            settings["currentContext"].as_str().map(Into::into)
        }
    };
    let Some(name) = name.filter(|name| !name.is_empty() && name != "default") else { return Ok(None) };
    // Docker files a context under the hash of its name.
    let id = Digest::of(&name).hex();
    let path = config.join("contexts/meta").join(&id).join("meta.json");
    let refuse = |reason: String| Err(Error::Settings { path: path.clone(), reason });
    let Some(meta) = read(&path)? else {
        return refuse(format!("there is no context `{name}`"));
    };
    let endpoint = &meta["Endpoints"]["docker"];
    let Some(address) = endpoint["Host"].as_str() else {
        return refuse(format!("the context `{name}` has no Docker daemon"));
    };
    if endpoint["SkipTLSVerify"].as_bool() == Some(true) {
        return refuse(format!("the context `{name}` trusts any certificate"));
    }
    let certificates =
        Some(config.join("contexts/tls").join(&id).join("docker")).filter(|path| path.is_dir());
    Ok(Some(Context { name, address: address.into(), certificates }))
}

/// Reads a JSON object. What is in it is never shown: `config.json` may hold passwords.
fn read(path: &Path) -> Result<Option<Value>, Error> {
    let refuse = |reason: String| Error::Settings { path: path.to_owned(), reason };
    let found = match fs::metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        found => found,
    };
    if found.is_ok_and(|found| !found.is_file()) {
        return Err(refuse("it is not a file".into()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST).read_to_end(&mut bytes))
        .map_err(|error| refuse(format!("it cannot be read ({error})")))?;
    match serde_json::from_slice(&bytes) {
        Ok(value @ Value::Object(_)) => Ok(Some(value)),
        Ok(_) => Err(refuse("it is not a JSON object".into())),
        Err(error) => {
            Err(refuse(format!("it is not JSON (line {}, column {})", error.line(), error.column())))
        }
    }
}
