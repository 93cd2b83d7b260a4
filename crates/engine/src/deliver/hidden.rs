use std::path::Path;

/// Has git ignore the folder `.wain` of a project, which holds only what can be built again, as tools for Python do.
pub(crate) fn hide_from_git(folder: &Path) {
    let file = folder.join(".gitignore");
    if !file.exists() {
        // Best effort: the image does not depend on it, and writing the image reports what is wrong here.
        let _ = wainwright_image::replace(&file, b"*\n");
    }
}
