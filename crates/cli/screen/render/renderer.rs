use wainwright_engine::Event;

/// Shows events.
pub(crate) trait Renderer: Send {
    /// Shows the next event.
    fn show(&mut self, event: &Event);
    /// Shows the summary of a successful command.
    fn finish(&mut self, summary: &str);
    /// Clears the live view.
    fn stop(&mut self) {}
}
