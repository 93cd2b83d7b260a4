//! `gconv-modules`, cut down to the character sets that are still there.

use std::collections::BTreeSet;

use super::Error;
use super::groups::Group;
use super::keep;
use super::member::MemberKind;
use super::tree::Tree;

/// Rewrites the list of character sets so that it names no file that was left out.
pub(super) fn rewrite(tree: &mut Tree) -> Result<(), Error> {
    let lists: Vec<(String, String)> = tree
        .iter()
        .filter_map(|(path, node)| match &node.kind {
            MemberKind::File(bytes) if keep::gconv_name(path) == Some(b"gconv-modules") => Some((
                String::from_utf8_lossy(path).into_owned(),
                String::from_utf8_lossy(bytes).into_owned(),
            )),
            _ => None,
        })
        .collect();
    for (path, text) in lists {
        let short = shorten(&text, |module| keep::CHARACTER_SETS.contains(&module));
        tree.put(&path, 0o644, MemberKind::File(short.into_bytes().into()), Group::System)?;
    }
    Ok(())
}

/// Keeps the `module` lines whose file is kept, and the `alias` lines that lead to their character sets.
fn shorten(text: &str, is_kept: impl Fn(&str) -> bool) -> String {
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split('#').next().unwrap_or("").split_whitespace().collect()).collect();
    let names: BTreeSet<&str> = lines
        .iter()
        .filter_map(|words| match words[..] {
            ["module", from, to, file, ..] if is_kept(file) => Some([from, to]),
            _ => None,
        })
        .flatten()
        .collect();
    let mut short = String::from("# The character sets of this image.\n");
    for words in &lines {
        let stays = match words[..] {
            ["module", _, _, file, ..] => is_kept(file),
            ["alias", _, to, ..] => names.contains(to),
            _ => false,
        };
        if stays {
            short.push_str(&words.join("\t"));
            short.push('\n');
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5sums_omit_dropped_files() {
        let text = "# list\nalias\tUTF16//\t\tUTF-16//\nmodule UTF-16// INTERNAL UTF-16 1\nmodule\tINTERNAL UTF-16//  UTF-16 1\n\
                    alias MS-ANSI// CP1252//\nmodule CP1252// INTERNAL CP1252 1\n";
        assert_eq!(
            shorten(text, |file| file == "UTF-16"),
            "# The character sets of this image.\nalias\tUTF16//\tUTF-16//\nmodule\tUTF-16//\tINTERNAL\tUTF-16\t1\n\
             module\tINTERNAL\tUTF-16//\tUTF-16\t1\n"
        );
    }
}
