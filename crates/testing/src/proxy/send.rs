use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use super::{Asked, Reply};

impl Asked {
    /// Asks a server and reads its whole answer.
    pub fn send_to(&self, server: &str, body: &[u8]) -> io::Result<Reply> {
        let mut stream = TcpStream::connect(server)?;
        let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            if !matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding" | "expect") {
                head += &format!("{name}: {value}\r\n");
            }
        }
        if !body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            head += &format!("content-length: {}\r\n", body.len());
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Reply::parse(&answer).ok_or_else(|| io::Error::other("the registry's answer cannot be read"))
    }
}
