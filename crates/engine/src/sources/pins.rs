use serde::{Deserialize, Serialize};
use wainwright_oci::Digest;
use wainwright_python::PackageName;

use super::{Made, MadeBy};
use crate::choose::ChosenWheel;
use crate::wain_lock::{self, WainLock};
use crate::{Error, Event, Pinning, Request, Tools};

/// A wheel that was built, as `wain.lock` has it: another machine that makes other bytes of the same source is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BuiltPin {
    pub(crate) name: PackageName,
    /// `sdist sha256:...` or `git commit ...`.
    pub(crate) from: String,
    /// The file name of the wheel.
    pub(crate) wheel: String,
    pub(crate) digest: Digest,
    /// Who made it, and what was installed for that.
    pub(crate) backend: String,
    pub(crate) tool: String,
    pub(crate) python: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) with: Vec<String>,
}

impl BuiltPin {
    /// `None` for a wheel that is none of those: what comes from a folder changes as the project does.
    fn of(wheel: &ChosenWheel) -> Option<Self> {
        let Made { from, by, wheel: file, digest } = wheel.made.as_deref()?;
        let by = by.as_ref().filter(|_| !from.starts_with("the folder "))?;
        Some(Self {
            name: wheel.name.clone(),
            from: from.clone(),
            wheel: file.clone(),
            digest: *digest,
            backend: by.backend.clone(),
            tool: by.tool.clone(),
            python: by.python.clone(),
            with: by.with.clone(),
        })
    }

    /// How the wheel came to be.
    pub(super) fn made(&self) -> Made {
        let Self { backend, tool, python, with, .. } = self.clone();
        let by = MadeBy { backend, tool, python, with };
        Made { from: self.from.clone(), by: Some(by), wheel: self.wheel.clone(), digest: self.digest }
    }

    fn tools(&self) -> Vec<String> {
        let own = [self.tool.clone(), format!("Python {}", self.python)];
        own.into_iter().chain(self.with.iter().cloned()).collect()
    }

    fn is_same_wheel(&self, other: &Self) -> bool {
        (&self.name, &self.from, &self.wheel) == (&other.name, &other.from, &other.wheel)
    }

    /// In which of the things that made them two wheels differ.
    fn difference(&self, now: &Self) -> String {
        let missing = |one: &Self, other: &Self| -> Vec<String> {
            let others = other.tools();
            one.tools().into_iter().filter(|word| !others.contains(word)).collect()
        };
        match (missing(self, now), missing(now, self)) {
            (before, after) if before.is_empty() && after.is_empty() => "made with the same tools".into(),
            (before, after) => format!("made with {}, and now with {}", list(&before), list(&after)),
        }
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "nothing else".into() } else { words.join(", ") }
}

/// Compares wheels that were built with the pins of `wain.lock`, and adds those that it does not have.
///
/// Where a pin says otherwise it stays, and the user is told; with `--locked` that is an error. A wheel without a pin is
/// none: its source is locked.
pub(crate) fn settle<'a>(
    wheels: impl Iterator<Item = &'a ChosenWheel>,
    request: &Request,
    tools: &Tools,
) -> Result<(), Error> {
    let mut built: Vec<BuiltPin> = wheels.filter_map(BuiltPin::of).collect();
    if built.is_empty() {
        return Ok(());
    }
    built.sort_by(|a, b| (&a.name, &a.wheel).cmp(&(&b.name, &b.wheel)));
    built.dedup();
    let mut lock = WainLock::read(&request.root)?;
    let mut is_new = false;
    for now in built {
        match lock.wheel.iter().find(|pin| pin.is_same_wheel(&now)) {
            Some(pin) if pin.digest == now.digest => {}
            Some(pin) if request.is_locked => {
                return Err(Error::BuiltOtherwise {
                    wheel: now.wheel.clone(),
                    from: now.from.clone(),
                    pinned: pin.digest,
                    found: now.digest,
                    difference: pin.difference(&now),
                });
            }
            Some(pin) => tools.tell(Event::Warned {
                message: format!(
                    "`{}` built here from {} is {}, and `wain.lock` has {}, {}; the image differs from those built elsewhere",
                    now.wheel,
                    now.from,
                    now.digest,
                    pin.digest,
                    pin.difference(&now)
                ),
            }),
            None => {
                is_new = true;
                // Of one package other sources were pinned earlier.
                lock.wheel.retain(|pin| pin.name != now.name || pin.from == now.from);
                lock.wheel.push(now);
            }
        }
    }
    if !is_new || request.is_locked || request.pinning == Pinning::Never {
        return Ok(());
    }
    lock.wheel.sort_by(|a, b| (&a.name, &a.wheel).cmp(&(&b.name, &b.wheel)));
    wain_lock::write(&lock, "wheels that are built here are", request, tools)
}
