//! The live line on standard error: what runs now, how far we are, how long it has taken.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is drawn anew.
const REDRAW: Duration = Duration::from_millis(200);

/// The progress of a comparison.
///
/// On a terminal one line is drawn over and over; elsewhere each step that has a heading is a line.
pub(crate) struct Progress {
    live: bool,
    start: Instant,
    drawn: Option<Instant>,
    text: String,
}

impl Progress {
    /// Starts the clock.
    pub(crate) fn start() -> Progress {
        let live = std::io::stderr().is_terminal();
        Progress {
            live,
            start: Instant::now(),
            drawn: None,
            text: String::new(),
        }
    }

    /// Returns the time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Begins a case: where nobody sees the live line, this is the line.
    pub(crate) fn heading(&mut self, text: &str) {
        if !self.live {
            self.print(&format!("[{}] {text}\n", clock(self.elapsed())));
        }
    }

    /// Says what runs now.
    pub(crate) fn step(&mut self, text: String) {
        self.text = text;
        self.drawn = None;
        self.tick();
    }

    /// Draws the line anew if it is time.
    pub(crate) fn tick(&mut self) {
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if self.live && due {
            self.drawn = Some(Instant::now());
            self.print(&format!(
                "\r\x1b[K[{}] {}",
                clock(self.elapsed()),
                self.text
            ));
        }
    }

    /// Prints a line that stays.
    pub(crate) fn note(&mut self, text: &str) {
        self.clear();
        self.print(&format!("{text}\n"));
    }

    /// Takes the live line away, so that other output starts on a clean line.
    pub(crate) fn clear(&mut self) {
        if self.live {
            self.print("\r\x1b[K");
        }
    }

    fn print(&self, text: &str) {
        let mut stderr = std::io::stderr();
        // A reader who has gone away misses the progress, nothing else.
        let _ = stderr
            .write_all(text.as_bytes())
            .and_then(|()| stderr.flush());
    }
}

fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_secs(5)), "0:05");
        assert_eq!(clock(Duration::from_millis(61_900)), "1:01");
    }
}
