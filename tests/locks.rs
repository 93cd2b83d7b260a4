//! Whichever tool locked the same versions: the layers are the same.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use wainwright_oci::Digest;
use wainwright_testing::{With as _, Workshop, run};

use crate::workshop;

const PROJECT: &str = "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.13\"\n\
                       dependencies = [\"greet\", \"fast\"]\n";

/// The wheels of the workshop: package, file name, sha256.
fn wheels(shop: &Workshop) -> Vec<(String, String, String)> {
    let mut wheels: Vec<_> = fs::read_dir(shop.path("wheels"))
        .unwrap()
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let digest = Digest::of(fs::read(shop.path("wheels").join(&name)).unwrap()).hex();
            (name.split('-').next().unwrap().to_owned(), name, digest)
        })
        .collect();
    wheels.sort();
    wheels
}

/// One package after the other, with `head` and a line made by `file` for each of its wheels.
fn packages(
    shop: &Workshop,
    head: impl Fn(&str) -> String,
    file: impl Fn(&str, &str) -> String,
    tail: &str,
) -> String {
    let mut text = String::new();
    for package in ["fast", "greet"] {
        text += &head(package);
        for (_, name, digest) in wheels(shop).iter().filter(|(of, ..)| of == package) {
            text += &file(name, digest);
        }
        text += tail;
    }
    text
}

/// Every layer but that of the project, where the lockfile itself lies.
fn layers(shop: &Workshop, lock: &str, text: &str) -> Vec<String> {
    for name in ["pylock.toml", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "requirements.txt"] {
        let _ = fs::remove_file(shop.path("project").join(name));
    }
    shop.write(&format!("project/{lock}"), text);
    // A store of its own: nothing is taken from what another lock made.
    let words = ["--find-links", "wheels", "--output", "layout:out", "--metadata-file", "report.json"];
    let mut build = shop.build().with(&words);
    build.env("WAIN_CACHE_DIR", shop.path(&format!("store-{lock}")));
    run(&mut build).ok();
    let report: Value = serde_json::from_slice(&fs::read(shop.path("report.json")).unwrap()).unwrap();
    let layers = report["platforms"]["linux/amd64"]["layers"].as_array().unwrap();
    let described = layers.iter().map(|layer| format!("{} {}", layer["name"], layer["digest"]));
    described.filter(|layer| !layer.starts_with("\"project")).collect()
}

#[test]
fn every_lock_gives_the_same_layers() {
    let shop = workshop();
    let pylock = fs::read_to_string(shop.path("project/pylock.toml")).unwrap();
    shop.write("project/pyproject.toml", PROJECT);
    let expected = layers(&shop, "pylock.toml", &pylock);
    assert!(expected.iter().any(|layer| layer.contains("fast 1.0 to greet 1.0")), "{expected:?}");

    let file = |name: &str, digest: &str| format!("  {{file = \"{name}\", hash = \"sha256:{digest}\"}},\n");
    let poetry = packages(
        &shop,
        |name| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1.0\"\noptional = false\n\
                 python-versions = \">=3.8\"\ngroups = [\"main\"]\nfiles = [\n"
            )
        },
        file,
        "]\n\n",
    );
    let pdm = packages(
        &shop,
        |name| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"1.0\"\ngroups = [\"default\"]\nfiles = [\n")
        },
        file,
        "]\n\n",
    );
    let uv = packages(
        &shop,
        |name| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1.0\"\nsource = {{ registry = \"../wheels\" }}\nwheels = [\n"
            )
        },
        |name, digest| format!("  {{ path = \"{name}\", hash = \"sha256:{digest}\" }},\n"),
        "]\n\n",
    );
    let requirements = packages(
        &shop,
        |name| format!("{name}==1.0"),
        |_, digest| format!(" \\\n    --hash=sha256:{digest}"),
        "\n",
    );
    let mut pipfile = String::from("{\"_meta\": {\"pipfile-spec\": 6}, \"develop\": {}, \"default\": {");
    for (index, package) in ["fast", "greet"].into_iter().enumerate() {
        let all = wheels(&shop);
        let hashes =
            all.iter().filter(|(of, ..)| of == package).map(|(.., digest)| format!("\"sha256:{digest}\""));
        let hashes = hashes.collect::<Vec<_>>().join(", ");
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(pipfile, "{comma}\"{package}\": {{\"hashes\": [{hashes}], \"version\": \"==1.0\"}}");
    }
    pipfile += "}}";

    for (lock, text) in [
        (
            "poetry.lock",
            poetry.clone() + "[metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.13\"\n",
        ),
        ("poetry.lock", poetry + "[metadata]\nlock-version = \"2.0\"\npython-versions = \">=3.13\"\n"),
        (
            "pdm.lock",
            format!(
                "[metadata]\ngroups = [\"default\"]\nstrategy = [\"inherit_metadata\"]\nlock_version = \"4.5.0\"\n\n{pdm}"
            ),
        ),
        (
            "pdm.lock",
            format!("[metadata]\ngroups = [\"default\"]\nstrategy = []\nlock_version = \"4.4\"\n\n{pdm}"),
        ),
        (
            "uv.lock",
            format!(
                "version = 1\nrequires-python = \">=3.13\"\n\n{uv}[[package]]\nname = \"shop\"\nversion = \"1\"\n\
                 source = {{ virtual = \".\" }}\ndependencies = [{{ name = \"greet\" }}, {{ name = \"fast\" }}]\n\
                 [package.metadata]\nrequires-dist = [{{ name = \"fast\" }}, {{ name = \"greet\" }}]\n"
            ),
        ),
        ("requirements.txt", requirements),
        ("Pipfile.lock", pipfile),
    ] {
        assert_eq!(layers(&shop, lock, &text), expected, "{lock}:\n{text}");
    }
}

