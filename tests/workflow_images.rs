//! A workflow becomes an image for each component: the same ones from the same files, sharing what they have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wainwright_oci::Digest;
use wainwright_testing::{
    Access, PackageServer, Ran, RegistryServer, Tree, Wheel, With as _, Workshop, run, wheel,
};

use crate::WAIN;
use crate::indexes::pypiserver;
use crate::unlocked::path_with_uv;

/// A message comes in at the door; the helper asks a model, which remembers, and may call tools.
const SHOP: &str = r#"
door = input api {
    to: helper
    pipes: [
        {
            event: "input.received"
            script_path: "pipes/tidy.py"
            function_name: "tidy"
        }
    ]
}

helper = agent llm {
    model: model
    tools: [tools]
    requirements: ["greet<2"]
}

notes = memory short_term {
    max_characters: "1000"
}

model = llm openai {
    api_key: $MODEL_KEY
    memory: notes
    requirements: ["greet>=1", "loud>=1"]
}

tools = api functions {
    path: "tools.py"
    requirements: []
}
"#;
const COMPONENTS: [&str; 4] = ["door", "helper", "model", "tools"];

/// The workflow with its scripts, and wheels of what it requires.
fn shop() -> Workshop {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.ww", SHOP);
    shop.write("project/pipes/tidy.py", "def tidy(payload):\n    return payload\n");
    shop.write("project/tools.py", "import words\n\ndef count() -> int:\n    return len(words.ALL)\n");
    shop.write("project/words.py", "ALL = ['wagon']\n");
    shop.write("project/other.py", "# Nobody asks for this.\n");
    for wheel in [wheel("greet"), wheel("greet").version("2.0"), wheel("loud")] {
        add(&shop, &wheel.file("greet.txt", "hello"));
    }
    shop
}

fn add(shop: &Workshop, wheel: &Wheel) {
    let name = wheel.name().to_owned();
    shop.write(
        &format!("wheels/{}", wheel.filename()),
        wheel.clone().file(&format!("{name}/__init__.py"), format!("NAME = '{name}'\n")).bytes(),
    );
}

/// Where wheels come from, and nowhere else.
fn local(mut command: Command, path: &str) -> Command {
    command.env("PATH", path).args(["--no-index", "--find-links", "wheels"]);
    command.with(&["--platform", "linux/amd64", "--base", "layout:base"])
}

fn build(shop: &Workshop, path: &str, words: &[&str]) -> Ran {
    run(&mut local(shop.wain(&["build", "project"]), path).with(words))
}

/// For every component, its layers by name; those of the base are called `base`.
fn layers(shop: &Workshop, path: &str) -> BTreeMap<String, Vec<(String, String)>> {
    layers_of(shop, &mut local(shop.wain(&["build", "project"]), path))
}

fn layers_of(shop: &Workshop, build: &mut Command) -> BTreeMap<String, Vec<(String, String)>> {
    run(build.args(["--metadata-file", "report.json"])).ok();
    let report: Value = serde_json::from_slice(&fs::read(shop.path("report.json")).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |component: &Value| {
        let layers = component["platforms"]["linux/amd64"]["layers"].as_array().unwrap();
        layers.iter().map(|layer| (text(&layer["name"]), text(&layer["digest"]))).collect()
    };
    let components = report["components"].as_object().unwrap();
    components.iter().map(|(name, component)| (name.clone(), of(component))).collect()
}

#[test]
fn what_components_share_is_one_layer_and_a_changed_line_one_other() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    let before = layers(&shop, &path);
    assert_eq!(before.keys().collect::<Vec<_>>(), COMPONENTS);
    let names = |component: &str| before[component].iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    assert_eq!(
        names("model"),
        [
            "base",
            "environment for Python 3.13",
            "component runtime",
            "greet 1.0",
            "loud 1.0",
            "component model"
        ]
    );
    assert_eq!(
        names("tools"),
        ["base", "environment for Python 3.13", "component runtime", "component tools"]
    );
    let all: BTreeSet<_> = before.values().flatten().collect();
    // Four of the components alone; base, runtime, environment and `greet` are the same in all that have them; and `loud`.
    assert_eq!(all.len(), 4 + 4 + 1, "{all:#?}");

    shop.write("project/pipes/tidy.py", "def tidy(payload):\n    return None\n");
    let after = layers(&shop, &path);
    let changed: Vec<_> = before
        .iter()
        .flat_map(|(name, layers)| layers.iter().zip(&after[name]).filter(|(one, two)| one != two))
        .map(|((name, _), _)| name.as_str())
        .collect();
    assert_eq!(changed, ["component door"]);
}

