use wainwright_python::PackageName;

use crate::entry_points::read_scripts;
use crate::error::Fault;
use crate::install::write_record;
use crate::launcher::launcher;
use crate::layout::Place;
use crate::rules::E_META;
use crate::{Error, FileContent, InstalledFile, Layout};

/// Installs a package that has no wheel: files made by the caller, of which one `.dist-info` is.
///
/// `files` are named relative to the folder of installed packages. Launchers are added for the entry points, then RECORD
/// for all of it. Sorted by path.
pub fn install_generated(
    layout: &Layout,
    name: &PackageName,
    files: Vec<(String, Vec<u8>)>,
) -> Result<Vec<InstalledFile>, Error> {
    layout.check()?;
    install(layout, name, files).map_err(|fault| fault.in_wheel(name))
}

fn install(
    layout: &Layout,
    name: &PackageName,
    files: Vec<(String, Vec<u8>)>,
) -> Result<Vec<InstalledFile>, Fault> {
    let metadata = files.iter().find_map(|(path, _)| path.strip_suffix("/METADATA"));
    let Some(dist_info) = metadata.map(str::to_owned) else {
        return Err(Fault::archive(E_META, "it has no METADATA"));
    };
    let directories = layout.directories(name)?;
    let mut installed = Vec::new();
    let mut add = |place: Place<'_>, executable, bytes| {
        let path = directories.path(&place)?;
        installed.push(InstalledFile { path, executable, content: FileContent::Generated(bytes) });
        Ok::<_, Fault>(())
    };
    for (path, bytes) in files {
        if path == format!("{dist_info}/entry_points.txt") {
            for (script, target) in read_scripts(&path, &bytes)? {
                add(Place::Script(&script), true, launcher(&target, &layout.interpreter))?;
            }
        }
        add(Place::Site(&path), false, bytes)?;
    }
    let record = directories.path(&Place::Site(&format!("{dist_info}/RECORD")))?;
    let rows = installed.iter().map(|file| (file, None));
    let bytes = write_record(rows, &record, &directories.site)?;
    installed.push(InstalledFile { path: record, executable: false, content: FileContent::Generated(bytes) });
    installed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(installed)
}

#[cfg(test)]
mod tests {
    use wainwright_oci::ImagePath;
    use wainwright_python::PythonVersion;

    use super::*;

    #[test]
    fn scripts_and_record_are_made() {
        let layout = Layout::venv(ImagePath::new("v").unwrap(), PythonVersion::new(3, 11));
        let files = vec![
            ("demo-1.dist-info/METADATA".to_owned(), b"Name: demo".to_vec()),
            ("demo-1.dist-info/entry_points.txt".to_owned(), b"[console_scripts]\nhi = demo:main\n".to_vec()),
        ];
        let installed = install_generated(&layout, &"demo".parse().unwrap(), files).unwrap();
        let shown: Vec<String> =
            installed.iter().map(|file| format!("{} {}", file.path, file.executable)).collect();
        assert_eq!(
            shown.join("\n"),
            "v/bin/hi true\n\
             v/lib/python3.11/site-packages/demo-1.dist-info/METADATA false\n\
             v/lib/python3.11/site-packages/demo-1.dist-info/RECORD false\n\
             v/lib/python3.11/site-packages/demo-1.dist-info/entry_points.txt false"
        );
        let FileContent::Generated(record) = &installed[2].content else { unreachable!() };
        let record = String::from_utf8_lossy(record);
        assert!(record.starts_with("../../../bin/hi,sha256="), "{record}");
        assert!(record.contains("demo-1.dist-info/RECORD,,\n"));
    }
}
