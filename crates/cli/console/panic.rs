//! A bug of ours, reported in one line.

use std::panic::PanicHookInfo;
use std::sync::Once;

use wainwright_engine::Error;

use super::failure::text;
use super::stderr::line;

/// Tells the first panic in one line: where it was matters to whoever mends it, and what others follow does not.
pub(crate) fn tell_panic(panic: &PanicHookInfo<'_>) {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        let place = panic.location().map_or_else(|| "an unknown place".into(), ToString::to_string);
        let message = panic.payload().downcast_ref::<&str>().map(ToString::to_string);
        let message = message.or_else(|| panic.payload().downcast_ref::<String>().cloned());
        line(&format!("bug: {} ({place})", message.unwrap_or_else(|| "no message".into())));
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            line(&std::backtrace::Backtrace::force_capture().to_string());
        }
    });
}

/// Says that the program itself is to blame, and gives the exit code.
pub(crate) fn tell_bug() -> u8 {
    let error = Error::Bug { what: "the program ended in the middle of its work".into() };
    line(&text(&error));
    error.exit_code()
}