#[test]
fn an_image_has_what_its_component_names_and_no_other_file() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    build(&shop, &path, &["--output", "layout:out"]).ok();
    let found = COMPONENTS.map(|name| {
        let own: Vec<String> = members(&shop.path("out").join(name)).into_iter().next_back().unwrap();
        own.into_iter().filter(|path| !path.ends_with('/')).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(
        found,
        [
            "app/component.json app/pipes/tidy.py",
            "app/component.json",
            "app/component.json",
            "app/component.json app/tools.py app/words.py"
        ]
    );
}

#[test]
fn progress_names_the_components() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    let told = build(&shop, &path, &["--progress", "plain", "-o", "layout:out"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let lines = told.stderr.lines().filter(|line| line.starts_with("linux/amd64"));
    let lines: Vec<&str> = lines.map(|line| line.split(" sha256:").next().unwrap()).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    linux/amd64: 0 packages on python with Python 3.13: door, tools
    linux/amd64: 1 package on python with Python 3.13: helper
    linux/amd64: 2 packages on python with Python 3.13: model
    linux/amd64 of door:
    linux/amd64 of helper:
    linux/amd64 of model:
    linux/amd64 of tools:
    ");
}

#[test]
fn scripts_behind_links_to_folders_are_found_and_links_that_leave_are_refused() {
    use std::os::unix::fs::symlink;
    let shop = shop();
    let door = "door = input api {\n    requirements: []\n    pipes: [\n        {\n            event: \"input.received\"\n            \
                script_path: \"pipes/tidy.py\"\n            function_name: \"tidy\"\n        }\n    ]\n}\n";
    shop.write("project/main.ww", door);
    shop.write(
        "project/shared/more/tidy.py",
        "import helper, lib.words\n\ndef tidy(payload):\n    return payload\n",
    );
    shop.write("project/shared/more/helper.py", "");
    shop.write("project/shared/more/other.py", "# Nobody asks for this.\n");
    shop.write("project/vendor/lib/words.py", "");
    fs::remove_dir_all(shop.path("project/pipes")).unwrap();
    symlink("shared/more", shop.path("project/nearly")).unwrap();
    symlink("./nearly", shop.path("project/pipes")).unwrap();
    symlink("vendor/lib", shop.path("project/lib")).unwrap();
    let build = |words: &[&str]| {
        let build = shop.wain(&["build", "project", "--progress", "quiet", "--no-index"]);
        run(&mut build.with(&["--platform", "linux/amd64", "--base", "layout:base"]).with(words))
    };
    build(&["--output", "layout:out"]).ok();
    let own: Vec<String> = members(&shop.path("out/door")).into_iter().next_back().unwrap();
    let own: Vec<&str> = own.iter().map(String::as_str).filter(|path| !path.ends_with('/')).collect();
    assert_eq!(
        own,
        [
            "app/component.json",
            "app/lib",
            "app/nearly",
            "app/pipes",
            "app/shared/more/helper.py",
            "app/shared/more/tidy.py",
            "app/vendor/lib/words.py"
        ]
    );

    fs::remove_file(shop.path("project/nearly")).unwrap();
    symlink("../wheels", shop.path("project/nearly")).unwrap();
    let refused = build(&[]);
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(refused.stderr, @"
    error: the link `nearly` points outside the project, to `../wheels`
      hint: replace it with a copy, point it inside the project, or exclude it with `exclude` in the settings or in .dockerignore
    ");
    // Round and round.
    fs::remove_file(shop.path("project/nearly")).unwrap();
    symlink("pipes", shop.path("project/nearly")).unwrap();
    let refused = build(&[]);
    assert!(
        refused.code == 1 && refused.stderr.contains("there is no `pipes/tidy.py`"),
        "{}",
        refused.stderr
    );
}

/// The paths in every layer of a layout with one image, lowest first.
fn members(layout: &Path) -> Vec<Vec<String>> {
    let blob = |digest: &Value| {
        let digest: Digest = digest.as_str().unwrap().parse().unwrap();
        layout.join("blobs/sha256").join(digest.hex())
    };
    let document = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let manifest = document(&blob(&document(&layout.join("index.json"))["manifests"][0]["digest"]));
    let paths = |layer: &Value| {
        let list = run(Command::new("tar").arg("-tf").arg(blob(&layer["digest"]))).ok().stdout;
        list.lines().map(ToOwned::to_owned).collect()
    };
    manifest["layers"].as_array().unwrap().iter().map(paths).collect()
}

/// What is in a blob, compressed or not.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut inside = Vec::new();
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => drop(flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut inside).unwrap()),
        false => inside.extend(bytes),
    }
    inside
}

