use wainwright_base::{FileKind, LayerFile};

/// Whether two members of layers are the same to a container, but for their modification time.
pub(crate) fn is_same(one: &LayerFile, two: &LayerFile) -> bool {
    one.kind == two.kind && one.mode == two.mode && one.owner == two.owner && one.attributes == two.attributes
}

/// A member of a layer in a few words: `file 0644, 12 bytes, sha256:...`.
pub(crate) fn describe(file: &LayerFile) -> String {
    let mode = file.mode;
    let mut text = match &file.kind {
        FileKind::Directory => format!("folder {mode:04o}"),
        FileKind::File { size, digest } => match file.deletes() {
            Some((path, true)) => format!("a whiteout of everything in `{}`", path.escape_ascii()),
            Some((path, false)) => format!("a whiteout that deletes `{}`", path.escape_ascii()),
            None => format!("file {mode:04o}, {size} bytes, {digest}"),
        },
        FileKind::Symlink(target) => format!("link to `{}`", target.escape_ascii()),
        FileKind::Hardlink(target) => format!("hard link to `{}`", target.escape_ascii()),
        FileKind::Other => format!("device or pipe {mode:04o}"),
    };
    if file.owner != (0, 0) {
        text.push_str(&format!(", owner {}:{}", file.owner.0, file.owner.1));
    }
    if file.attributes.is_some() {
        text.push_str(", with extended attributes");
    }
    text
}

/// A path of an image for a person.
pub(crate) fn shown(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => path.escape_ascii().to_string(),
    }
}
