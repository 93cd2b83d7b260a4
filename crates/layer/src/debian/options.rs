use wainwright_python::PythonVersion;

/// What the runtime is to hold besides its packages.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// The interpreter that becomes `/usr/bin/python3`; major and minor version decide.
    pub python: PythonVersion,
    /// Whether documentation and manual pages stay. Copyright files always stay.
    pub keep_docs: bool,
}
