//! What a server does when it cannot accept: most often there are no descriptors left, and the listener stays ready. It neither ends nor spins.

use std::io::{self, Write};
use std::time::Duration;

use crate::time::sleep;

/// The first pause, and the longest. From Go.
const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// Time to let pass before the next attempt; twice as long after each that fails.
#[derive(Debug, Default)]
pub(super) struct Pause(Duration);

impl Pause {
    /// Waits until it is over. No time passes where nothing has failed.
    pub(super) async fn over(&self) {
        if !self.0.is_zero() {
            sleep(self.0).await;
        }
    }

    /// After a success.
    pub(super) fn reset(&mut self) {
        self.0 = Duration::ZERO;
    }

    /// After a failure, which it tells.
    #[cold]
    pub(super) fn lengthen(&mut self, error: &io::Error) {
        self.0 = (self.0 * 2).clamp(FIRST, LONGEST);
        // A standard error stream that is closed must not end the server.
        let _ = writeln!(
            io::stderr(),
            "gort: cannot accept a connection: {error}; trying again in {:?}",
            self.0
        );
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_a_second_and_ends_with_a_success() {
        let mut pause = Pause::default();
        let mut lasted = Vec::new();
        for _ in 0..10 {
            pause.lengthen(&io::Error::from_raw_os_error(libc::EMFILE));
            lasted.push(pause.0.as_millis());
        }
        assert_eq!(lasted, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        pause.reset();
        assert!(pause.0.is_zero());
    }
}
