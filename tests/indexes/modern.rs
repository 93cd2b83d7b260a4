use std::fmt::Write as _;

use wainwright_oci::Digest;
use wainwright_testing::{Act, Asked, Reply, Wheel, wheel};

use super::row::{Row, is_page, open, status};
use super::world::{World, demand};

/// An index that tells what newer standards let it tell: JSON (PEP 691), metadata (PEP 658), sizes and times (PEP 700).
pub(super) fn rows() -> Vec<Row> {
    vec![
        modern("metadata", "metadata has an address of its own: no wheel is fetched to resolve").check(|world| {
            locked_version(world, "3.0")?;
            let log = world.public.log();
            let count = |end: &str| log.iter().filter(|asked| asked.target.ends_with(end)).count();
            demand(count(".whl.metadata") > 0 && count(".whl") == 0, || format!("{} wheels", count(".whl")))
        }),
        modern("yanked_open", "the highest version (4.0) is yanked: it is passed over")
            .check(|world| locked_version(world, "3.0")),
        modern("yanked_pinned", "a yanked version is pinned in requirements.txt")
            .project(|_| vec![("project/requirements.txt", "greet==4.0\n".into())])
            .says(&["warning: uv: `greet==4.0` is yanked", "eats data"])
            .check(|world| locked_version(world, "4.0")),
        modern("newer", "versions after the time of --exclude-newer")
            .words(|_| vec!["--exclude-newer".into(), "2023-06-01T00:00:00Z".into()])
            .check(|world| {
                locked_version(world, "2.0")?;
                let recorded = "exclude-newer = \"2023-06-01T00:00:00Z\"";
                demand(world.pylock().contains(recorded), || world.pylock())
            }),
        modern("newer_uv", "versions after the time of UV_EXCLUDE_NEWER")
            .vars(|_| vec![("UV_EXCLUDE_NEWER", "2023-06-01T00:00:00Z".into())])
            .check(|world| locked_version(world, "2.0")),
        modern("newer_pip", "versions on and after the day of PIP_UPLOADED_PRIOR_TO")
            .vars(|_| vec![("PIP_UPLOADED_PRIOR_TO", "2023-01-01".into()), ("TZ", "UTC".into())])
            .check(|world| locked_version(world, "1.0")),
        modern("newer_project", "versions after the time in [tool.uv], and --exclude-newer overrules it")
            .project(|_| {
                let pyproject = "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.12\"\n\
                                 dependencies = [\"greet\"]\n[tool.uv]\nexclude-newer = \"2022-06-01T00:00:00Z\"\n";
                vec![("project/pyproject.toml", pyproject.into())]
            })
            .words(|_| vec!["--exclude-newer".into(), "2023-06-01T00:00:00Z".into()])
            .check(|world| locked_version(world, "2.0")),
        modern("newer_nothing", "every version is newer than --exclude-newer")
            .words(|_| vec!["--exclude-newer".into(), "2020-01-01T00:00:00Z".into()])
            .fails(1, &["uv failed to resolve `requirements.txt`", "exclude-newer", "2020-01-01"]),
        modern("newer_nonsense", "--exclude-newer is no time")
            .words(|_| vec!["--exclude-newer".into(), "yesterday, say".into()])
            .fails(1, &["yesterday, say", "exclude-newer"]),
        open("newer_untold", "--exclude-newer, and an index that does not tell times")
            .words(|_| vec!["--exclude-newer".into(), "2030-01-01T00:00:00Z".into()])
            .fails(1, &["greet", "exclude-newer"]),
        modern("newer_stale", "a lockfile that was made with another --exclude-newer, and --locked")
            .command("build")
            .project(|_| {
                let recorded = format!(
                    "lock-version = \"1.0\"\ncreated-by = \"wainwright\"\n[tool.wainwright]\nfrom = \"requirements.txt\"\n\
                     inputs = \"{}\"\npython = \"3.13\"\nexclude-newer = \"2022-01-01\"\n",
                    // Of `greet`, as the program has it.
                    Digest::of(r#"{"format":1,"requirements":["greet"]}"#)
                );
                vec![("project/requirements.txt", "greet\n".into()), ("project/pylock.toml", recorded)]
            })
            .words(|_| ["--locked", "--exclude-newer", "2023-01-01"].map(String::from).into())
            .fails(1, &["pylock.toml was made with --exclude-newer 2022-01-01, and not 2023-01-01, and --locked"]),
        modern("json_2", "the page has another API version")
            .public(|asked| {
                let text = r#"{"meta": {"api-version": "2.0"}, "name": "greet", "files": []}"#;
                is_page(asked).then(|| json(text.into()))
            })
            .command("build")
            .project(|_| vec![("project/requirements.txt", super::row::hashed())])
            .fails(3, &["it has API version `2.0`"]),
    ]
}

fn modern(name: &'static str, fault: &'static str) -> Row {
    open(name, fault).private(|asked| is_page(asked).then(|| status(404))).public(answer)
}

/// Version, when it was uploaded, and whether its author took it back.
const VERSIONS: [(&str, &str, bool); 4] = [
    ("1.0", "2022-01-01T00:00:00Z", false),
    ("2.0", "2023-01-01T00:00:00Z", false),
    ("3.0", "2024-01-01T00:00:00Z", false),
    ("4.0", "2025-01-01T00:00:00Z", true),
];

fn greet(version: &str) -> Wheel {
    wheel("greet").version(version)
}

fn answer(asked: &Asked) -> Option<Act> {
    let mut files = String::new();
    for (version, time, is_yanked) in VERSIONS {
        let (file, bytes) = (greet(version).filename(), greet(version).bytes());
        let metadata = format!("Metadata-Version: 2.1\nName: greet\nVersion: {version}\n");
        if asked.target.ends_with(&file) {
            return Some(Act::Answer(Reply::ok(bytes)));
        }
        if asked.target.ends_with(&format!("{file}.metadata")) {
            return Some(Act::Answer(Reply::ok(metadata)));
        }
        let comma = if files.is_empty() { "" } else { "," };
        let yanked = if is_yanked { "\"eats data\"" } else { "false" };
        let (hash, of_metadata, size) = (Digest::of(&bytes).hex(), Digest::of(&metadata).hex(), bytes.len());
        let _ = write!(
            files,
            r#"{comma}{{"filename":"{file}","url":"/f/{file}","hashes":{{"sha256":"{hash}"}},"size":{size},
            "upload-time":"{time}","yanked":{yanked},"core-metadata":{{"sha256":"{of_metadata}"}}}}"#
        );
    }
    let versions = VERSIONS.map(|(version, ..)| format!("\"{version}\"")).join(",");
    let page = format!(
        r#"{{"meta":{{"api-version":"1.1"}},"name":"greet","versions":[{versions}],"files":[{files}]}}"#
    );
    Some(if asked.target == "/simple/greet/" { json(page) } else { status(404) })
}

fn json(text: String) -> Act {
    Act::Answer(Reply::ok(text).header("Content-Type", "application/vnd.pypi.simple.v1+json"))
}

fn locked_version(world: &World, version: &str) -> Result<(), String> {
    let text = world.pylock();
    demand(text.contains(&format!("version = \"{version}\"")), || text.clone())
}
