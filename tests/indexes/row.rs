use std::time::Duration;

use wainwright_testing::{Act, Asked, Reply, wheel};

use super::world::{World, hex};

/// A fault, and how it must end.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) fault: &'static str,
    /// `build` or `lock`.
    pub(super) command: &'static str,
    /// Files, by their paths in the workshop.
    pub(super) project: fn(&World) -> Vec<(&'static str, String)>,
    pub(super) words: fn(&World) -> Vec<String>,
    /// Variables besides those that name both indexes.
    pub(super) vars: fn(&World) -> Vec<(&'static str, String)>,
    pub(super) private: Script,
    pub(super) public: Script,
    pub(super) want: Want,
    /// The public index must hear nothing.
    pub(super) keeps_public_out: bool,
    /// The same command goes well once the fault is gone.
    pub(super) mends: bool,
    pub(super) limit: Duration,
    pub(super) check: fn(&World) -> Result<(), String>,
}

/// How it must end.
#[derive(Clone, Copy)]
pub(super) enum Want {
    /// Well.
    Good,
    /// Well, and the user heard of something.
    Says(&'static [&'static str]),
    /// With this exit code, an error that has all these words, and nothing half done.
    Fails(i32, &'static [&'static str]),
}

/// What happens to a request; `None`: nothing out of the ordinary.
pub(super) type Script = fn(&Asked) -> Option<Act>;

/// A build with a lockfile that has the sha256 of `greet` and no address: the indexes are asked.
pub(super) fn locked(name: &'static str, fault: &'static str) -> Row {
    Row {
        name,
        fault,
        command: "build",
        project: |_| vec![("project/requirements.txt", hashed())],
        words: |_| Vec::new(),
        vars: |_| Vec::new(),
        private: |_| None,
        public: |_| None,
        want: Want::Good,
        keeps_public_out: false,
        mends: false,
        limit: Duration::from_secs(300),
        check: |_| Ok(()),
    }
}

/// Requirements that uv resolves.
pub(super) fn open(name: &'static str, fault: &'static str) -> Row {
    let project = |_: &World| vec![("project/requirements.txt", "greet\n".to_owned())];
    Row { command: "lock", ..locked(name, fault).project(project) }
}

pub(super) fn hashed() -> String {
    format!("greet==1.0 --hash=sha256:{}\n", hex(&wheel("greet")))
}

impl Row {
    pub(super) fn project(self, project: fn(&World) -> Vec<(&'static str, String)>) -> Self {
        Self { project, ..self }
    }

    pub(super) fn command(self, command: &'static str) -> Self {
        Self { command, ..self }
    }

    pub(super) fn words(self, words: fn(&World) -> Vec<String>) -> Self {
        Self { words, ..self }
    }

    pub(super) fn vars(self, vars: fn(&World) -> Vec<(&'static str, String)>) -> Self {
        Self { vars, ..self }
    }

    pub(super) fn private(self, private: Script) -> Self {
        Self { private, ..self }
    }

    pub(super) fn public(self, public: Script) -> Self {
        Self { public, ..self }
    }

    pub(super) fn says(self, words: &'static [&'static str]) -> Self {
        Self { want: Want::Says(words), ..self }
    }

    pub(super) fn fails(self, code: i32, words: &'static [&'static str]) -> Self {
        Self { want: Want::Fails(code, words), ..self }
    }

    pub(super) fn keeps_public_out(self) -> Self {
        Self { keeps_public_out: true, ..self }
    }

    pub(super) fn mends(self) -> Self {
        Self { mends: true, ..self }
    }

    pub(super) fn within(self, seconds: u64) -> Self {
        Self { limit: Duration::from_secs(seconds), ..self }
    }

    pub(super) fn check(self, check: fn(&World) -> Result<(), String>) -> Self {
        Self { check, ..self }
    }
}

pub(super) fn is_page(asked: &Asked) -> bool {
    asked.target.starts_with("/simple/")
}

pub(super) fn is_file(asked: &Asked) -> bool {
    asked.target.contains(".whl")
}

/// The index's own answer, with a change of its text.
pub(super) fn alter(change: impl Fn(String) -> String + Send + 'static) -> Act {
    Act::Alter(Box::new(move |reply| {
        let text = String::from_utf8(reply.body.clone()).unwrap();
        reply.body(change(text))
    }))
}

/// A status instead of an answer.
pub(super) fn status(status: u16) -> Act {
    Act::Answer(Reply::status(status))
}

/// An HTML page.
pub(super) fn html(text: impl Into<Vec<u8>>) -> Act {
    Act::Answer(Reply::ok(text).header("Content-Type", "text/html"))
}
