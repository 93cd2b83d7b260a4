//! Opens the store, runs a command until it ends or a signal stops it, and reports the result.

use std::sync::Arc;

use wainwright_engine::{Error, Event, Listener, Machine, Project, Request, Session};

use super::signals::{Ended, until_signal};
use super::{limits, machine};
use crate::args::Setup;
use crate::console::exit::OUTSIDE;
use crate::console::{fail, line};
use crate::screen::Screen;

/// Runs a command for a project, and returns the exit code.
pub(crate) fn run(
    setup: &Setup<'_>,
    request: &Request,
    machine: Machine,
    command: impl AsyncFnOnce(&Arc<Project>, &Arc<Session>, &Arc<Screen>) -> Result<u8, Error>,
) -> u8 {
    let project = match wainwright_engine::load(request) {
        Ok(project) => project,
        Err(error) => return fail(&error),
    };
    let open = |machine, listener| Session::new(machine, request, &project, listener);
    run_with(setup, machine, open, async |session, screen| command(&project, session, screen).await)
}

/// Runs a command without a project, and returns the exit code.
pub(crate) fn run_without_project(
    setup: &Setup<'_>,
    command: impl AsyncFnOnce(&Arc<Session>, &Arc<Screen>) -> Result<u8, Error>,
) -> u8 {
    run_with(setup, machine::read(setup), Session::without_project, command)
}

fn run_with(
    setup: &Setup<'_>,
    machine: Machine,
    open: impl FnOnce(Machine, Arc<Listener>) -> Result<Session, Error>,
    command: impl AsyncFnOnce(&Arc<Session>, &Arc<Screen>) -> Result<u8, Error>,
) -> u8 {
    if let Some(message) = limits::too_tight() {
        line(&format!("error: {message}"));
        return OUTSIDE;
    }
    let screen = Arc::new(Screen::new(setup.progress));
    if machine.cache.is_none() && setup.keeps_cache() {
        let message = "not using a cache: HOME is not set (use --cache-dir DIR)".into();
        screen.take(&Event::Warned { message });
    }
    let listener = {
        let screen = screen.clone();
        Arc::new(move |event: Event| screen.take(&event))
    };
    let session = match open(machine, listener) {
        Ok(session) => Arc::new(session),
        Err(error) => return fail(&error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Error::Threads { source: error.into() }),
    };
    let ended = runtime.block_on(until_signal(command(&session, &screen)));
    if matches!(ended, Ended::Stopped(_)) {
        runtime.block_on(session.end_uploads());
    }
    // Does not wait for jobs on other threads: the store no longer commits what they write.
    runtime.shutdown_background();
    if !matches!(ended, Ended::Done(Ok(_))) {
        session.abandon();
        screen.stop();
    }
    match ended {
        Ended::Done(Ok(code)) => code,
        Ended::Done(Err(error)) => fail(&error),
        Ended::Stopped(code) => {
            line("interrupted; unfinished outputs were not written");
            code
        }
    }
}
