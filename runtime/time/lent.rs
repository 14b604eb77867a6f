//! The timers that gort lends to `gort-sync`, for the deadlines of contexts.

use std::any::Any;
use std::task::{Context, Waker};
use std::time::Instant;

use super::registration::Registration;

/// Timers of the shard where they are armed, like all others.
#[derive(Debug)]
pub(crate) struct Lent;

impl gort_sync::Timers for Lent {
    fn wake_at(&self, at: Instant, waker: &Waker) -> Box<dyn Any + Send> {
        let mut registration = Registration::new();
        if registration
            .poll(at, &mut Context::from_waker(waker))
            .is_ready()
        {
            waker.wake_by_ref();
        }
        Box::new(registration)
    }
}
