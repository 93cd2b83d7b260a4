use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where to look for settings. Everything is handed in: this crate reads no environment.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The environment variables.
    pub vars: &'a BTreeMap<String, String>,
    /// The user's home directory, for `~/.config/pip/pip.conf`, `~/.config/uv/uv.toml` and `~/.netrc`.
    pub home: Option<&'a Path>,
    /// The folder of system-wide settings, usually `/etc`.
    pub etc: &'a Path,
    /// The folder of `pyproject.toml`; relative paths begin here.
    pub project_root: &'a Path,
}

impl Places<'_> {
    /// A variable that says something.
    pub(crate) fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The user's configuration folder (XDG base directories).
    pub(crate) fn config_home(&self) -> Option<PathBuf> {
        let chosen = self.var("XDG_CONFIG_HOME").map(PathBuf::from);
        chosen.or_else(|| self.home.map(|home| home.join(".config")))
    }
}
