use wainwright_engine::Event;

use super::renderer::Renderer;
use crate::console::line;

/// One JSON object per event and line.
pub(super) struct Json;

impl Renderer for Json {
    fn show(&mut self, event: &Event) {
        if let Ok(text) = serde_json::to_string(event) {
            line(&text);
        }
    }

    fn finish(&mut self, _: &str) {}
}
