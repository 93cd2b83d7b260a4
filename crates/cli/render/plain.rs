use wainwright_build::Event;

use super::{Renderer, line};
use crate::report::{bytes, things};

/// A line for everything that happened: for logs.
pub(super) struct Plain;

impl Renderer for Plain {
    fn show(&mut self, event: &Event) {
        if let Some(text) = text(event) {
            line(&text);
        }
    }

    fn finish(&mut self, summary: &str) {
        line(summary);
    }
}

/// The line of an event; `None` for those that only move bars.
pub(super) fn text(event: &Event) -> Option<String> {
    Some(match event {
        Event::Warned { message } => format!("warning: {message}"),
        Event::Noted { message } => format!("note: {message}"),
        Event::Waited { host, seconds } => format!("waiting for {host} for {seconds} s"),
        Event::Resolved { platform, base, python, wheels } => {
            format!("{platform}: {} on {base} with Python {python}", things(*wheels, "package"))
        }
        Event::Planned { layers, cached, fetches, fetch_bytes } => {
            let fetch = match fetches {
                0 => "nothing to fetch".to_owned(),
                count => format!("{} to fetch ({})", things(*count, "file"), bytes(*fetch_bytes)),
            };
            format!("{}, {cached} of them made earlier; {fetch}", things(*layers, "layer"))
        }
        Event::FetchFinished { name, bytes: moved } if *moved > 0 => {
            format!("fetched {name} ({})", bytes(*moved))
        }
        Event::WheelStarted { name, from } => format!("building {name} here from {from}"),
        Event::WheelFinished { name, made } => format!("{name}: {made} is {}", made.digest),
        Event::LayerFinished { name, descriptor } => format!("made {name} ({})", bytes(descriptor.size)),
        Event::LayerReused { name, .. } => format!("reused {name}"),
        Event::UploadFinished { repository, digest, size, how: "sent" } => {
            format!("sent {} ({}) to {repository}", short(digest), bytes(*size))
        }
        Event::UploadFinished { repository, digest, size, how: "mounted" } => {
            format!("{repository} takes {} ({}) from its registry", short(digest), bytes(*size))
        }
        Event::ImageFinished { platform, digest, size } => format!("{platform}: {digest} ({})", bytes(*size)),
        Event::FileWritten { path } => format!("wrote {}", path.display()),
        Event::DeliveryFinished { output, was_there: true, .. } => format!("{output} has it already"),
        Event::DeliveryFinished { output, bytes: written, skipped: 0, .. } => {
            format!("delivered to {output} ({})", bytes(*written))
        }
        Event::DeliveryFinished { output, bytes: written, skipped, .. } => {
            format!("delivered to {output} ({}; {} were there)", bytes(*written), bytes(*skipped))
        }
        _ => return None,
    })
}

/// Enough of a digest to know it by.
pub(super) fn short(digest: &wainwright_oci::Digest) -> String {
    digest.hex().chars().take(12).collect()
}
