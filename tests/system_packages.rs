//! Debian packages are added to any image of Debian: its dpkg, its loader and its scanners know of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wainwright_testing::{
    Dockerd, ElfFile, ImageEditor, Member, Ran, With as _, Workshop, need, run, unpack, wheel,
};

use crate::{WAIN, real, workshop};

/// An image with these files on top of a base for tests.
fn base_with(shop: &Workshop, files: &[(&str, &str)]) {
    run(&mut shop.build_for("linux/amd64").with(&["--output", "layout:built"])).ok();
    let mut image = ImageEditor::open(&shop.path("built"));
    while image.layers() > 1 {
        image.pop();
    }
    image.push(&files.iter().map(|(path, text)| Member::file(path, text)).collect::<Vec<_>>());
    image.write(&shop.path("other"));
}

fn last_lines(ran: &Ran) -> String {
    let start = ran.stderr.find("error:").unwrap_or_default();
    ran.stderr[start..].to_owned()
}

#[test]
fn a_base_that_is_not_debian_is_refused() {
    let shop = workshop();
    const STATUS: &str = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.39\n";
    const ALPINE: &str = "ID=alpine\nPRETTY_NAME=\"Alpine Linux v3.20\"\n";
    const UBUNTU: &str = "ID=ubuntu\nPRETTY_NAME=\"Ubuntu 24.04 LTS\"\nVERSION_CODENAME=noble\n";
    const DEBIAN: &str = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_CODENAME=trixie\n";
    let list = "var/lib/dpkg/status";
    let build = |files: &[(&str, &str)], words: &[&str]| {
        base_with(&shop, files);
        shop.write("project/wainwright.toml", "system-packages = [\"libgl1\"]\n");
        let words = [&["--output", "layout:out", "--base", "layout:other"], words].concat();
        let ran = run(&mut shop.wain(&["build", "project", "--platform", "linux/amd64"]).with(&words));
        fs::remove_file(shop.path("project/wainwright.toml")).unwrap();
        ran
    };
    let refused = build(&[("etc/os-release", ALPINE)], &[]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    insta::assert_snapshot!(last_lines(&refused), @"
    error: `system-packages` cannot be added to the base layout:other: it is Alpine Linux v3.20, and has no list of Debian packages
      hint: take an image of Debian 12 or newer, or `--base debian:trixie`; or have the packages in the base and remove the setting
    ");
    let refused = build(&[("etc/os-release", UBUNTU), (list, STATUS)], &[]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    insta::assert_snapshot!(last_lines(&refused), @"
    error: `system-packages` cannot be added to the base layout:other: it is Ubuntu 24.04 LTS, and packages come from Debian's own archive alone
      hint: take an image of Debian 12 or newer, or `--base debian:trixie`; or have the packages in the base and remove the setting
    ");
    let refused = build(&[("etc/os-release", DEBIAN), (list, STATUS)], &["--locked"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    insta::assert_snapshot!(last_lines(&refused), @"
    error: `wain.lock` does not pin the system-packages for layout:other as it is now, and --locked forbids to change it
      hint: run `wain lock` and commit the result
    ");
    assert!(!shop.path("out").exists());
}

/// A project whose one wheel needs a library that a small Debian has not, on a real base.
struct Needy {
    shop: Workshop,
    folder: PathBuf,
}

/// A program that loads the library, and prints what it is.
const MAIN: &str = "import ctypes\nprint(ctypes.CDLL('libgomp.so.1')._name)\n";
const SETTING: &str = "base = \"layout:../base\"\nsystem-packages = [\"libgomp1\", \"libpq5\"]\n";

impl Needy {
    /// `None` where the network cannot be reached.
    fn new(name: &str, change: impl FnOnce(&mut ImageEditor)) -> Option<Self> {
        let sample = real::requirements()?;
        let shop = Workshop::empty(WAIN);
        let mut image = ImageEditor::open(&sample.layout);
        // What the sample has on top: its environment, its wheels, its project.
        while image.layers() > 4 {
            image.pop();
        }
        change(&mut image);
        fs::remove_dir_all(shop.path("base")).unwrap();
        image.write(&shop.path("base"));
        let architecture = if cfg!(target_arch = "aarch64") { ("aarch64", 183) } else { ("x86_64", 62) };
        let module = ElfFile::new().machine(architecture.1).symbol("PyInit_needy").needed("libgomp.so.1");
        let tag = format!("cp313-cp313-manylinux_2_17_{}", architecture.0);
        shop.lock(&[wheel("needy").tag(&tag).file("needy.abi3.so", module.bytes())]);
        shop.write("project/main.py", MAIN);
        Some(Self { shop, folder: real::folder(name) })
    }

    /// A command about the project. The environment says how to reach the network.
    fn wain(&self, command: &str, words: &[&str]) -> Ran {
        let mut wain = Command::new(WAIN);
        wain.env_remove("SOURCE_DATE_EPOCH");
        wain.env("WAIN_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"));
        run(wain.current_dir(self.shop.folder()).arg(command).args(words))
    }

    fn build(&self, words: &[&str]) -> Ran {
        let output = format!("layout:{}", self.layout().display());
        self.wain("build", &[&["project", "--tag", "wain/needy:1", "--output", &output], words].concat())
    }

    fn layout(&self) -> PathBuf {
        self.folder.join("image")
    }

    /// Builds with and without the setting, and gives the root file system of the image.
    fn built(&self, umoci: &Path) -> PathBuf {
        self.shop.write("project/wainwright.toml", "base = \"layout:../base\"\n");
        let before = self.wain("plan", &["project"]).ok();
        assert!(
            before.stdout.contains("`libgomp.so.1` is in no wheel and not in the base"),
            "{}",
            before.stdout
        );
        assert!(before.stdout.contains("add system-packages = [\"libgomp1\"]"), "{}", before.stdout);
        self.shop.write("project/wainwright.toml", SETTING);
        let plan = self.wain("plan", &["project"]).ok();
        assert!(!plan.stdout.contains("libgomp.so.1"), "{}", plan.stdout);
        let digest = self.build(&["--strict-native"]).digest();
        let again = self.build(&["--offline", "--locked"]).ok();
        assert!(again.stderr.contains("nothing changed"), "{}", again.stderr);
        let image = format!("layout:{}:1", self.layout().display());
        let verified = self.wain("verify", &[&image, "project"]).ok();
        assert!(verified.stdout.contains(&digest), "{}", verified.stdout);
        assert!(verified.stdout.contains("debian packages"), "{}", verified.stdout);
        unpack(umoci, &self.layout(), "1", &self.folder.join("bundle"))
    }

    /// Runs it as any image is run.
    fn runs(&self) {
        let Some(docker) = Dockerd::start() else { return };
        let archive = self.folder.join("image.tar");
        self.build(&["--output", &format!("archive:{}", archive.display())]).ok();
        run(docker.docker().args(["load", "--quiet", "--input"]).arg(&archive)).ok();
        let words = ["run", "--rm", "--read-only", "--network=none", "wain/needy:1"];
        assert_eq!(run(docker.docker().args(words)).ok().stdout, "libgomp.so.1\n");
    }
}

#[test]
fn an_image_made_without_dpkg_gets_packages_and_lists_them() {
    let Some(umoci) = need("umoci") else { return };
    let Some(needy) = Needy::new("system-plain", |_| ()) else { return };
    let root = needy.built(&umoci);
    let listed = |name: &str| fs::read_to_string(root.join("var/lib/dpkg/status.d").join(name));
    assert!(listed("libgomp1").unwrap().contains("\nVersion: "));
    assert!(listed("libpq5").is_ok() && listed("libldap2").is_ok(), "what it depends on comes along");
    assert!(listed("libc6").is_ok(), "what the base has stays");
    let lock = fs::read_to_string(needy.shop.path("project/wain.lock")).unwrap();
    assert!(lock.contains("name = \"libgomp1\"") && !lock.contains("name = \"libc6\""), "{lock}");
    needy.runs();
}

/// What dpkg would know of an image that was made without it.
fn dpkg_records(image: &mut ImageEditor) {
    let mut files: Vec<(String, String)> = Vec::new();
    let mut status = String::new();
    for layer in 0..image.layers() {
        image.edit(layer, |members| {
            members.retain(|member| {
                let Some(name) = member.path.strip_prefix("var/lib/dpkg/status.d/") else { return true };
                let text = String::from_utf8_lossy(&member.content).into_owned();
                match name.strip_suffix(".md5sums") {
                    _ if name.is_empty() => {}
                    Some(name) => files.push((name.into(), text)),
                    None => {
                        let with_status = text.replacen('\n', "\nStatus: install ok installed\n", 1);
                        status.push_str(&with_status.replace("\n\n", "\n"));
                    }
                }
                if !name.is_empty() && !name.ends_with(".md5sums") {
                    status.push('\n');
                }
                false
            });
        });
    }
    let same = |name: &str| {
        let stanza = status.split("\n\n").find(|stanza| stanza.starts_with(&format!("Package: {name}\n")));
        let stanza = stanza.unwrap_or_default();
        let architecture =
            stanza.lines().find_map(|line| line.strip_prefix("Architecture: ")).unwrap_or_default();
        if stanza.contains("\nMulti-Arch: same") { format!("{name}:{architecture}") } else { name.to_owned() }
    };
    let mut members = vec![
        Member::file("var/lib/dpkg/status", &status),
        Member::file("var/lib/dpkg/info/format", "1\n"),
        Member::file(
            "etc/dpkg/dpkg.cfg.d/slim",
            "path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n",
        ),
    ];
    for (name, sums) in &files {
        let lines = sums.lines().filter_map(|line| line.get(34..)).map(|path| format!("/{path}\n"));
        let list = format!("/.\n{}", lines.collect::<String>());
        members.push(Member::file(&format!("var/lib/dpkg/info/{}.list", same(name)), list));
        members.push(Member::file(&format!("var/lib/dpkg/info/{}.md5sums", same(name)), sums));
    }
    image.push(&members);
}

#[test]
fn an_image_with_dpkg_gets_packages_as_if_dpkg_had_installed_them() {
    let (Some(umoci), Some(_)) = (need("umoci"), need("dpkg")) else { return };
    let Some(needy) = Needy::new("system-dpkg", dpkg_records) else { return };
    let root = needy.built(&umoci);
    let dpkg = |words: &[&str]| {
        let mut dpkg = Command::new("dpkg");
        run(dpkg.env("LC_ALL", "C").arg(format!("--root={}", root.display())).args(words))
    };
    let status = dpkg(&["--status", "libgomp1"]).ok().stdout;
    assert!(status.contains("Status: install ok installed\n"), "{status}");
    assert!(dpkg(&["--listfiles", "libgomp1"]).ok().stdout.contains("/libgomp.so.1\n"));
    assert!(dpkg(&["--search", "libpq.so.5"]).ok().stdout.starts_with("libpq5:"));
    let audit = dpkg(&["--audit"]).ok();
    assert_eq!(audit.stdout, "", "{}", audit.stderr);
    for package in ["libgomp1", "libpq5", "libldap2"] {
        // Nothing is missing, nothing is changed, but for the documentation that the image leaves out.
        let wrong = dpkg(&["--verify", package]).stdout;
        let wrong: Vec<&str> = wrong.lines().filter(|line| !line.contains("/usr/share/doc/")).collect();
        assert_eq!(wrong, [] as [&str; 0], "{package}");
    }
    assert!(!root.join("var/lib/dpkg/status.d/libgomp1").exists());
    assert!(root.join("usr/share/doc/libpq5/copyright").exists());
    needy.runs();
}

#[test]
fn a_package_that_wants_a_newer_base_is_refused() {
    let older = |image: &mut ImageEditor| {
        let mut found = 0;
        for layer in 0..image.layers() {
            image.edit(layer, |members| {
                for member in members.iter_mut().filter(|member| member.path == "var/lib/dpkg/status.d/libc6")
                {
                    let text = String::from_utf8_lossy(&member.content);
                    let lines = text.lines().map(|line| match line.starts_with("Version:") {
                        true => "Version: 2.1-1\n".to_owned(),
                        false => format!("{line}\n"),
                    });
                    member.content = lines.collect::<String>().into_bytes();
                    found += 1;
                }
            });
        }
        assert_eq!(found, 1);
    };
    let Some(needy) = Needy::new("system-older", older) else { return };
    needy.shop.write("project/wainwright.toml", SETTING);
    let refused = needy.build(&[]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    let told = last_lines(&refused);
    assert!(told.contains("`libc6 (>= ") && told.contains("required by lib"), "{told}");
    assert!(
        told.contains("is not satisfied by `libc6 2.1-1` of the base") && told.contains("hint:"),
        "{told}"
    );
    assert!(!needy.shop.path("project/wain.lock").exists() && !needy.layout().exists());
}
