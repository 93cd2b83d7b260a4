use wainwright_registry::Settings;
use wainwright_testing::{Act, Asked, Kind, Reply};

use super::world::World;

/// A fault, and how it must end.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) fault: &'static str,
    pub(super) job: Job,
    pub(super) scripts: Vec<Script>,
    /// The registry wants a token, which it gives to those who know the password.
    pub(super) wants_token: bool,
    pub(super) has_login: bool,
    /// A blob is larger than the pieces in which one is sent.
    pub(super) is_large: bool,
    /// The registry has a public name, and is reached through a proxy.
    pub(super) way: Way,
    pub(super) tune: Option<fn(&mut Settings, &World)>,
    pub(super) want: Want,
    /// The fewest seconds that must be waited, and the most.
    pub(super) waits: (f32, f32),
    /// The most requests.
    pub(super) requests: usize,
    /// The user said that the other server may have the password.
    pub(super) trusts_stranger: bool,
}

/// What is done against the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// An image is pushed from memory.
    Push,
    /// An image is pushed from files.
    PushFiles,
    /// An image whose blobs another repository has.
    Mount,
    /// An image whose blobs we believe to be there.
    PushKnown,
    /// An image is pulled by its tag.
    Pull,
    /// An image is pulled by its digest.
    PullPinned,
    /// An image is pulled whose manifest says of every blob that it is a byte larger than it is.
    PullOffByOne,
}

/// How the registry is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By its address, which is on this machine.
    Direct,
    /// By a public name, through an HTTP proxy that sees everything.
    Proxied,
    /// By a public name and encrypted, through `CONNECT`.
    Encrypted,
    /// The same; the authority and our own certificate are in a folder for this registry (`certs.d`).
    KnownClients,
}

/// How it must end.
#[derive(Clone, Copy)]
pub(super) enum Want {
    /// The image is there, whole.
    Good,
    /// The image is there, and the user heard of something.
    Says(&'static str),
    /// One way or another, but not with half an image that is called whole.
    Anything,
    /// With an error that has all these words, and nothing half done.
    Fails(&'static [&'static str]),
}

/// What happens to a request; `None`: nothing of this script.
pub(super) type Script = Box<dyn Fn(&Asked, &World) -> Option<Act> + Send + Sync>;

fn row(job: Job, name: &'static str, fault: &'static str) -> Row {
    Row {
        name,
        fault,
        job,
        scripts: Vec::new(),
        wants_token: false,
        has_login: false,
        is_large: false,
        way: Way::Direct,
        tune: None,
        want: Want::Good,
        waits: (0.0, 60.0),
        requests: 60,
        trusts_stranger: false,
    }
}

pub(super) fn push(name: &'static str, fault: &'static str) -> Row {
    row(Job::Push, name, fault)
}

pub(super) fn pull(name: &'static str, fault: &'static str) -> Row {
    row(Job::Pull, name, fault)
}

impl Row {
    pub(super) fn job(self, job: Job) -> Self {
        Self { job, ..self }
    }

    /// What happens to the first so many requests of a kind.
    pub(super) fn first(
        self,
        kind: Kind,
        count: usize,
        act: impl Fn() -> Act + Send + Sync + 'static,
    ) -> Self {
        self.script(move |asked, _| (asked.kind == kind && asked.earlier < count).then(&act))
    }

    /// What happens to all requests of a kind.
    pub(super) fn always(self, kind: Kind, act: impl Fn() -> Act + Send + Sync + 'static) -> Self {
        self.first(kind, usize::MAX, act)
    }

    /// What happens to any request.
    pub(super) fn script(
        mut self,
        script: impl Fn(&Asked, &World) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        self.scripts.push(Box::new(script));
        self
    }

    pub(super) fn wants_token(self) -> Self {
        Self { wants_token: true, has_login: true, ..self }
    }

    pub(super) fn large(self) -> Self {
        Self { is_large: true, ..self }
    }

    pub(super) fn login(self, has_login: bool) -> Self {
        Self { has_login, ..self }
    }

    pub(super) fn stranger_is_trusted(self) -> Self {
        Self { trusts_stranger: true, ..self }
    }

    pub(super) fn proxied(self) -> Self {
        Self { way: Way::Proxied, ..self }
    }

    pub(super) fn known_clients(self) -> Self {
        Self { way: Way::KnownClients, ..self }
    }

    pub(super) fn encrypted(self) -> Self {
        Self { way: Way::Encrypted, ..self }
    }

    pub(super) fn tune(self, tune: fn(&mut Settings, &World)) -> Self {
        Self { tune: Some(tune), ..self }
    }

    pub(super) fn waits(self, least: f32, most: f32) -> Self {
        Self { waits: (least, most), ..self }
    }

    pub(super) fn requests(self, requests: usize) -> Self {
        Self { requests, ..self }
    }

    pub(super) fn fails(self, words: &'static [&'static str]) -> Self {
        Self { want: Want::Fails(words), ..self }
    }

    pub(super) fn anything(self) -> Self {
        Self { want: Want::Anything, waits: (0.0, 700.0), requests: 500, ..self }
    }

    pub(super) fn says(self, words: &'static str) -> Self {
        Self { want: Want::Says(words), ..self }
    }
}

/// A refusal without anything more.
pub(super) fn status(status: u16) -> impl Fn() -> Act {
    move || Act::Answer(Reply::status(status))
}

/// A refusal with a code.
pub(super) fn refusal(status: u16, code: &'static str) -> impl Fn() -> Act {
    move || Act::Answer(Reply::refusal(status, code, "because"))
}

/// A page that is for people.
pub(super) fn page() -> Act {
    let text = "<!DOCTYPE html><title>Please log in</title>";
    Act::Answer(Reply::status(200).header("content-type", "text/html; charset=utf-8").body(text))
}

/// A server that is away for so many seconds, from its fourth request on.
pub(super) fn away(seconds: f32) -> impl Fn(&Asked, &World) -> Option<Act> + Send + Sync {
    move |asked, world| (asked.number > 3 && world.clock.now().as_secs_f32() < seconds).then(|| Act::Reset(0))
}

/// The registry's own answer, with a change.
pub(super) fn alter(change: impl Fn(Reply) -> Reply + Clone + Send + 'static) -> impl Fn() -> Act {
    move || Act::Alter(Box::new(change.clone()))
}
