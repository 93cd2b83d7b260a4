//! What of a package enters an image, and what stays out: the table, and the one place it is applied.

use super::member::MemberKind;

/// Top-level directories that are links into `usr` (Debian's merged `/usr`).
pub(super) const MERGED: &[&str] = &["bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin"];

/// Trees nobody reads in a container without a shell: documentation, and files for programs that are not there.
const DROPPED: &[&str] = &[
    "etc/apport",
    "etc/bash_completion.d",
    "etc/ca-certificates",
    "etc/cron.d",
    "etc/cron.daily",
    "etc/cron.hourly",
    "etc/cron.monthly",
    "etc/cron.weekly",
    "etc/default",
    "etc/init",
    "etc/init.d",
    "etc/logrotate.d",
    "etc/profile.d",
    "etc/skel",
    "etc/sysctl.d",
    "etc/update-motd.d",
    "usr/lib/binfmt.d",
    "usr/lib/modprobe.d",
    "usr/lib/modules-load.d",
    "usr/lib/sysctl.d",
    "usr/lib/systemd",
    "usr/lib/sysusers.d",
    "usr/lib/tmpfiles.d",
    "usr/lib/udev",
    "usr/sbin/update-ca-certificates",
    "usr/share/applications",
    "usr/share/apport",
    "usr/share/base-files",
    "usr/share/bash-completion",
    "usr/share/binfmts",
    "usr/share/bug",
    "usr/share/doc-base",
    "usr/share/fish",
    "usr/share/gcc",
    "usr/share/gdb",
    "usr/share/icons",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/menu",
    "usr/share/pixmaps",
    "usr/share/zsh",
    // Leap-second zones and a second copy of all zones; Debian itself left them out after bookworm.
    "usr/share/zoneinfo/posix",
    "usr/share/zoneinfo/right",
];

/// Certificates; they stay until the bundle is made of them, which takes them out.
pub(super) const CERTIFICATES: &str = "usr/share/ca-certificates";

/// Character sets that `iconv` keeps; the C library itself knows UTF-8 and ASCII.
pub(super) const CHARACTER_SETS: &[&str] = &["ISO8859-1", "UNICODE", "UTF-16", "UTF-32", "UTF-7"];

/// Whether a member enters the image.
pub(super) fn stays(path: &[u8], kind: &MemberKind, keep_docs: bool) -> bool {
    if is_below(path, b"usr/share/doc") {
        return keep_docs || is_copyright(path, kind);
    }
    if keep_docs && (is_below(path, b"usr/share/man") || is_below(path, b"usr/share/info")) {
        return true;
    }
    if DROPPED.iter().any(|dropped| is_below(path, dropped.as_bytes())) {
        return false;
    }
    gconv_name(path).is_none_or(is_kept_character_set)
}

/// The name of a file in the directory of the character sets: `UTF-16.so` of `usr/lib/x86_64-linux-gnu/gconv/UTF-16.so`.
pub(super) fn gconv_name(path: &[u8]) -> Option<&[u8]> {
    let below = path.strip_prefix(b"usr/lib/")?;
    let mut parts = below.splitn(3, |byte| *byte == b'/');
    let (_triplet, gconv, name) = (parts.next()?, parts.next()?, parts.next()?);
    (gconv == b"gconv").then_some(name)
}

/// The cache and the lists of extra modules name files that are gone, so they go as well.
fn is_kept_character_set(name: &[u8]) -> bool {
    name == b"gconv-modules"
        || name
            .strip_suffix(b".so")
            .is_some_and(|name| CHARACTER_SETS.iter().any(|kept| kept.as_bytes() == name))
}

/// `usr/share/doc/<package>/copyright`, or a link that stands for the whole directory of another package.
fn is_copyright(path: &[u8], kind: &MemberKind) -> bool {
    let Some(below) = path.strip_prefix(b"usr/share/doc/") else { return false };
    let parts: Vec<&[u8]> = below.split(|byte| *byte == b'/').collect();
    match (&parts[..], kind) {
        ([_], MemberKind::Symlink(_)) => true,
        ([_, name], MemberKind::File(_) | MemberKind::Symlink(_)) => *name == b"copyright",
        _ => false,
    }
}

/// Whether a path is a directory or stands below it.
pub(super) fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}
