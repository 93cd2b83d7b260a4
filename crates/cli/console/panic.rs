//! A bug of ours, reported in one line.

use std::panic::PanicHookInfo;
use std::sync::Once;

use wainwright_engine::Error;

use super::failure::text;
use super::stderr::line;

/// Reports the first panic with its location in one line. Later panics are consequences of the first.
pub(crate) fn report(panic: &PanicHookInfo<'_>) {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        let place = panic.location().map_or_else(|| "unknown location".into(), ToString::to_string);
        let message = panic.payload().downcast_ref::<&str>().map(ToString::to_string);
        let message = message.or_else(|| panic.payload().downcast_ref::<String>().cloned());
        line(&format!("bug: {} ({place})", message.unwrap_or_else(|| "no message".into())));
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            line(&std::backtrace::Backtrace::force_capture().to_string());
        }
    });
}

/// Reports a bug of this program, and returns the exit code.
pub(crate) fn report_bug() -> u8 {
    let error = Error::Bug { what: "the program panicked".into() };
    line(&text(&error));
    error.exit_code()
}
