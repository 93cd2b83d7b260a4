use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use wainwright_engine::Event;

use super::plain;
use super::renderer::Renderer;
use crate::console::{clean, line};

/// A live view: bars for downloads and uploads, spinners for layers that are being built, lines for finished work.
pub(super) struct Tty {
    view: MultiProgress,
    bars: HashMap<String, ProgressBar>,
}

impl Tty {
    pub(super) fn new() -> Self {
        Self { view: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), bars: HashMap::new() }
    }

    fn start(&mut self, key: String, verb: &str, name: &str, size: Option<u64>) {
        let template = match size {
            Some(_) => "{prefix:>8} {bar:24} {bytes:>9} of {total_bytes:<9} {bytes_per_sec:>11} {wide_msg}",
            None => "{prefix:>8} {spinner} {bytes:>9} {wide_msg}",
        };
        let template = if verb == "building" { "{prefix:>8} {spinner} {wide_msg}" } else { template };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = match size {
            Some(size) => ProgressBar::new(size),
            None => ProgressBar::new_spinner(),
        };
        let bar =
            self.view.add(bar.with_style(style).with_prefix(verb.to_owned()).with_message(name.to_owned()));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.bars.insert(key, bar);
    }

    fn end(&mut self, key: &str) {
        if let Some(bar) = self.bars.remove(key) {
            bar.finish_and_clear();
            self.view.remove(&bar);
        }
    }

    fn print(&self, text: &str) {
        for line in clean(text).lines() {
            // A closed terminal cannot show anything.
            let _ = self.view.println(line);
        }
    }
}

impl Renderer for Tty {
    fn show(&mut self, event: &Event) {
        match event {
            Event::FetchStarted { name, size } => {
                self.start(format!("fetch {name}"), "fetching", name, *size);
            }
            Event::WheelStarted { name, .. } => self.start(format!("wheel {name}"), "building", name, None),
            Event::WheelFinished { name, .. } => self.end(&format!("wheel {name}")),
            Event::LayerStarted { name } => self.start(format!("layer {name}"), "building", name, None),
            Event::DeliveryStarted { output } => {
                self.start(format!("deliver {output}"), "writing", output, None);
            }
            Event::UploadStarted { repository, digest, size } => {
                let name = format!("{} to {repository}", plain::short(digest));
                self.start(format!("upload {repository} {digest}"), "pushing", &name, Some(*size));
            }
            Event::UploadProgressed { repository, digest, bytes } => {
                if let Some(bar) = self.bars.get(&format!("upload {repository} {digest}")) {
                    bar.inc(*bytes);
                }
            }
            Event::UploadFinished { repository, digest, .. } => {
                self.end(&format!("upload {repository} {digest}"));
            }
            Event::FetchProgressed { name, bytes } => {
                if let Some(bar) = self.bars.get(&format!("fetch {name}")) {
                    bar.inc(*bytes);
                }
            }
            Event::DeliveryProgressed { output, bytes } => {
                if let Some(bar) = self.bars.get(&format!("deliver {output}")) {
                    bar.inc(*bytes);
                }
            }
            Event::FetchFinished { name, .. } => self.end(&format!("fetch {name}")),
            Event::LayerFinished { name, .. } => {
                self.end(&format!("layer {name}"));
                self.print(&plain::text(event).unwrap_or_default());
            }
            Event::DeliveryFinished { output, .. } => self.end(&format!("deliver {output}")),
            // Reused layers are counted in the summary; a screen is short.
            Event::LayerReused { .. } | Event::ImageFinished { .. } | Event::Noted { .. } => {}
            other => {
                if let Some(text) = plain::text(other) {
                    self.print(&text);
                }
            }
        }
    }

    fn finish(&mut self, summary: &str) {
        self.stop();
        line(summary);
    }

    fn stop(&mut self) {
        for (_, bar) in self.bars.drain() {
            bar.finish_and_clear();
        }
        // A closed terminal needs no clearing.
        let _ = self.view.clear();
    }
}
