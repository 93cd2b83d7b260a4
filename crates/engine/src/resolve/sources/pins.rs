use crate::resolve::built_pin::BuiltPin;
use crate::resolve::wain_lock::{self, WainLock};
use crate::{ChosenWheel, Error, Event, Pinning, Request, Session};

/// Compares wheels that were built with the pins of `wain.lock`, and adds those that it does not have.
///
/// Where a pin says otherwise it stays, and the user is told; with `--locked` that is an error. A wheel without a pin is
/// none: its source is locked.
pub(crate) fn record_built<'a>(
    wheels: impl Iterator<Item = &'a ChosenWheel>,
    request: &Request,
    session: &Session,
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
            Some(pin) => session.report(Event::Warned {
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
    wain_lock::write(&lock, "wheels that are built here are", request, session)
}
