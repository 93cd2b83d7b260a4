//! A server between a client and a registry that does what goes wrong in the world, as a test scripts it.

mod asked;
mod reply;
mod send;
mod tls;
mod wire;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use asked::{Asked, Kind};
pub use reply::{Length, Reply};
pub use tls::{Authority, Lifetime, Tls};

use reply::Sent;
use wire::Wire;

/// What becomes of a request.
pub enum Act {
    /// It goes to the registry, and the answer comes back.
    Pass,
    /// It gets this answer; the registry hears nothing of it.
    Answer(Reply),
    /// It gets this answer before its body is read, and the connection ends.
    AnswerEarly(Reply),
    /// It goes to the registry, and the answer is changed.
    Alter(Box<dyn FnOnce(Reply) -> Reply + Send>),
    /// It goes to the registry, and the connection ends instead of an answer.
    Lose,
    /// The connection ends after so many bytes of its body, with a reset.
    Reset(usize),
    /// Its body is read so many bytes at a time, with a rest after each; then the connection ends.
    Sip(usize, Duration),
    /// Nothing happens for so long; then the connection ends.
    Hang(Duration),
}

/// The server; it stops when dropped. It also is an HTTP proxy, for requests that name a host and for `CONNECT`.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where requests are passed on to; without it they get 404.
    upstream: Option<String>,
    tls: Option<Tls>,
    script: Box<dyn Fn(&Asked) -> Act + Send + Sync>,
    log: Mutex<Vec<Asked>>,
    is_over: AtomicBool,
}

impl Proxy {
    /// Starts a server in front of the registry at `upstream` (`host:port`). Encrypted connections are taken when there
    /// is `tls`; all others too.
    pub fn start(
        upstream: Option<&str>,
        tls: Option<Tls>,
        script: impl Fn(&Asked) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: upstream.map(str::to_owned),
            tls,
            script: Box::new(script),
            log: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let server = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.is_over.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let server = server.clone();
                // A client that goes away in the middle is what many tests are about.
                std::thread::spawn(move || drop(server.serve(stream)));
            }
        });
        Self { address, shared }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The requests so far.
    pub fn log(&self) -> Vec<Asked> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests of a kind came so far.
    pub fn count(&self, kind: Kind) -> usize {
        self.log().iter().filter(|asked| asked.kind == kind).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        let raw = stream.try_clone()?;
        let mut wire = Wire::new(stream, self.tls.as_ref())?;
        while let Some(mut asked) = wire.read_head()? {
            if wire.is_encrypted() {
                // As proxies tell that take the encryption off.
                asked.headers.insert("x-forwarded-proto".into(), "https".into());
            }
            let asked = self.note(asked);
            let act = (self.script)(&asked);
            if asked.method == "CONNECT" && matches!(act, Act::Pass) {
                wire.send(&Reply::status(200).length(Length::Absent), true)?;
                wire = Wire::new(raw.try_clone()?, self.tls.as_ref())?;
                continue;
            }
            match act {
                Act::AnswerEarly(reply) => {
                    wire.send(&reply, asked.method == "HEAD")?;
                    return Ok(());
                }
                Act::Reset(bytes) => {
                    wire.read_body(asked.length().min(bytes))?;
                    // What was not read makes the end a reset.
                    return Ok(());
                }
                Act::Sip(bytes, rest) => {
                    for _ in 0..asked.length() / bytes.max(1) {
                        wire.read_body(bytes)?;
                        std::thread::sleep(rest);
                    }
                    return Ok(());
                }
                Act::Hang(time) => {
                    std::thread::sleep(time);
                    return Ok(());
                }
                _ => {}
            }
            if asked.headers.get("expect").is_some_and(|value| value == "100-continue") {
                wire.send(&Reply::status(100).length(Length::Absent), true)?;
            }
            let body = wire.read_body(asked.length())?;
            self.note_body(&asked, &body);
            let reply = match act {
                Act::Answer(reply) => reply,
                Act::Alter(change) => change(self.pass_on(&asked, &body)?),
                Act::Lose => return self.pass_on(&asked, &body).map(drop),
                _ => self.pass_on(&asked, &body)?,
            };
            self.note_status(&asked, reply.status);
            let wants_end = asked.headers.get("connection").is_some_and(|value| value == "close");
            if wire.send(&reply, asked.method == "HEAD")? == Sent::End || wants_end {
                return Ok(());
            }
        }
        Ok(())
    }

    fn note(&self, mut asked: Asked) -> Asked {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        asked.number = log.len() + 1;
        asked.earlier = log.iter().filter(|other| other.kind == asked.kind).count();
        log.push(asked.clone());
        asked
    }

    fn note_body(&self, asked: &Asked, body: &[u8]) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = log.get_mut(asked.number - 1) {
            noted.body = body.to_vec();
        }
    }

    fn note_status(&self, asked: &Asked, status: u16) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = log.get_mut(asked.number - 1) {
            noted.status = Some(status);
        }
    }

    fn pass_on(&self, asked: &Asked, body: &[u8]) -> std::io::Result<Reply> {
        let Some(upstream) = &self.upstream else { return Ok(Reply::status(404)) };
        asked.send_to(upstream, body)
    }
}
