/// How many links one path may lead through, as on Linux.
const MOST_LINKS: usize = 40;

/// How many parts are looked at for one path, those of link targets included; more only keeps us busy.
const MOST_PARTS: usize = 500;

/// What stands at a path without following it.
pub(crate) enum Step<'a> {
    Directory,
    /// A symbolic link and its target.
    Link(&'a [u8]),
    /// A file, a device ...: nothing can lie below.
    Leaf,
}

/// Follows all links of `path` in a virtual root, as `chroot` would; the result has no leading slash.
///
/// `None` when something on the way is missing, is no directory, or leads in circles. `..` at the root stays there.
pub(crate) fn resolve<'a>(path: &[u8], look: impl Fn(&[u8]) -> Option<Step<'a>>) -> Option<Vec<u8>> {
    follow(path, look, false)
}

/// As [`resolve`], but parts that do not exist yet are taken as they are: where something written to `path` would lie.
pub(crate) fn landing<'a>(path: &[u8], look: impl Fn(&[u8]) -> Option<Step<'a>>) -> Option<Vec<u8>> {
    follow(path, look, true)
}

fn follow<'a>(path: &[u8], look: impl Fn(&[u8]) -> Option<Step<'a>>, may_end: bool) -> Option<Vec<u8>> {
    let mut pending: Vec<Vec<u8>> = components(path);
    let mut here: Vec<u8> = Vec::new();
    let (mut links, mut parts) = (0, 0);
    while let Some(part) = pending.pop() {
        parts += 1;
        if parts > MOST_PARTS {
            return None;
        }
        if part == b".." {
            let up = here.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            here.truncate(up);
            continue;
        }
        let above = here.len();
        if above > 0 {
            here.push(b'/');
        }
        here.extend_from_slice(&part);
        match look(&here) {
            Some(Step::Directory) => {}
            Some(Step::Leaf) if pending.is_empty() => {}
            Some(Step::Leaf) => return None,
            Some(Step::Link(target)) => {
                links += 1;
                if links > MOST_LINKS {
                    return None;
                }
                here.truncate(if target.starts_with(b"/") { 0 } else { above });
                pending.extend(components(target));
            }
            None if may_end => {}
            None => return None,
        }
    }
    Some(here)
}

/// The parts of a path, last first.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(path: &[u8]) -> Option<Step<'static>> {
        match path {
            b"usr" | b"usr/bin" | b"etc" | b"srv" => Some(Step::Directory),
            b"bin" => Some(Step::Link(b"usr/bin")),
            b"usr/bin/python3" => Some(Step::Link(b"python3.11")),
            b"usr/bin/python" => Some(Step::Link(b"/etc/alternatives/../../bin/python3")),
            b"etc/alternatives" => Some(Step::Link(b"../../../usr")),
            b"usr/bin/python3.11" => Some(Step::Leaf),
            b"a" => Some(Step::Link(b"b")),
            b"b" => Some(Step::Link(b"a")),
            b"app" => Some(Step::Link(b"/srv/app")),
            _ => None,
        }
    }

    #[test]
    fn chains_end_inside_the_root() {
        for path in ["/bin/python", "bin/python3", "/usr/bin/../../../bin/./python3.11"] {
            assert_eq!(resolve(path.as_bytes(), look).unwrap(), b"usr/bin/python3.11", "{path}");
        }
        assert_eq!(resolve(b"/", look).unwrap(), b"");
    }

    #[test]
    fn link_cycles_and_dangling_links_resolve_to_nothing() {
        for path in ["a", "usr/lib", "usr/bin/python3.11/x", "usr/lib/.."] {
            assert_eq!(resolve(path.as_bytes(), look), None, "{path}");
        }
    }

    #[test]
    fn missing_path_resolves_through_links() {
        assert_eq!(landing(b"/app/.venv/bin", look).unwrap(), b"srv/app/.venv/bin");
        assert_eq!(landing(b"bin/new", look).unwrap(), b"usr/bin/new");
        assert_eq!(landing(b"a/x", look), None);
        assert_eq!(landing(b"usr/bin/python3.11/x", look), None);
    }
}
