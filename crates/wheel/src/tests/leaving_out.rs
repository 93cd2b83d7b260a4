//! Files that are not installed: kinds that `--slim` names, and files that another package keeps.

use std::collections::BTreeMap;

use wainwright_oci::ImagePath;
use wainwright_python::Slim;

use super::maker::{Maker, greet, layout};
use crate::{FileContent, Layout, Wheel};

const SITE: &str = "app/.venv/lib/python3.11/site-packages";

fn slim(kinds: &[Slim]) -> Layout {
    Layout { slim: kinds.iter().copied().collect(), ..layout() }
}

fn tested() -> Maker {
    greet()
        .file("greet/core.pyi", "12345")
        .file("greet/tests/", "")
        .file("greet/tests/data/", "")
        .file("greet/tests/test_a.py", "123")
        .file("greet/tests/test_b.py", "4567")
        .file("greet-1.0.data/purelib/greet/tests/test_a.py", "123")
}

/// The names of the files of packages, and the text of RECORD.
fn installed(wheel: &Wheel, layout: &Layout, lost: &[&str]) -> (Vec<String>, String) {
    let lost: Vec<ImagePath> =
        lost.iter().map(|path| ImagePath::new(format!("{SITE}/{path}")).unwrap()).collect();
    let files = wheel.install_except(layout, &|path| lost.contains(path)).unwrap();
    let record = files.iter().find(|file| file.path.to_string().ends_with("/RECORD")).unwrap();
    let FileContent::Generated(record) = &record.content else { panic!("{record:?}") };
    let record = String::from_utf8(record.clone()).unwrap();
    let below = |path: &ImagePath| path.to_string().strip_prefix(SITE).map(|path| path[1..].to_owned());
    let names = files.iter().filter_map(|file| below(&file.path));
    (names.filter(|name| !name.contains(".dist-info")).collect(), record)
}

#[test]
fn slim_leaves_out_kinds_that_are_asked_for() {
    let wheel = tested().open().unwrap();
    let (names, record) = installed(&wheel, &slim(&[Slim::Tests]), &[]);
    assert_eq!(names, ["greet/__init__.py", "greet/core.pyi"]);
    assert!(record.contains("greet/core.pyi,") && !record.contains("tests"), "{record}");
    assert_eq!(installed(&wheel, &slim(&[]), &[]).0.len(), 4);
}

#[test]
fn slim_counts_each_file_once_and_no_directory() {
    let wheel = tested().open().unwrap();
    let both = wheel.left_out(&slim(&[Slim::Tests, Slim::TypeStubs])).unwrap();
    assert_eq!(both, BTreeMap::from([(Slim::Tests, (2, 7)), (Slim::TypeStubs, (1, 5))]));
    assert_eq!(wheel.left_out(&slim(&[Slim::Docs])).unwrap(), BTreeMap::new());
    assert_eq!(wheel.left_out(&slim(&[])).unwrap(), BTreeMap::new());
}

#[test]
fn slim_leaves_out_empty_directories_of_its_kinds() {
    let wheel = tested().file("greet/plugins/", "").open().unwrap();
    let empty = |layout: &Layout| -> Vec<String> {
        wheel.empty_directories(layout).unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(empty(&slim(&[Slim::Tests])), [format!("{SITE}/greet/plugins")]);
    let all = [format!("{SITE}/greet/plugins"), format!("{SITE}/greet/tests/data")];
    assert_eq!(empty(&slim(&[])), all);
}

#[test]
fn lost_files_are_neither_installed_nor_recorded() {
    let wheel = tested().open().unwrap();
    let (names, record) = installed(&wheel, &layout(), &["greet/tests/test_a.py", "greet/core.pyi"]);
    assert_eq!(names, ["greet/__init__.py", "greet/tests/test_b.py"]);
    assert!(record.contains("test_b.py,") && !record.contains("test_a.py"), "{record}");
}
