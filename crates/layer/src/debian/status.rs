//! `/var/lib/dpkg/status.d`: which packages are in the image, for scanners.

use super::Error;
use super::groups::Group;
use super::member::MemberKind;
use super::package::Package;
use super::tree::Tree;

/// Writes the control file and the checksums of each package, as distroless images have them.
///
/// In a base made from nothing each stands in the layer of its package, so that an update changes one layer.
pub(super) fn write(
    tree: &mut Tree,
    packages: &[Package],
    group: impl Fn(&Package) -> Group,
) -> Result<(), Error> {
    for package in packages {
        let group = group(package);
        let path = format!("var/lib/dpkg/status.d/{}", package.name);
        let control = package.control.trim_end().to_owned() + "\n";
        tree.put(&path, 0o644, MemberKind::File(control.into_bytes().into()), group)?;
        if let Some(md5sums) = package.control_file("md5sums") {
            let path = format!("{path}.md5sums");
            tree.put(&path, 0o644, MemberKind::File(md5sums.into()), group)?;
        }
    }
    Ok(())
}
