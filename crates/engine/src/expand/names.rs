use wainwright_project::Project;
use wainwright_python::PackageName;

/// The version of a project that says none.
const NO_VERSION: &str = "dev";
/// The name of a project whose folder has none that could be one.
pub(super) const NO_NAME: &str = "app";

/// The name of a project: its own, or that of its folder.
pub(crate) fn project_name(project: &Project) -> String {
    let folder = || {
        let root = project.root.canonicalize().ok()?;
        let name = root.file_name()?.to_str()?.to_lowercase();
        name.parse::<PackageName>().ok().map(|name| name.to_string())
    };
    project.name.as_ref().map(ToString::to_string).or_else(folder).unwrap_or_else(|| NO_NAME.into())
}

/// The version of a project, as a tag can hold it.
pub(crate) fn project_version(project: &Project) -> String {
    let version = project.python_project.as_ref().and_then(|python| python.version.as_ref());
    // A tag has no `+`.
    version.map_or_else(|| NO_VERSION.to_owned(), |version| version.to_string().replace('+', "-"))
}
