use wainwright_engine::Event;

/// Shows events.
pub(crate) trait Renderer: Send {
    /// Takes the next event.
    fn show(&mut self, event: &Event);
    /// Shows the last lines of a build that went well.
    fn finish(&mut self, summary: &str);
    /// Clears the screen for what ended the build.
    fn stop(&mut self) {}
}
