use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use url::Url;

use crate::{Act, Asked, Proxy, Reply};

/// A small HTTP server on the loopback whose answers, good and bad, are written by a test. Every answer ends its connection.
pub struct Server(Proxy);

impl Server {
    /// Starts a server that answers every request with what `answer` says. [`Asked::earlier`] counts requests for the same
    /// target.
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let counts: Mutex<BTreeMap<String, usize>> = Mutex::default();
        Self(Proxy::start(None, None, move |asked| {
            let mut asked = asked.clone();
            {
                let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                let count = counts.entry(asked.target.clone()).or_default();
                asked.earlier = *count;
                *count += 1;
            }
            Act::Answer(answer(&asked).header("connection", "close").abrupt())
        }))
    }

    /// `http://127.0.0.1:port` and this path.
    pub fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.0.address()).parse().unwrap()
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Asked> {
        self.0.log()
    }
}