#[test]
fn the_same_files_and_lock_make_the_same_images_anywhere() {
    let Some(path) = path_with_uv() else { return };
    let first = shop();
    let built = build(&first, &path, &["--export", "docker-compose", "--output", "made/"]).ok();
    let text = fs::read_to_string(first.path("project/wain.lock")).unwrap();
    let lock: toml::Table = text.parse().unwrap();
    let packages = lock["components"]["main.ww"]["package"].as_array().unwrap();
    for package in packages {
        let hash = &package["wheels"][0]["hashes"]["sha256"];
        assert_eq!(hash.as_str().unwrap().len(), 64, "{text}");
    }
    // Where it can be, components have the same version of a package.
    assert_eq!(packages.len(), 2, "{text}");

    // As somebody else would check it out, with a cache of their own, another umask, and no resolver.
    let second = shop();
    fs::write(second.path("project/wain.lock"), &text).unwrap();
    let mut words = local(second.wain(&["build", "project", "--locked"]), "/usr/bin:/bin");
    words.args(["--export", "docker-compose", "--output", "made/", "--jobs", "1"]);
    let mut strange = Command::new("sh");
    strange.current_dir(second.folder()).args(["-c", "umask 077 && exec \"$0\" \"$@\""]);
    strange.arg(words.get_program()).args(words.get_args()).env_clear();
    strange.envs(words.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let again = run(strange.env("TZ", "Asia/Tokyo").env("WAIN_CACHE_DIR", second.path("elsewhere"))).ok();
    let digests = |ran: &Ran| {
        let lines = ran.stdout.lines().filter(|line| line.starts_with("sha256:"));
        lines.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(digests(&built).len(), COMPONENTS.len());
    assert_eq!(digests(&built), digests(&again));
    let files = ["project/.wain/release.json", "project/.wain/deployment.json", "project/wain.lock"];
    for file in
        files.into_iter().chain(["made/docker-compose/compose.yaml", "made/docker-compose/.env.example"])
    {
        let read = |shop: &Workshop| fs::read_to_string(shop.path(file)).unwrap();
        assert_eq!(read(&first), read(&second), "{file}");
    }
    // A second build makes nothing.
    let third = build(&first, "/nonexistent", &["--locked", "--offline", "--output", "made/"]).ok();
    assert!(third.stderr.contains("nothing changed"), "{}", third.stderr);
    assert_eq!(digests(&third), digests(&built));
}

#[test]
fn what_is_not_locked_is_refused_where_it_has_to_be() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    let refused = build(&shop, &path, &["--locked"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(refused.stderr, @"
    error: `wain.lock` does not pin layout:base as it is now, and --locked forbids to change it
      hint: run `wain lock` and commit the result
    ");
    assert!(!shop.path("project/wain.lock").exists());
    let refused = run(&mut shop.wain(&["build", "project", "--offline", "--base", "layout:base"]).with(&[]));
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    insta::assert_snapshot!(refused.stderr, @"
    wrote project/wain.lock
    error: the requirements of the components are not locked, and --offline forbids to resolve it
      hint: run `wain lock` with a network, or give --no-index and --find-links DIR
    ");
    build(&shop, &path, &[]).ok();
    shop.write("project/main.ww", SHOP.replace("loud>=1", "loud<2"));
    assert_eq!(build(&shop, &path, &["--locked"]).code, 1);
    // Another workflow of the folder has a lock of its own, and costs the first none.
    shop.write("project/main.ww", SHOP);
    shop.write("project/other.ww", SHOP.replace("\"greet>=1\", ", ""));
    let other = |words: &[&str]| {
        run(&mut local(shop.wain(&["build", "-c", "project/other.ww"]), &path).with(words)).ok()
    };
    other(&[]);
    build(&shop, "/nonexistent", &["--locked"]).ok();
    other(&["--locked"]);
    fs::remove_file(shop.path("project/other.ww")).unwrap();
    build(&shop, "/nonexistent", &[]).ok();
    assert!(!fs::read_to_string(shop.path("project/wain.lock")).unwrap().contains("other.ww"));
}

#[test]
fn components_that_contradict_each_other_have_what_each_asks_for() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    shop.write("project/main.ww", SHOP.replace("greet>=1", "greet>=2"));
    let found = layers(&shop, &path);
    let has = |component: &str, layer: &str| found[component].iter().any(|(name, _)| name.contains(layer));
    assert!(has("helper", "greet 1.0") && has("model", "greet 2.0"), "{found:#?}");
    shop.write("project/main.ww", SHOP.replace("greet>=1", "greet>=3"));
    let refused = build(&shop, &path, &[]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("greet>=3"), "{}", refused.stderr);
}

#[test]
fn a_lockfile_of_the_project_says_what_all_components_have() {
    let (Some(program), Some(path)) = (pypiserver(), path_with_uv()) else { return };
    let shop = shop();
    let wheels = [wheel("greet"), wheel("loud")].map(|wheel| wheel.file("words.txt", "hello"));
    let server = PackageServer::start(&program, Access::Open, &wheels);
    let index = format!("http://{}/simple/", server.address());
    shop.write(
        "project/pyproject.toml",
        "[project]\nname = \"shop\"\nversion = \"1.2\"\nrequires-python = \">=3.9\"\ndependencies = [\"greet\"]\n\
         [dependency-groups]\nhelper = [\"loud\"]\n",
    );
    let mut lock = Command::new("uv");
    lock.args(["lock", "--no-python-downloads", "--default-index", &index]).current_dir(shop.path("project"));
    run(lock.env("PATH", &path)).ok();
    let words = ["--platform", "linux/amd64", "--base", "layout:base", "--index-url", &index];
    let found = layers_of(&shop, &mut shop.wain(&["build", "project"]).with(&words));
    let has = |component: &str, layer: &str| found[component].iter().any(|(name, _)| name.contains(layer));
    for component in COMPONENTS {
        assert!(has(component, "greet 1.0"), "{found:#?}");
        assert_eq!(has(component, "loud 1.0"), component == "helper", "{found:#?}");
    }
    assert!(!fs::read_to_string(shop.path("project/wain.lock")).unwrap().contains("main.ww"));
}

#[test]
fn a_cold_machine_takes_the_layers_of_packages_from_a_cache() {
    let (Some(path), Some(registry)) = (path_with_uv(), RegistryServer::start(Access::Open)) else { return };
    let team = format!("{}/team", registry.address());
    let cache = format!("{team}/cache");
    let (first, second) = (shop(), shop());
    let told = build(&first, &path, &["--registry", &team, "--cache-to", &cache]).ok();
    fs::copy(first.path("project/wain.lock"), second.path("project/wain.lock")).unwrap();
    let words =
        ["--registry", &team, "--cache-from", &cache, "--cache-verify", "none", "--progress", "plain"];
    let taken = build(&second, &path, &words).ok();
    assert_eq!(told.stdout, taken.stdout);
    for package in ["greet 1.0", "loud 1.0"] {
        assert!(taken.stderr.contains(&format!("reused {package}")), "{}", taken.stderr);
        assert!(!taken.stderr.contains(&format!("built {package}")), "{}", taken.stderr);
    }
}

#[test]
fn a_plan_says_what_becomes_of_every_component() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    let more = "\nears = input keyword_voice {\n    api_key: $EAR_KEY\n    keyword: \"wain\"\n    to: helper\n}\n\n\
                hands = environment coding {\n    repo_url: \"a/b\"\n}\n";
    shop.write("project/main.ww", SHOP.replace("tools: [tools]", "tools: [tools, hands]") + more);
    let plan = |words: &[&str]| run(&mut local(shop.wain(&["plan", "project"]), &path).with(words)).ok();
    let ran = plan(&[]);
    let warnings: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("warning:")).collect();
    insta::assert_snapshot!(warnings.join("\n"), @"
    warning: no image for `ears`: it needs a sound device, which a container does not have
    warning: no image for `hands`: it steers a Docker daemon, and a container that may do so owns the machine
    warning: `helper` does without `hands`
    ");
    // Without the layers of the base, and the sizes and reasons of others.
    let lines = ran.stdout.lines().filter(|line| !line.starts_with("    reuse "));
    let lines = lines.map(|line| match line.strip_prefix("    build ") {
        Some(rest) => {
            let named = rest.trim_start().splitn(3, ' ').last().unwrap().trim_start();
            format!("    build {}", named.split("  (").next().unwrap())
        }
        None => line.to_owned(),
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    project/main.ww: 7 components, 4 images

    notes (memory short_term): part of the image of model

    model (llm openai): image, port 8080, service model
      calls     notes
      secrets   MODEL_KEY
      requires  greet>=1, loud>=1
      linux/amd64 on python (Python 3.13, glibc 2.41)
        build environment for Python 3.13
        build component runtime
        build greet 1.0
        build loud 1.0
        build component model

    tools (api functions): image, port 8080, service tools
      linux/amd64 on python (Python 3.13, glibc 2.41)
        build environment for Python 3.13
        build component runtime
        build component tools

    hands (environment coding): needs docker

    helper (agent llm): image, port 8080, service helper
      calls     model, tools, hands
      requires  greet<2
      linux/amd64 on python (Python 3.13, glibc 2.41)
        build environment for Python 3.13
        build component runtime
        build greet 1.0
        build component helper

    door (input api): image, port 8080, service door
      calls     helper
      sends to  helper
      linux/amd64 on python (Python 3.13, glibc 2.41)
        build environment for Python 3.13
        build component runtime
        build component door

    ears (input keyword_voice): left out
      calls     helper
      sends to  helper
      secrets   EAR_KEY

    nothing to fetch
    compression: splice
    about 1 s
    to layout:project/.wain/images
    ");
    let mut json: Value = serde_json::from_str(&plan(&["--json"]).stdout).unwrap();
    let mut lines = String::new();
    for component in json["components"].as_array_mut().unwrap() {
        // The plans of images have tests of their own.
        component["plan"] = component["plan"]["images"][0]["layers"].as_array().map_or(0, Vec::len).into();
        lines += &format!("{component}\n");
    }
    json.as_object_mut().unwrap().remove("components");
    insta::assert_snapshot!(format!("{lines}{json}"), @r#"
    {"dependsOn":["helper"],"folded":[],"kind":"input","name":"door","place":"image","plan":3,"ports":[8080],"requirements":[],"routes":["helper"],"secrets":[],"service":"door","type":"api"}
    {"dependsOn":["model","tools","hands"],"folded":[],"kind":"agent","name":"helper","place":"image","plan":4,"ports":[8080],"requirements":["greet<2"],"routes":[],"secrets":[],"service":"helper","type":"llm"}
    {"dependsOn":[],"folded":[],"kind":"memory","name":"notes","place":"folded","plan":0,"ports":[],"requirements":[],"routes":[],"secrets":[],"service":"notes","type":"short_term"}
    {"dependsOn":["notes"],"folded":["notes"],"kind":"llm","name":"model","place":"image","plan":5,"ports":[8080],"requirements":["greet>=1","loud>=1"],"routes":[],"secrets":["MODEL_KEY"],"service":"model","type":"openai"}
    {"dependsOn":[],"folded":[],"kind":"api","name":"tools","place":"image","plan":3,"ports":[8080],"requirements":[],"routes":[],"secrets":[],"service":"tools","type":"functions"}
    {"dependsOn":["helper"],"folded":[],"kind":"input","name":"ears","place":"left out","plan":0,"ports":[],"requirements":[],"routes":["helper"],"secrets":["EAR_KEY"],"service":"ears","type":"keyword_voice"}
    {"dependsOn":[],"folded":[],"kind":"environment","name":"hands","place":"needs docker","plan":0,"ports":[],"requirements":[],"routes":[],"secrets":[],"service":"hands","type":"coding"}
    {"estimatedSeconds":0.0,"fetches":[],"leftOut":[{"name":"ears","why":"it needs a sound device, which a container does not have"},{"name":"hands","why":"it steers a Docker daemon, and a container that may do so owns the machine"}],"order":["notes","model","tools","hands","helper","door","ears"],"profile":"production","secrets":["EAR_KEY","MODEL_KEY"],"version":1,"workflow":"project/main.ww"}
    "#);
    assert!(!shop.path("project/wain.lock").exists() && !shop.path("project/.wain").exists());
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_nothing_is_written() {
    let door = "door = input api {\n    pipes: [\n        {\n            event: \"input.received\"\n            \
                script_path: \"SCRIPT\"\n            function_name: \"tidy\"\n        }\n    ]\n}\n";
    let shop = shop();
    fs::remove_dir_all(shop.path("wheels")).unwrap();
    shop.write("values.yaml", "components:\n  window:\n    replicas: 2\n");
    let mut told = String::new();
    let mut refuse = |what: &str, text: &str, code: i32, words: &[&str]| {
        shop.write("project/main.ww", text);
        let before = Tree::read(&shop.path("project"));
        let ran = run(&mut shop.wain(words).with(&["--platform", "linux/amd64", "--base", "layout:base"]));
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{what}: {}", ran.stderr);
        // What was pinned before stays pinned.
        let mut written = before.differences(&Tree::read(&shop.path("project")));
        written.retain(|line| !line.starts_with("+ wain.lock"));
        assert_eq!(written, [] as [&str; 0], "{what}");
        told += &format!("{what}\n{}\n", ran.stderr);
    };
    let build = ["build", "project", "--progress", "quiet"];
    refuse("a missing script", &door.replace("SCRIPT", "pipes/gone.py"), 1, &build);
    refuse("a missing function", &door.replace("SCRIPT", "tools.py"), 1, &build);
    refuse("a script outside", &door.replace("SCRIPT", "../base/index.json.py"), 1, &build);
    std::os::unix::fs::symlink("gone.py", shop.path("project/link.py")).unwrap();
    refuse("a link to nothing", &door.replace("SCRIPT", "link.py"), 1, &build);
    refuse(
        "a circle",
        "a = input api {\n    to: b\n}\n\nb = input api {\n    to: c\n}\n\nc = input api {\n    to: a\n}\n",
        1,
        &build,
    );
    refuse("no image", "ears = input command_line {\n}\n", 1, &build);
    refuse("no component", "", 1, &build);
    let graph = "kb = knowledge_base neo4j {\n    uri: \"bolt://neo4j:7687\"\n    user: \"neo4j\"\n    password: $P\n}\n\n";
    refuse("a name that is taken", &format!("{graph}Neo4j = input api {{\n}}\n"), 1, &build);
    let sound = "door = input api {\n    port: \"8000\"\n}\n";
    let with = |more: &[&'static str]| [&["build", "project", "--progress", "quiet"][..], more].concat();
    refuse("an archive on standard output", sound, 2, &with(&["-o", "archive:-"]));
    refuse("an output that is none", sound, 2, &with(&["-o", "podman:x"]));
    refuse(
        "a report in a layout",
        sound,
        2,
        &with(&["--metadata-file", "project/.wain/images/door/index.json"]),
    );
    // What the files that run it would refuse is refused before anything is built.
    refuse("a tag without a version", sound, 2, &with(&["--load", "--tag", "ghcr.io/acme/shop"]));
    refuse(
        "a cluster, and no registry",
        sound,
        1,
        &with(&["--export", "docker-compose", "--export", "helm"]),
    );
    let greedy = sound.replace(
        "port",
        "resources: {\n        memory: \"2Gi\"\n        memory_limit: \"1Gi\"\n    }\n    port",
    );
    refuse("more than its limit", &greedy, 1, &build);
    refuse("values for nobody", sound, 1, &with(&["--export", "docker-compose", "--values", "values.yaml"]));
    shop.write("build/docker-compose/compose.yaml", "services: {}\n");
    refuse("a file of somebody else", sound, 1, &with(&["--export", "docker-compose"]));
    refuse("two folders", sound, 2, &["build", "wheels", "-c", "project/main.ww"]);
    refuse("no such workflow", sound, 3, &["build", "-c", "project/gone.ww"]);
    refuse("an image of a workflow", sound, 1, &["verify", "layout:base", "project"]);
    let limited = run(&mut shop.wain(&["build", "project", "--base", "layout:base", "--size-limit", "1B"]));
    assert!(
        limited.code == 1 && limited.stderr.contains("the image of `door` for linux/"),
        "{}",
        limited.stderr
    );
    assert!(!shop.path("project/.wain").exists());
    fs::remove_file(shop.path("project/main.ww")).unwrap();
    let told_here = |words: &[&str], code: i32| {
        let ran = run(&mut shop.wain(words));
        assert_eq!(ran.code, code, "{}", ran.stderr);
        format!("{}\n{}\n", words.join(" "), ran.stderr)
    };
    told += &told_here(&["build", "project", "--bus", "redis"], 2);
    told += &told_here(&["deploy", "up", "project"], 1);
    told += &told_here(&["deploy", "status", "project"], 1);
    insta::assert_snapshot!(told.replace(&shop.folder().display().to_string(), "/work"), @r#"
    a missing script
    error: project/main.ww:3:9: there is no `pipes/gone.py` in the project, which a hook or pipe of `door` needs
      hint: paths are relative to the folder of the workflow; look at .dockerignore and .gitignore too

    a missing function
    error: project/main.ww:3:9: `tools.py` defines no `tidy`
      hint: name a function at the top of the script

    a script outside
    error: project/main.ww:5:26: E-HOOK: `../base/index.json.py` is not a script of the project: it leaves the project with `..`
      5 |             script_path: "../base/index.json.py"
        |                          ^^^^^^^^^^^^^^^^^^^^^^^
      hint: write a path relative to the folder of the project, with `/`
      hint: `wain ww check project/main.ww` checks the workflow without building

    a link to nothing
    error: project/main.ww:3:9: there is no `link.py` in the project, which a hook or pipe of `door` needs
      hint: paths are relative to the folder of the workflow; look at .dockerignore and .gitignore too

    a circle
    error: project/main.ww:1:1: E-CYCLE: components refer to each other in a cycle: a -> b -> c -> a
      1 | a = input api {
        | ^
      hint: remove one of these references
      hint: `wain ww check project/main.ww` checks the workflow without building

    no image
    error: `project/main.ww` has no component that becomes an image
      hint: add a component such as `llm openai` or `api functions`; `wain ww check` shows them all

    no component
    error: `project/main.ww` has no component that becomes an image
      hint: add a component such as `llm openai` or `api functions`; `wain ww check` shows them all

    a name that is taken
    error: project/main.ww:7:1: `Neo4j` would be the service `neo4j`, and that is what `kb` is
      hint: give it another name

    an archive on standard output
    error: cannot write the archives of several images to standard output
      hint: use `--output archive:DIR`

    an output that is none
    error: invalid value 'podman:x' for '--output <WHERE>': `podman:x` is not an output; write `layout:DIR`, `archive:FILE`, `archive:-`, `docker` or `registry`

    For more information, try '--help'.

    a report in a layout
    error: --metadata-file `project/.wain/images/door/index.json` would replace `layout:project/.wain/images/door`
      hint: use another path

    a tag without a version
    error: --tag ghcr.io/acme/shop has no version
      hint: use for example `--tag ghcr.io/acme/shop:0.1.0`, or omit it to use the version of the project

    a cluster, and no registry
    error: the images of `door` are not in a registry
      hint: build with `--push` (a workflow with `--registry HOST/PATH`), or with `--load` for a cluster on this machine

    more than its limit
    error: component `door`: it requests 2Gi of memory, but its limit is 1Gi

    values for nobody
    error: values.yaml, line 2, column 3: there is no component `window`
      hint: there are: door

    a file of somebody else
    error: refusing to overwrite modified files; nothing was written
      build/docker-compose/compose.yaml
      hint: use another folder, or `wain emit --force`

    two folders
    error: `project/main.ww` is not in `wheels`
      hint: omit PATH; the project is the folder of the workflow

    no such workflow
    error: cannot read `project/gone.ww`: No such file or directory (os error 2)
      hint: use the path of a workflow file, usually main.ww

    an image of a workflow
    error: cannot verify the images of the workflow `project/main.ww`
      hint: build it again with `--locked -o layout:DIR`, and compare the images with `wain diff`

    build project --bus redis
    error: --bus needs a workflow, and `project` has no main.ww
      hint: use `-c FILE.ww`

    deploy up project
    error: cannot read `project/.wain/release.json`: No such file or directory (os error 2)
      hint: run `wain build` first

    deploy status project
    error: cannot read `project/.wain/release.json`: No such file or directory (os error 2)
      hint: run `wain build` first
    "#);
}

#[test]
fn one_of_several_images_is_not_the_last_one() {
    let shop = shop();
    shop.write("project/main.ww", "tools = api functions {\n    path: \"tools.py\"\n}\n\nmore = api functions {\n    path: \"tools.py\"\n}\n");
    let built =
        run(&mut shop.wain(&["build", "project", "--platform", "linux/amd64", "--base", "layout:base"]));
    built.ok();
    let refused = run(&mut shop.wain(&["inspect", "last:project"]));
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    insta::assert_snapshot!(refused.stderr, @"
    error: the last build of `project` made an image for each component of a workflow, and no other
      hint: name one: `layout:.wain/images/COMPONENT`; `wain build --registry HOST/PATH` pushes all of them
    ");
}

/// A value that must stay where it is.
const CANARY: &str = "CANARY-c0ffee-42";

#[test]
fn no_secret_no_path_of_this_machine_and_no_latest_leaves() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    shop.write("project/.env", format!("MODEL_KEY={CANARY}\n"));
    shop.write("project/docs/.env", format!("MODEL_KEY={CANARY}\n"));
    shop.write("project/docs/words.txt", "wagon\n");
    let text = SHOP.replace(
        "notes = memory",
        "docs = knowledge_base text_file {\n    path: \"docs\"\n}\n\nnotes = memory",
    );
    shop.write("project/main.ww", text.replace("memory: notes", "memory: notes\n    knowledge_base: docs"));
    let words = [
        "-vvv",
        "--progress",
        "plain",
        "--export",
        "docker-compose",
        "--output",
        "made/",
        "--metadata-file",
        "report.json",
    ];
    let mut command = local(shop.wain(&["build", "project"]), &path).with(&words);
    let ran = run(command.env("MODEL_KEY", CANARY)).ok();
    assert!(!ran.stderr.contains(CANARY) && !ran.stdout.contains(CANARY), "{}", ran.stderr);
    let host = shop.folder().display().to_string();
    let mut count = 0;
    for folder in ["made", "project/.wain", "store", "report.json", "project/wain.lock"] {
        for file in files(&shop.path(folder)) {
            let bytes = fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&unpacked(&bytes)).into_owned();
            assert!(!text.contains(CANARY), "{} holds a secret", file.display());
            count += 1;
            // The cache and the report are about this machine.
            if !["store", "report.json"].contains(&folder) {
                assert!(!text.contains(&host), "{} holds a path of this machine", file.display());
                assert!(!text.contains(":latest"), "{} names no version", file.display());
            }
        }
    }
    assert!(count > 20, "{count}");
    let image = |name: &str| members(&shop.path("made/images").join(name)).concat();
    assert!(image("model").contains(&"app/docs/words.txt".to_owned()), "{:?}", image("model"));
}

/// Every file below a path, or the path itself.
fn files(path: &Path) -> Vec<std::path::PathBuf> {
    match path.is_dir() {
        true => {
            Tree::read(path).0.into_keys().map(|name| path.join(name)).filter(|file| file.is_file()).collect()
        }
        false => vec![path.to_owned()],
    }
}
