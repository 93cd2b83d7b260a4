use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wainwright_oci::Digest;
use wainwright_testing::{Act, Asked, Proxy, Ran, Tree, Wheel, Workshop, run, wheel};

use super::row::{Row, Script, Want};
use crate::WAIN;

/// A project, and two indexes in front of which something goes wrong.
pub(super) struct World {
    pub(super) shop: Workshop,
    /// Asked first; wants a password.
    pub(super) private: Proxy,
    /// Asked last; open to all.
    pub(super) public: Proxy,
}

/// How a row ended.
pub(super) struct Ended {
    pub(super) got: String,
    pub(super) took: Duration,
    pub(super) complaint: Option<String>,
}

/// The wheels of the private index.
pub(super) fn private_wheels() -> Vec<Wheel> {
    vec![wheel("greet"), wheel("Dotted_Name"), wheel("secret")]
}

/// The wheels of the public one, which has a newer `greet`.
pub(super) fn public_wheels() -> Vec<Wheel> {
    let machines = ["cp312-cp312-manylinux_2_17_x86_64", "cp313-cp313-musllinux_1_2_x86_64"];
    let mut wheels = vec![wheel("greet"), wheel("greet").version("9.0"), wheel("other")];
    wheels.extend(machines.map(|tag| wheel("fast").tag(tag)));
    wheels
}

/// The sha256 of a wheel, as lockfiles write it.
pub(super) fn hex(wheel: &Wheel) -> String {
    Digest::of(wheel.bytes()).hex()
}

/// Runs a row, and once more without its fault where that has to mend it.
pub(super) fn run_row(row: &Row, private: &str, public: &str, path: &str) -> Ended {
    let is_mended = Arc::new(AtomicBool::new(false));
    let proxy = |upstream: &str, script: Script| {
        let is_mended = is_mended.clone();
        let script = move |asked: &Asked| match is_mended.load(Ordering::Relaxed) {
            true => Act::Pass,
            false => script(asked).unwrap_or(Act::Pass),
        };
        Proxy::start(Some(upstream), None, script)
    };
    let world = World {
        shop: Workshop::empty(WAIN),
        private: proxy(private, row.private),
        public: proxy(public, row.public),
    };
    world.shop.write("project/main.py", "");
    for (name, text) in (row.project)(&world) {
        world.shop.write(name, text);
    }
    let start = Instant::now();
    let ran = world.run(row, path);
    let took = start.elapsed();
    let got = match ran.code {
        0 => "good".to_owned(),
        code => format!("exit {code}"),
    };
    let mut complaint = world.judge(row, &ran, took).err();
    if row.mends && complaint.is_none() {
        is_mended.store(true, Ordering::Relaxed);
        let again = world.run(row, path);
        complaint = (again.code != 0).then(|| format!("without the fault: {}", again.stderr));
    }
    Ended { got, took, complaint }
}

impl World {
    fn run(&self, row: &Row, path: &str) -> Ran {
        let project = self.shop.path("project").display().to_string();
        let mut command = self.shop.wain(&[row.command, &project, "--platform", "linux/amd64"]);
        command.args(["--base", "layout:base"]).args((row.words)(self));
        // uv is as stubborn as we are, and the test has no time for that.
        command.env("PATH", path).env("UV_HTTP_RETRIES", "1");
        command.env("PIP_INDEX_URL", format!("http://{}/simple/", self.public.address()));
        command.env("UV_INDEX", format!("corp=http://{}/simple/", self.private.address()));
        command.env("UV_INDEX_CORP_USERNAME", "ann").env("UV_INDEX_CORP_PASSWORD", "CANARY-7");
        for (name, value) in (row.vars)(self) {
            command.env(name, value);
        }
        run(&mut command)
    }

    fn judge(&self, row: &Row, ran: &Ran, took: Duration) -> Result<(), String> {
        let said = &ran.stderr;
        let (code, words): (i32, &[&str]) = match row.want {
            Want::Good => (0, &[]),
            Want::Says(words) => (0, words),
            Want::Fails(code, words) => (code, words),
        };
        demand(ran.code == code, || format!("exit code {} and not {code}: {said}", ran.code))?;
        for word in words {
            demand(said.contains(word), || format!("nothing of `{word}`: {said}"))?;
        }
        demand(!said.contains("panicked"), || said.clone())?;
        for text in [said, &ran.stdout] {
            demand(!text.contains("CANARY"), || format!("the password: {text}"))?;
        }
        self.check_folder()?;
        if code != 0 {
            let image = self.shop.path("project/.wain/image");
            demand(!image.exists(), || "there is an image".into())?;
        }
        if row.keeps_public_out {
            let asked: Vec<String> = self.public.log().into_iter().map(|asked| asked.target).collect();
            demand(asked.is_empty(), || format!("the public index was asked for {asked:?}"))?;
        }
        let knows = |asked: &Asked| asked.headers.contains_key("authorization");
        demand(!self.public.log().iter().any(knows), || "the public index saw a password".into())?;
        demand(took < row.limit, || format!("it took {took:?}"))?;
        (row.check)(self)
    }

    /// No password in any file, and in the store nothing but whole blobs under their own digests.
    fn check_folder(&self) -> Result<(), String> {
        for (path, line) in Tree::read(self.shop.folder()).0 {
            // What a row wrote itself, and what uv keeps.
            let is_ours = !path.starts_with("home/") && !path.starts_with("base/");
            if !is_ours || !line.starts_with("file") {
                continue;
            }
            let bytes = fs::read(self.shop.path(&path)).unwrap();
            let has_canary = bytes.windows(6).any(|part| part == b"CANARY");
            demand(!has_canary || path == "project/requirements.txt", || {
                format!("the password is in {path}")
            })?;
            let is_blob = path.contains("/blobs/sha256/") && path.starts_with("store/");
            let name = Path::new(&path).file_name().unwrap().to_str().unwrap();
            demand(!is_blob || Digest::of(&bytes).hex() == name, || format!("{path} is another file"))?;
        }
        Ok(())
    }

    /// The lockfile that was made.
    pub(super) fn pylock(&self) -> String {
        fs::read_to_string(self.shop.path("project/pylock.toml")).unwrap_or_default()
    }
}

/// A condition, and what is wrong where it does not hold.
pub(super) fn demand(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(complaint()) }
}
