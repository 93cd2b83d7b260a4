//! `/etc/ssl/certs/ca-certificates.crt`, byte for byte as `update-ca-certificates` makes it.

use super::Error;
use super::groups::Group;
use super::keep;
use super::member::MemberKind;
use super::tree::Tree;

/// Joins the certificates of the package in the order of their names; of a base made from nothing the single files are
/// taken out.
///
/// OpenSSL finds the bundle under `/usr/lib/ssl`, where Debian's `openssl` package puts the same links. Does nothing
/// without certificates.
pub(super) fn bundle(tree: &mut Tree, group: Group) -> Result<(), Error> {
    let mut bundle = Vec::new();
    for (path, node) in tree.iter() {
        let MemberKind::File(bytes) = &node.kind else { continue };
        if !keep::is_below(path, keep::CERTIFICATES.as_bytes()) || !path.ends_with(b".crt") {
            continue;
        }
        bundle.extend_from_slice(bytes);
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    if group == Group::System {
        tree.remove(keep::CERTIFICATES.as_bytes());
    }
    if bundle.is_empty() {
        return Ok(());
    }
    let link = |target: &str| MemberKind::Symlink(target.into());
    tree.put("etc/ssl/certs/ca-certificates.crt", 0o644, MemberKind::File(bundle.into()), group)?;
    for (path, target) in [
        ("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"),
        ("usr/lib/ssl/certs", "/etc/ssl/certs"),
    ] {
        if tree.get(path.as_bytes()).is_none() {
            tree.put(path, 0o777, link(target), group)?;
        }
    }
    Ok(())
}
