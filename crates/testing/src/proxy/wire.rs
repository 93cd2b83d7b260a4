use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ServerConnection, StreamOwned};

use super::reply::Sent;
use super::{Asked, Reply, Tls};

/// A connection, encrypted when the client begins so.
pub(super) struct Wire {
    ends: Ends,
    /// Read, and not used yet.
    ahead: Vec<u8>,
}

enum Ends {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ServerConnection, TcpStream>>),
}

/// How a client says hello that wants encryption (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

impl Wire {
    pub(super) fn new(stream: TcpStream, tls: Option<&Tls>) -> io::Result<Self> {
        let mut first = [0];
        let is_encrypted = stream.peek(&mut first)? == 1 && first[0] == HANDSHAKE;
        let ends = match tls {
            Some(tls) if is_encrypted => {
                let connection = ServerConnection::new(Arc::clone(&tls.config)).map_err(io::Error::other)?;
                Ends::Encrypted(Box::new(StreamOwned::new(connection, stream)))
            }
            _ => Ends::Plain(stream),
        };
        Ok(Self { ends, ahead: Vec::new() })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.ends, Ends::Encrypted(_))
    }

    /// The head of the next request; `None` when the client has nothing more to ask.
    pub(super) fn read_head(&mut self) -> io::Result<Option<Asked>> {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.ahead.split_off(end + 4);
                let head = std::mem::replace(&mut self.ahead, rest);
                return Ok(Asked::parse(&String::from_utf8_lossy(&head)));
            }
            if !self.read_more()? {
                return Ok(None);
            }
        }
    }

    pub(super) fn read_body(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            if !self.read_more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.ahead.split_off(length);
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    fn read_more(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 64 << 10];
        let count = self.ends.read(&mut buffer)?;
        self.ahead.extend_from_slice(&buffer[..count]);
        Ok(count > 0)
    }

    pub(super) fn send(&mut self, reply: &Reply, is_head: bool) -> io::Result<Sent> {
        reply.write(is_head, &mut self.ends)
    }
}

impl Read for Ends {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Ends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}
