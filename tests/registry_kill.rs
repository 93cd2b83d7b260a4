//! A push that is killed or interrupted leaves every tag as it was or moved to a whole image, and the next one finishes.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wainwright_oci::Digest;
use wainwright_testing::{
    Access, Act, Asked, Kind, Proxy, RegistryServer, With as _, Workshop, run, wait_until,
};

use crate::workshop;

/// How long a request waits: longer than any push, on any machine.
const HANG: Duration = Duration::from_secs(600);
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry, and a server before it that lets nothing through from one request on.
struct Stage {
    server: RegistryServer,
    proxy: Proxy,
    /// The first request that waits for ever.
    stop: Arc<AtomicUsize>,
    seen: Arc<AtomicUsize>,
}

impl Stage {
    fn new() -> Option<Self> {
        let server = RegistryServer::start(Access::Open)?;
        let stop = Arc::new(AtomicUsize::new(usize::MAX));
        let seen = Arc::new(AtomicUsize::new(0));
        let (until, count) = (stop.clone(), seen.clone());
        let proxy = Proxy::start(Some(&server.address()), None, move |asked| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            // Ends of uploads go through: whoever is interrupted may still send them.
            let is_end = asked.kind == Kind::DeleteUpload;
            if number >= until.load(Ordering::SeqCst) && !is_end { Act::Hang(HANG) } else { Act::Pass }
        });
        Some(Self { server, proxy, stop, seen })
    }

    fn build(&self, shop: &Workshop) -> Command {
        let tag = format!("{}/team/api:1", self.proxy.address());
        shop.build().with(&["--push", "--tag", &tag])
    }

    /// Pushes until request `number` comes, which waits; gives the count of requests when the push ends before.
    fn start_until(&self, shop: &Workshop, number: usize) -> Result<Child, usize> {
        self.seen.store(0, Ordering::SeqCst);
        self.stop.store(number, Ordering::SeqCst);
        let mut command = self.build(shop);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut ended = None;
        let comes = wait_until(|| {
            ended = child.try_wait().unwrap();
            ended.is_some() || self.seen.load(Ordering::SeqCst) >= number
        });
        assert!(comes, "request {number} never comes");
        let Some(status) = ended else { return Ok(child) };
        assert!(status.success(), "{status}");
        Err(self.seen.load(Ordering::SeqCst))
    }

    fn finish(&self, shop: &Workshop) -> String {
        self.stop.store(usize::MAX, Ordering::SeqCst);
        run(&mut self.build(shop)).digest()
    }

    /// What the tag stands for, after reading everything that it leads to.
    fn read(&self) -> String {
        let get = |path: String| {
            let asked = Asked::new("GET", &format!("/v2/team/api/{path}")).header("accept", MANIFEST);
            let reply = asked.send_to(&self.server.address(), &[]).unwrap();
            assert_eq!(reply.status, 200, "{path}");
            reply.body
        };
        let manifest = get("manifests/1".into());
        let json: Value = serde_json::from_slice(&manifest).unwrap();
        for descriptor in json["layers"].as_array().unwrap().iter().chain([&json["config"]]) {
            let digest = descriptor["digest"].as_str().unwrap();
            assert_eq!(Digest::of(get(format!("blobs/{digest}"))).to_string(), digest);
        }
        Digest::of(&manifest).to_string()
    }
}

/// Another image each time, with a layer of its own.
fn change(shop: &Workshop, round: usize) {
    shop.write("project/main.py", format!("print({round})\n"));
}

#[test]
fn killed_before_each_request_of_a_push() {
    let Some(stage) = Stage::new() else { return };
    let shop = workshop();
    change(&shop, 0);
    let mut old = stage.finish(&shop);
    let (mut kept, mut moved) = (0, 0);
    for number in 1..100 {
        change(&shop, number);
        let mut child = match stage.start_until(&shop, number) {
            Ok(child) => child,
            Err(count) => {
                assert_eq!(count, number - 1, "every request had its turn");
                break;
            }
        };
        child.kill().unwrap();
        child.wait().unwrap();
        let found = stage.read();
        let new = stage.finish(&shop);
        assert!(found == old || found == new, "request {number}: the tag stands for {found}");
        if found == old {
            kept += 1;
        } else {
            moved += 1;
        }
        assert_eq!(stage.read(), new, "request {number}");
        assert_ne!(new, old);
        old = new;
    }
    assert!(kept > 3, "{kept} times the tag had not moved");
    assert!(moved > 0, "the tag never moved before a kill");
}

#[test]
fn an_interrupt_ends_a_push_that_waits_and_its_uploads() {
    let Some(stage) = Stage::new() else { return };
    let shop = workshop();
    stage.finish(&shop);
    change(&shop, 1);
    // The first request for the new blobs has been answered, the bytes wait.
    let first = stage.proxy.log().len();
    let opened = (2..20).find_map(|number| {
        let mut child = stage.start_until(&shop, number).ok()?;
        let log = stage.proxy.log();
        let is_open = log[first..].iter().any(|asked| asked.kind == Kind::PutUpload);
        if is_open {
            return Some(child);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        None
    });
    let mut child = opened.expect("no upload was begun");
    let start = Instant::now();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < HANG, "the push waited for the registry");
    assert!(stage.proxy.count(Kind::DeleteUpload) > 0, "no upload was ended");
    stage.finish(&shop);
    stage.read();
}
