use wainwright_engine::Event;

use super::renderer::Renderer;

/// Shows nothing.
pub(super) struct Quiet;

impl Renderer for Quiet {
    fn show(&mut self, _: &Event) {}
    fn finish(&mut self, _: &str) {}
}