#[test]
fn the_first_of_several_locks_counts_and_the_others_are_named() {
    let shop = workshop();
    let pylock = fs::read_to_string(shop.path("project/pylock.toml")).unwrap();
    shop.write("project/Pipfile.lock", "not read");
    shop.write("project/requirements.txt", "not read");
    let ran = run(&mut shop.build().with(&["--output", "layout:out"])).ok();
    assert!(
        ran.stderr.contains("`Pipfile.lock` is not read: `pylock.toml` comes before it"),
        "{}",
        ran.stderr
    );
    shop.write("project/poetry.lock", "");
    assert_eq!(fs::read_to_string(shop.path("project/pylock.toml")).unwrap(), pylock);
    let refused = run(&mut shop.build());
    assert!(refused.stderr.contains("poetry.lock:1"), "{}", refused.stderr);
}

/// A workspace whose member `shop` needs `greet`, and whatever `more` says.
fn workspace(more: &str) -> Workshop {
    let shop = workshop();
    fs::remove_file(shop.path("project/pylock.toml")).unwrap();
    shop.write("pyproject.toml", "[tool.uv.workspace]\nmembers = [\"project\", \"lib\"]\n");
    shop.write(
        "project/pyproject.toml",
        "[project]\nname = \"shop\"\nversion = \"1\"\ndynamic = [\"dependencies\"]\n",
    );
    let (_, name, digest) = wheels(&shop).into_iter().find(|(of, ..)| of == "greet").unwrap();
    shop.write(
        "uv.lock",
        format!(
            "version = 1\nrequires-python = \">=3.13\"\n\n[manifest]\nmembers = [\"lib\", \"shop\"]\n\n\
             [[package]]\nname = \"shop\"\nversion = \"1\"\nsource = {{ virtual = \"project\" }}\n\
             dependencies = [{{ name = \"greet\" }}{more}]\n\n\
             [[package]]\nname = \"lib\"\nversion = \"1\"\nsource = {{ editable = \"lib\" }}\n\n\
             [[package]]\nname = \"greet\"\nversion = \"1.0\"\nsource = {{ registry = \"wheels\" }}\n\
             wheels = [{{ path = \"{name}\", hash = \"sha256:{digest}\" }}]\n"
        ),
    );
    shop
}

#[test]
fn a_member_is_built_with_the_lock_of_its_workspace() {
    let shop = workspace("");
    let ran = run(&mut shop.build().with(&["--output", "layout:out"])).ok();
    assert!(ran.stderr.contains("built greet 1.0"), "{}", ran.stderr);
}

#[test]
fn a_member_that_needs_another_gets_it_as_a_layer() {
    let shop = workspace(", { name = \"lib\" }");
    let refused = run(&mut shop.build());
    let said = refused.stderr.replace(&fs::canonicalize(shop.folder()).unwrap().display().to_string(), "");
    let error = said.find("error: ").map(|at| &said[at..]).unwrap_or_default();
    insta::assert_snapshot!(error, @"
    error: /uv.lock:14: there is no folder `lib`, which `lib` comes from
      hint: check out the whole workspace, or lock again
    ");
    let text = "[build-system]\nrequires = []\nbuild-backend = \"uv_build\"\n[project]\nname = \"lib\"\nversion = \"1\"\n";
    shop.write("lib/pyproject.toml", text);
    shop.write("lib/src/lib/__init__.py", "");
    let built = run(&mut shop.build()).ok();
    assert!(built.stderr.contains("built lib 1 ("), "{}", built.stderr);
}
