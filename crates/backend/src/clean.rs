use std::collections::BTreeMap;
use std::path::Path;

use wainwright_python::Version;

/// Every variable that a backend sees. Nothing else of the environment reaches it.
pub const VARIABLES: &[&str] = &[
    "HOME",
    "LANG",
    "LC_ALL",
    "PATH",
    "PDM_BUILD_SCM_VERSION",
    "PIP_CONFIG_FILE",
    "PIP_NO_INDEX",
    "POETRY_DYNAMIC_VERSIONING_BYPASS",
    "PYTHONHASHSEED",
    "PYTHONNOUSERSITE",
    "SETUPTOOLS_SCM_PRETEND_VERSION",
    "SOURCE_DATE_EPOCH",
    "TMPDIR",
    "TZ",
    "UV_NO_CACHE",
    "UV_NO_CONFIG",
    "UV_OFFLINE",
    "VIRTUAL_ENV",
];

/// What the environment of a backend is made of.
pub struct Clean<'a> {
    /// Where programs are looked for, behind those of the build requirements.
    pub path: &'a str,
    /// An empty folder of its own.
    pub home: &'a Path,
    /// The environment with the build requirements.
    pub environment: &'a Path,
    /// The times of what it makes, in seconds since 1970.
    pub epoch: u64,
    /// The version that the lockfile tells: what tools that ask version control are told instead: a shallow checkout knows no tags.
    pub version: Option<&'a Version>,
}

impl Clean<'_> {
    /// The variables.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let text = |path: &Path| path.display().to_string();
        // Zip archives hold no earlier time, and some backends fail at one.
        let epoch = self.epoch.max(315_532_800);
        let mut vars: BTreeMap<String, String> = [
            ("HOME", text(self.home)),
            ("LANG", "C.UTF-8".into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("PATH", format!("{}:{}", text(&self.environment.join("bin")), self.path)),
            ("PIP_CONFIG_FILE", "/dev/null".into()),
            ("PIP_NO_INDEX", "1".into()),
            ("PYTHONHASHSEED", "0".into()),
            ("PYTHONNOUSERSITE", "1".into()),
            ("SOURCE_DATE_EPOCH", epoch.to_string()),
            ("TMPDIR", text(self.home)),
            ("TZ", "UTC".into()),
            ("UV_NO_CACHE", "1".into()),
            ("UV_NO_CONFIG", "1".into()),
            ("UV_OFFLINE", "1".into()),
            ("VIRTUAL_ENV", text(self.environment)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if let Some(version) = self.version {
            for name in [
                "SETUPTOOLS_SCM_PRETEND_VERSION",
                "PDM_BUILD_SCM_VERSION",
                "POETRY_DYNAMIC_VERSIONING_BYPASS",
            ] {
                vars.insert(name.into(), version.to_string());
            }
        }
        vars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_variables_is_whole() {
        let version = "1.0".parse().unwrap();
        let clean = Clean {
            path: "/usr/bin",
            home: Path::new("/h"),
            environment: Path::new("/e"),
            epoch: 0,
            version: Some(&version),
        };
        let vars = clean.variables();
        assert_eq!(vars.keys().map(String::as_str).collect::<Vec<_>>(), VARIABLES);
        assert_eq!(
            (vars["PATH"].as_str(), vars["SOURCE_DATE_EPOCH"].as_str()),
            ("/e/bin:/usr/bin", "315532800")
        );
    }
}
