/// One rule a wheel is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `E-…` refuses the wheel, `W-…` warns.
    pub id: &'static str,
    /// What the rule says, in one sentence.
    pub meaning: &'static str,
    /// What goes wrong without it.
    pub why: &'static str,
    /// What to do about a wheel that breaks it.
    pub advice: &'static str,
}

impl Rule {
    /// Whether breaking it refuses the wheel; else it is a warning.
    pub fn refuses(&self) -> bool {
        self.id.starts_with("E-")
    }

    /// What to tell the user next about something that breaks it.
    pub fn hint(&self) -> String {
        format!("{} {} See `wain explain {}`.", self.why, self.advice, self.id)
    }
}

/// The rule with this id, in any case: `E-ZIPDIFF`.
pub fn explain(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

pub(crate) const E_CRC: &str = "E-CRC";
pub(crate) const E_DATA: &str = "E-DATA";
pub(crate) const E_DUP: &str = "E-DUP";
pub(crate) const E_ENC: &str = "E-ENC";
pub(crate) const E_FRAME: &str = "E-FRAME";
pub(crate) const E_LIMIT: &str = "E-LIMIT";
pub(crate) const E_META: &str = "E-META";
pub(crate) const E_METHOD: &str = "E-METHOD";
pub(crate) const E_NAME: &str = "E-NAME";
pub(crate) const E_NOTZIP: &str = "E-NOTZIP";
pub(crate) const E_PATH: &str = "E-PATH";
pub(crate) const E_RECORD: &str = "E-RECORD";
pub(crate) const E_SCRIPT: &str = "E-SCRIPT";
pub(crate) const E_SIZE: &str = "E-SIZE";
pub(crate) const E_TYPE: &str = "E-TYPE";
pub(crate) const E_WHITEOUT: &str = "E-WHITEOUT";
pub(crate) const E_ZIPDIFF: &str = "E-ZIPDIFF";
pub(crate) const W_CASE: &str = "W-CASE";
pub(crate) const W_PTH: &str = "W-PTH";
pub(crate) const W_RATIO: &str = "W-RATIO";
pub(crate) const W_SUID: &str = "W-SUID";
pub(crate) const W_TAG: &str = "W-TAG";
pub(crate) const W_VERSION: &str = "W-VERSION";

const REBUILD: &str =
    "Ask the project for a wheel made with current tools, or build one from its source archive.";
const DOWNLOAD: &str =
    "Download the wheel again; if that does not help, report it to the project or the index.";
const SUSPECT: &str = "Do not install it by other means before someone has inspected it: no build tool writes this by accident.";

/// Every rule, sorted by id.
///
/// `E-BASE`, `E-CLASH` and `W-CLASH` need more than one wheel to decide and are applied by whoever has them all.
pub const RULES: &[Rule] = &[
    Rule {
        id: "E-BASE",
        meaning: "The base image must not contain `/app/.venv`, and no wheel may replace a part of that environment.",
        why: "Otherwise files of the base are replaced silently, or packages that are not locked become importable.",
        advice: "Build on the base of that image instead; remove a wheel that contains its own `bin/python` or `pyvenv.cfg`.",
    },
    Rule {
        id: "E-CLASH",
        meaning: "Two wheels must not install different files at the same path.",
        why: "Which of the two packages works would depend on the order of installation.",
        advice: "Remove one of the two packages, pin versions that do not overlap, or choose the package that wins with `--allow-clash PACKAGE`.",
    },
    Rule {
        id: E_CRC,
        meaning: "The data of a member must inflate and match the CRC-32 in its header.",
        why: "The file is damaged.",
        advice: DOWNLOAD,
    },
    Rule {
        id: E_DATA,
        meaning: "The `.data` directory contains only `purelib`, `platlib`, `scripts`, `data` and `headers`, and no file in the place of `bin`, `lib`, `lib64` or `include`.",
        why: "The specification defines nothing else, and installers handle it differently.",
        advice: REBUILD,
    },
    Rule {
        id: E_DUP,
        meaning: "Every path appears once, and nothing is below a file.",
        why: "Some readers keep the first file and others the last, so they would install different programs.",
        advice: SUSPECT,
    },
    Rule {
        id: E_ENC,
        meaning: "Members may not be encrypted.",
        why: "Installers have no password.",
        advice: REBUILD,
    },
    Rule {
        id: E_FRAME,
        meaning: "Members fill the file from its first byte to the directory, and the file ends with the end record.",
        why: "Other bytes can contain a second archive that other readers find instead.",
        advice: SUSPECT,
    },
    Rule {
        id: E_LIMIT,
        meaning: "The number of members and folders, the directory, the metadata and the unpacked size are within limits.",
        why: "Otherwise a small file could fill the disk or the memory.",
        advice: "Ask the project to split it: no known published wheel comes near the limits.",
    },
    Rule {
        id: E_META,
        meaning: "There is one `.dist-info` directory; its WHEEL and METADATA are complete, have a supported format, and agree with the file name.",
        why: "A lockfile pins a name and a version; a wheel with another name or version misleads every later tool.",
        advice: REBUILD,
    },
    Rule {
        id: E_METHOD,
        meaning: "Members are stored or deflated, and neither their flags nor the version they need require more.",
        why: "Other compression methods are not part of the wheel format, and not every installer supports them.",
        advice: REBUILD,
    },
    Rule {
        id: E_NAME,
        meaning: "Names are UTF-8 (flagged as such unless ASCII), without control characters and line separators; within 255 bytes between slashes, 4,096 in all.",
        why: "Readers decode other names differently, and file systems cannot store longer ones.",
        advice: REBUILD,
    },
    Rule {
        id: E_NOTZIP,
        meaning: "A wheel is a zip archive.",
        why: "The file may be empty, a truncated download or a saved error page.",
        advice: DOWNLOAD,
    },
    Rule {
        id: E_PATH,
        meaning: "Names are relative paths of plain components with `/` between them.",
        why: "`..`, a drive letter, a backslash or a leading `/` can point outside the directory.",
        advice: SUSPECT,
    },
    Rule {
        id: E_RECORD,
        meaning: "RECORD lists every file, with its true size and a sha256, sha384 or sha512 of its bytes, and no other file.",
        why: "A file that is not listed was added later; an uninstall would delete a listed path outside the wheel.",
        advice: REBUILD,
    },
    Rule {
        id: E_SCRIPT,
        meaning: "Scripts have plain names, refer to a function, and do not replace the interpreter.",
        why: "A script called `python` would run instead of Python; odd names break shells.",
        advice: SUSPECT,
    },
    Rule {
        id: E_SIZE,
        meaning: "A member inflates to exactly the size in its header.",
        why: "A member that inflates to more than it declares can fill the disk.",
        advice: SUSPECT,
    },
    Rule {
        id: E_TYPE,
        meaning: "Members are files and directories.",
        why: "Links, devices and pipes are not allowed in a wheel and can redirect writes.",
        advice: SUSPECT,
    },
    Rule {
        id: E_WHITEOUT,
        meaning: "No name starts with `.wh.`.",
        why: "In an image layer such a file deletes its sibling, or its whole directory.",
        advice: "Rename the file if it is yours; before you install such a wheel by other means, ask the project about it.",
    },
    Rule {
        id: E_ZIPDIFF,
        meaning: "The directory, the headers of members with their extra fields and data descriptors, and the end records agree; compressed data ends where its size says.",
        why: "Where two headers differ, two readers install two different programs.",
        advice: SUSPECT,
    },
    Rule {
        id: W_CASE,
        meaning: "Two names differ only by case, or by how Unicode composes their letters.",
        why: "This works in a Linux image; a copy on macOS or Windows loses one of the two.",
        advice: "Nothing, unless you copy the files to such a system.",
    },
    Rule {
        id: "W-CLASH",
        meaning: "Two wheels install the same file at the same path.",
        why: "This is harmless now; an update of one of them may change that.",
        advice: "Nothing.",
    },
    Rule {
        id: W_PTH,
        meaning: "A `.pth` file, `sitecustomize` or `usercustomize` is at the top of site-packages.",
        why: "Its code runs at every start of the interpreter.",
        advice: "Look at it if you did not expect it.",
    },
    Rule {
        id: W_RATIO,
        meaning: "A large member has a higher compression ratio than programs and data usually have.",
        why: "It may be designed to fill the disk.",
        advice: "Check the unpacked size.",
    },
    Rule {
        id: W_SUID,
        meaning: "A member has set-user-id, set-group-id or sticky bits.",
        why: "They are dropped, as in every installer; the program may need them.",
        advice: "Nothing; set them in the image yourself if they are needed.",
    },
    Rule {
        id: W_TAG,
        meaning: "The tags in WHEEL differ from the file name.",
        why: "Installers use the file name; the wheel was probably renamed after it was built.",
        advice: "Nothing.",
    },
    Rule {
        id: W_VERSION,
        meaning: "The wheel uses a newer minor version of the format than 1.0.",
        why: "It may contain something that is not supported yet.",
        advice: "Look for a newer version of Wainwright.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_written_in_sentences() {
        assert!(RULES.is_sorted_by(|a, b| a.id < b.id));
        for rule in RULES {
            for text in [rule.meaning, rule.why, rule.advice] {
                assert!(text.ends_with('.'), "{}: {text}", rule.id);
            }
        }
    }

    #[test]
    fn a_rule_is_found_in_any_case() {
        assert_eq!(explain("e-zipdiff").map(|rule| rule.id), Some("E-ZIPDIFF"));
        assert_eq!(explain("E-NONE"), None);
    }
}
