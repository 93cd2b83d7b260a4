use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tempfile::TempDir;

/// A socket in front of a daemon's: counts what is sent there, and can interfere.
pub struct Relay {
    folder: TempDir,
    sent: Arc<AtomicU64>,
}

impl Relay {
    /// Passes everything on to the daemon at `to`, both ways. `watch` sees each piece before the daemon does, and how many
    /// bytes were sent before it.
    pub fn start(to: &Path, watch: impl Fn(&[u8], u64) + Send + Sync + 'static) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let (counter, watch, to) = (sent.clone(), Arc::new(watch), to.to_owned());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, counter, watch, to) =
                    (client.unwrap(), counter.clone(), watch.clone(), to.clone());
                thread::spawn(move || {
                    pass_on(client, to, |piece| {
                        let before = counter.fetch_add(piece.len() as u64, Ordering::SeqCst);
                        watch(piece, before);
                    });
                });
            }
        });
        Self { folder, sent }
    }

    /// Where it answers, for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}/socket", self.folder.path().display())
    }

    /// How many bytes clients have sent since the last time this was asked.
    pub fn sent(&self) -> u64 {
        self.sent.swap(0, Ordering::SeqCst)
    }
}

/// Copies between two sockets until one side has had enough; a daemon that is not there closes the connection.
fn pass_on(client: UnixStream, to: PathBuf, watch: impl Fn(&[u8])) {
    let Ok(daemon) = UnixStream::connect(to) else { return };
    let back = {
        let (daemon, client) = (daemon.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || {
            copy(&daemon, &client, |_| ());
            // What a daemon said last must not be lost because the client still sends.
            let _ = client.shutdown(Shutdown::Write);
        })
    };
    copy(&client, &daemon, watch);
    let _ = daemon.shutdown(Shutdown::Write);
    let _ = back.join();
}

fn copy(mut from: &UnixStream, mut to: &UnixStream, watch: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        watch(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
