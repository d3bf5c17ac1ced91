//! A sign of life on the terminal while something takes its time. Without a terminal it shows nothing.

use std::time::Duration;

use indicatif::ProgressBar;

const STEP: Duration = Duration::from_millis(120);

/// Turns on standard error until it is dropped, and leaves the line empty.
#[derive(Debug)]
#[must_use = "it stops when it is dropped"]
pub struct Spinner(ProgressBar);

impl Spinner {
    /// Starts to turn beside `text`.
    pub fn start(text: String) -> Self {
        let bar = ProgressBar::new_spinner().with_message(text);
        bar.enable_steady_tick(STEP);
        Self(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
