//! A small HTTP server on 127.0.0.1 whose answers, good and bad, are written by a test.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// How many requests for this target came before.
    pub earlier: usize,
}

impl Seen {
    /// The first byte asked for by a `Range` header.
    pub fn range_start(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// An answer, with its faults.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut: Option<usize>,
    stall: Option<Duration>,
    no_length: bool,
    pace: Option<(usize, Duration)>,
    reads: Option<(usize, Duration)>,
}

impl Reply {
    /// 200 with a body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).body(body)
    }

    /// Another status, without a body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
            stall: None,
            no_length: false,
            pace: None,
            reads: None,
        }
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Closes the connection after so many bytes of the body, though `Content-Length` promises all.
    #[must_use]
    pub fn cut(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// Sends no `Content-Length`: the end of the connection is the end of the body.
    #[must_use]
    pub fn without_length(mut self) -> Self {
        self.no_length = true;
        self
    }

    /// Says nothing for a while, before everything.
    #[must_use]
    pub fn stall(mut self, time: Duration) -> Self {
        self.stall = Some(time);
        self
    }

    /// Sends so many bytes of the body at a time, with a rest after each.
    #[must_use]
    pub fn pace(mut self, bytes: usize, rest: Duration) -> Self {
        self.pace = Some((bytes, rest));
        self
    }

    /// Reads the body of the request first, so many bytes at a time, with a rest after each.
    #[must_use]
    pub fn reads(mut self, bytes: usize, rest: Duration) -> Self {
        self.reads = Some((bytes, rest));
        self
    }

    /// What an honest server answers: all of it, or the rest that was asked for.
    pub fn file(seen: &Seen, bytes: &[u8]) -> Self {
        match seen.range_start() {
            None => Self::ok(bytes),
            Some(start) if start < bytes.len() => Self::status(206)
                .header("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len()))
                .body(&bytes[start..]),
            Some(_) => Self::status(416).header("Content-Range", format!("bytes */{}", bytes.len())),
        }
    }
}

/// The server; it stops when dropped.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server that answers every request with what `answer` says.
    ///
    /// # Panics
    /// When no port can be had; this is for tests.
    pub fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let server = Self { address, seen: seen.clone(), is_over: is_over.clone() };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let (answer, seen) = (answer.clone(), seen.clone());
                std::thread::spawn(move || stream.and_then(|stream| serve(stream, &seen, &*answer)));
            }
        });
        server
    }

    /// `http://127.0.0.1:port` and this path.
    ///
    /// # Panics
    /// When the path makes no URL.
    pub fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().expect("a URL")
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> Reply,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let seen = {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = log.iter().filter(|seen| seen.target == target).count();
        let seen = Seen { target, headers, earlier };
        log.push(seen.clone());
        seen
    };
    let reply = answer(&seen);
    if let Some((count, rest)) = reply.reads {
        let mut buffer = vec![0; count];
        while stream.read(&mut buffer)? > 0 {
            std::thread::sleep(rest);
        }
    }
    if let Some(time) = reply.stall {
        std::thread::sleep(time);
    }
    write!(stream, "HTTP/1.1 {} .\r\nConnection: close\r\n", reply.status)?;
    if !reply.no_length {
        write!(stream, "Content-Length: {}\r\n", reply.body.len())?;
    }
    for (name, value) in &reply.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    let sent = reply.cut.map_or(reply.body.len(), |cut| cut.min(reply.body.len()));
    let (count, rest) = reply.pace.unwrap_or((sent.max(1), Duration::ZERO));
    for piece in reply.body[..sent].chunks(count) {
        stream.write_all(piece)?;
        stream.flush()?;
        std::thread::sleep(rest);
    }
    Ok(())
}
