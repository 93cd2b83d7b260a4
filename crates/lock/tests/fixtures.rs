use std::collections::BTreeSet;

use wainwright_lock::{LocalMember, Location, Selection, Source};
use wainwright_python::PackageName;

use crate::{fixture, list, target};

/// `--extra redis --group dev` as a selection.
fn selection(options: &[&str]) -> Selection {
    let mut selection = Selection::default();
    let mut options = options.iter();
    let value = |value: Option<&&str>| value.unwrap().parse::<PackageName>().unwrap();
    while let Some(&option) = options.next() {
        match option {
            "--extra" => drop(selection.extras.insert(value(options.next()))),
            "--all-extras" => selection.all_extras = true,
            "--group" => drop(selection.groups.insert(value(options.next()))),
            "--only-group" => {
                selection.groups.insert(value(options.next()));
                selection.include_project_deps = false;
            }
            "--package" => selection.project = Some(value(options.next())),
            other => panic!("{other}"),
        }
    }
    selection
}

/// Compares every block of `expected.txt`, which was made by the tool that wrote the lock, with what we select.
fn check(project: &str, file: &str) {
    let lock = wainwright_lock::read(&fixture(&format!("{project}/{file}"))).unwrap();
    lock.check_fresh().unwrap();
    let expected = std::fs::read_to_string(fixture(&format!("{project}/expected.txt"))).unwrap();
    let blocks: Vec<_> = expected.split("\n[").skip(1).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let (head, theirs) = block.split_once("]\n").unwrap();
        let words: Vec<_> = head.split(' ').collect();
        let target = target(words[0], words[1]);
        let ours = lock.packages(&selection(&words[2..]), &target).unwrap();
        assert_eq!(list(&ours), theirs.lines().collect::<Vec<_>>(), "{project} {head}");
    }
}

#[test]
fn extras_groups_and_platforms_are_chosen_as_uv_does() {
    check("shop", "uv.lock");
}

#[test]
fn forks_are_chosen_by_python_and_platform() {
    check("forks", "uv.lock");
}

#[test]
fn conflicting_extras_choose_their_versions() {
    check("conflicts", "uv.lock");
}

#[test]
fn poetry_chooses_the_same_by_groups_and_markers() {
    check("poetry", "poetry.lock");
}

#[test]
fn poetry_1_chooses_the_same_by_walking_from_the_project() {
    check("poetry-1", "poetry.lock");
}

#[test]
fn pdm_chooses_the_same_by_groups_and_markers() {
    check("pdm", "pdm.lock");
}

#[test]
fn pdm_chooses_the_same_by_walking_from_the_project() {
    check("pdm-plain", "pdm.lock");
}

#[test]
fn pipenv_chooses_the_same_by_categories() {
    check("pipenv", "Pipfile.lock");
}

#[test]
fn formats_give_the_same_packages() {
    for (python, architecture) in [("3.10.12", "amd64"), ("3.13.5", "arm64")] {
        let target = target(python, architecture);
        let of = |name: &str, options: &[&str]| {
            let lock = wainwright_lock::read(&fixture(&format!("shop/{name}"))).unwrap();
            lock.packages(&selection(options), &target).unwrap()
        };
        let uv = of("uv.lock", &["--all-extras"]);
        let pylock = of("pylock.toml", &[]);
        let requirements = of("requirements.txt", &[]);
        assert!(uv.len() > 20);
        for (one, other) in uv.iter().zip(&pylock) {
            assert_eq!((&one.wheels, &one.sdist, &one.source), (&other.wheels, &other.sdist, &other.source));
        }
        for other in [pylock, requirements] {
            assert_eq!(list(&other), list(&uv));
            let hashes = |packages: &[wainwright_lock::LockedPackage]| -> Vec<BTreeSet<_>> {
                packages.iter().map(|package| package.hashes.clone()).collect()
            };
            assert_eq!(hashes(&other), hashes(&uv));
        }
    }
}

#[test]
fn a_package_says_where_its_files_are_and_who_needs_it() {
    let lock = wainwright_lock::read(&fixture("shop/uv.lock")).unwrap();
    let packages = lock.packages(&Selection::default(), &target("3.11.2", "amd64")).unwrap();
    let h11 = packages.iter().find(|package| package.name.as_str() == "h11").unwrap();
    assert_eq!(h11.source, Source::Index(Some("https://pypi.org/simple".into())));
    assert_eq!(h11.why.iter().map(PackageName::as_str).collect::<Vec<_>>(), ["uvicorn"]);
    let [wheel] = &h11.wheels[..] else { panic!("{:?}", h11.wheels) };
    assert!(matches!(&wheel.location, Location::Url(url) if url.ends_with(&wheel.filename)));
    assert!(wheel.digest.is_some_and(|digest| h11.hashes.contains(&digest)));
    let text = std::fs::read_to_string(&h11.origin.file).unwrap();
    assert_eq!(text.lines().nth(h11.origin.line - 1), Some("name = \"h11\""));
    let fastapi = packages.iter().find(|package| package.name.as_str() == "fastapi").unwrap();
    assert_eq!(fastapi.why.iter().map(PackageName::as_str).collect::<Vec<_>>(), ["web-shop"]);
}

#[test]
fn local_projects_are_not_packages() {
    let lock = wainwright_lock::read(&fixture("conflicts/uv.lock")).unwrap();
    let members = |options: &[&str]| -> Vec<_> {
        let found = lock.local_members(&selection(options), &target("3.11.2", "amd64")).unwrap();
        let short = |member: LocalMember| (member.name.to_string(), member.is_root, member.is_package);
        found.into_iter().map(short).collect()
    };
    assert_eq!(members(&[]), [("reports".into(), true, false)]);
    let both = [("report-lib".into(), false, true), ("reports".into(), true, false)];
    assert_eq!(members(&["--extra", "old"]), both);
    assert_eq!(members(&["--package", "report-lib"]), [("report-lib".into(), true, true)]);
    assert_eq!(members(&["--only-group", "docs"]), []);
}
