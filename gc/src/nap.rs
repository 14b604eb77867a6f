//! Sleeps that end in time.

use std::time::Duration;

/// Has the system end sleeps of this thread when they should. Otherwise it makes them some 50 us longer, so that it need not wake up
/// as often: longer than most guards live.
pub(crate) fn end_in_time() {
    #[cfg(target_os = "linux")]
    {
        // If it refuses, sleeps are longer.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}

/// Sleeps for a moment, so that others get what this thread would take again at once.
pub(crate) fn give_way() {
    /// About what the system takes to wake somebody. Thin air.
    const MOMENT: Duration = Duration::from_micros(20);
    std::thread::sleep(MOMENT);
}
