use wainwright_engine::Event;

use super::renderer::Renderer;
use crate::console::line;
use crate::units::{bytes, things};

/// One line per event, for logs.
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

/// The line of an event; `None` for events of progress bars only.
pub(super) fn text(event: &Event) -> Option<String> {
    Some(match event {
        Event::Warned { message } => format!("warning: {message}"),
        Event::Noted { message } => format!("note: {message}"),
        Event::Waited { host, seconds } => format!("waiting {seconds} s for {host}"),
        Event::Resolved { components, platform, base, python, wheels } => {
            let whose = if components.is_empty() { String::new() } else { format!(": {}", some(components)) };
            format!("{platform}: {} on {base} with Python {python}{whose}", things(*wheels, "package"))
        }
        Event::Planned { layers, cached, fetches, fetch_bytes } => {
            let fetch = match fetches {
                0 => "nothing to fetch".to_owned(),
                count => format!("{} to fetch ({})", things(*count, "file"), bytes(*fetch_bytes)),
            };
            format!("{}, {cached} of them cached; {fetch}", things(*layers, "layer"))
        }
        Event::FetchFinished { name, bytes: moved } if *moved > 0 => {
            format!("fetched {name} ({})", bytes(*moved))
        }
        Event::WheelStarted { name, from } => format!("building {name} from {from}"),
        Event::WheelFinished { name, made } => format!("{name}: {made} is {}", made.digest),
        Event::LayerFinished { name, descriptor } => format!("built {name} ({})", bytes(descriptor.size)),
        Event::LayerReused { name, .. } => format!("reused {name}"),
        Event::UploadFinished { repository, digest, size, how: "sent" } => {
            format!("pushed {} ({}) to {repository}", short(digest), bytes(*size))
        }
        Event::UploadFinished { repository, digest, size, how: "mounted" } => {
            format!("mounted {} ({}) into {repository}", short(digest), bytes(*size))
        }
        Event::ImageFinished { component, platform, digest, size } => {
            let whose = component.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
            format!("{platform}{whose}: {digest} ({})", bytes(*size))
        }
        Event::FileWritten { path } => format!("wrote {}", path.display()),
        Event::DeliveryFinished { output, was_there: true, .. } => format!("{output} is up to date"),
        Event::DeliveryFinished { output, bytes: written, skipped: 0, .. } => {
            format!("delivered to {output} ({})", bytes(*written))
        }
        Event::DeliveryFinished { output, bytes: written, skipped, .. } => {
            format!("delivered to {output} ({}; {} unchanged)", bytes(*written), bytes(*skipped))
        }
        _ => return None,
    })
}

/// Names on one line, at most the first few.
fn some(names: &[String]) -> String {
    match names.split_at_checked(MOST_NAMES) {
        Some((first, rest @ [_, _, ..])) => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    }
}

/// The maximum number of names on a line.
const MOST_NAMES: usize = 8;

/// The first digits of a digest.
pub(super) fn short(digest: &wainwright_oci::Digest) -> String {
    digest.hex().chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolved_event_lists_at_most_eight_of_ten_names() {
        let resolved = |components: &[&str]| {
            text(&Event::Resolved {
                components: components.iter().map(ToString::to_string).collect(),
                platform: "linux/amd64".parse().unwrap(),
                base: "debian:trixie".into(),
                python: "3.13".into(),
                wheels: 1,
            })
            .unwrap()
        };
        let line = "linux/amd64: 1 package on debian:trixie with Python 3.13";
        assert_eq!(resolved(&[]), line);
        assert_eq!(resolved(&["one", "two"]), format!("{line}: one, two"));
        let nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        assert_eq!(resolved(&nine), format!("{line}: a, b, c, d, e, f, g, h, i"));
        let ten = [&nine[..], &["j"]].concat();
        assert_eq!(resolved(&ten), format!("{line}: a, b, c, d, e, f, g, h and 2 more"));
    }
}
