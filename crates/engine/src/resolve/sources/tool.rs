use std::collections::BTreeMap;
use std::path::Path;

use wainwright_backend::{Interpreter, Tool};
use wainwright_python::PythonVersion;
use wainwright_resolve::{Resolver, VERSION};

use crate::resolve::unlocked::{environment, resolver};
use crate::{Error, Session};

/// Who could build here: found out without fetching anything.
#[derive(Clone)]
pub(super) struct Builder {
    pub(super) python: Interpreter,
    /// `None` where uv has to be fetched first.
    tool: Option<Tool>,
}

impl Builder {
    /// Looks for a Python, best of the wanted version, and for uv, or the pip of that Python.
    pub(super) async fn find(wanted: PythonVersion, session: &Session) -> Option<Self> {
        let vars = &session.machine.vars;
        let uv = Resolver::find(vars, Path::new("/")).await.and_then(Result::ok);
        let program = uv.as_ref().map(|uv| uv.program.as_path());
        let python = Interpreter::find(vars, wanted, program).await?;
        let tool = match uv {
            Some(Resolver { program, version }) => Some(Tool::Uv { program, version }),
            None => Tool::pip(&python, vars).await,
        };
        Some(Self { python, tool })
    }

    /// What identifies it in the cache.
    pub(super) fn name(&self) -> String {
        self.tool.as_ref().map_or_else(|| format!("uv {VERSION}"), Tool::name)
    }

    /// The tool, fetched if need be. `scratch` is for what is fetched.
    pub(super) async fn ready(&self, scratch: &Path, session: &Session) -> Result<Tool, Error> {
        if let Some(tool) = &self.tool {
            return Ok(tool.clone());
        }
        let Resolver { program, version } = resolver(scratch, session).await?;
        Ok(Tool::Uv { program, version })
    }
}

/// The environment in which build requirements are installed, by either tool.
pub(super) fn installer_vars(scratch: &Path, session: &Session) -> Result<BTreeMap<String, String>, Error> {
    let mut vars = environment(scratch, session)?;
    let get =
        |vars: &BTreeMap<String, String>, name: &str| vars.get(name).cloned().filter(|text| !text.is_empty());
    let url = |text: &str| -> String {
        let is_named = text.split_once('=').filter(|(name, _)| !name.contains("://"));
        is_named.map_or(text, |(_, url)| url).to_owned()
    };
    if let Some(index) = get(&vars, "UV_DEFAULT_INDEX") {
        vars.insert("PIP_INDEX_URL".into(), url(&index));
    }
    if let Some(extra) = get(&vars, "UV_INDEX") {
        let extra: Vec<String> = extra.split_whitespace().map(url).collect();
        vars.insert("PIP_EXTRA_INDEX_URL".into(), extra.join(" "));
    }
    if let Some(links) = get(&vars, "UV_FIND_LINKS") {
        vars.insert("PIP_FIND_LINKS".into(), links.replace(',', " "));
    }
    // A target of the user's would lead the installation elsewhere.
    for name in [
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_USER",
        "PIP_REQUIREMENT",
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
    ] {
        vars.remove(name);
    }
    for name in
        ["UV_TARGET", "UV_PREFIX", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_LINK_MODE"]
    {
        vars.remove(name);
    }
    Ok(vars)
}
