//! What is under the lock of a channel; the invariants stand at the head of the module above.

use std::collections::VecDeque;
use std::mem;
use std::task::Waker;

use super::error::TrySendError;
use super::queue::Queue;
use crate::buffer;

/// What can probably be done with a channel. Only a hint: whoever finds the bit missing looks again under the lock before it
/// waits or gives up.
pub(crate) struct Hint;

impl Hint {
    /// There is a value, or the channel is closed.
    pub(crate) const RECV: u64 = 1;
    /// There is room, or the channel is closed.
    pub(crate) const SEND: u64 = 2;
    /// One change, in the word that counts them above the bits.
    pub(super) const CHANGE: u64 = 4;
}

/// A value on its way to a receiver: its place in the order of the channel, and itself.
pub(crate) type Ticketed<T> = (u64, T);

/// The fields that every send and receive writes stand first, and those that it reads stand before others.
#[repr(C)]
pub(crate) struct State<T> {
    /// How many values were handed over.
    tickets: u64,
    buffer: VecDeque<T>,
    /// What receivers were handed and gave back.
    returned: VecDeque<Ticketed<T>>,
    pub(crate) receiving: Queue<Ticketed<T>>,
    pub(crate) sending: Queue<T>,
    /// How many places are kept for permits.
    pub(super) reserved: usize,
    pub(crate) closed: bool,
    /// Those who wait for a permit: how many senders had got in line before, until the permit is theirs.
    pub(super) reserving: Queue<u64>,
    /// Those who wait for the end.
    pub(super) closing: Queue<()>,
}

impl<T> State<T> {
    /// So many bytes from the start are written all the time.
    #[cfg(not(gort_loom))]
    pub(super) const WRITTEN_OFTEN: usize = mem::offset_of!(Self, returned);

    pub(super) fn new(capacity: usize) -> Self {
        Self {
            tickets: 0,
            buffer: buffer::for_capacity(capacity),
            returned: VecDeque::new(),
            receiving: Queue::new(),
            sending: Queue::new(),
            reserved: 0,
            closed: false,
            reserving: Queue::new(),
            closing: Queue::new(),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.buffer.len() + self.returned.len()
    }

    /// Whether a value has room that is kept for no permit.
    #[inline]
    pub(super) fn has_room(&self, capacity: usize) -> bool {
        self.len() + self.reserved < capacity
    }

    #[inline]
    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Takes the oldest value, if no other value and nobody who waits for room is concerned.
    #[inline]
    pub(super) fn take_alone(&mut self) -> Option<T> {
        if !self.returned.is_empty() || self.waits_for_room() {
            return None;
        }
        let value = self.buffer.pop_front()?;
        self.tickets += 1;
        self.shrink();
        Some(value)
    }

    /// Gives a large buffer back when it is empty.
    #[inline]
    fn shrink(&mut self) {
        drop(buffer::take_spare(&mut self.buffer));
    }

    /// Takes the oldest value, and tells whom to wake after the lock.
    pub(super) fn take(&mut self, capacity: usize) -> Option<(Ticketed<T>, Option<Waker>)> {
        let stored = match self.returned.pop_front() {
            Some(ticketed) => Some(ticketed),
            None => self.buffer.pop_front().map(|value| (self.ticket(), value)),
        };
        if let Some(taken) = stored {
            let woken = self.fill(capacity);
            self.shrink();
            return Some((taken, woken));
        }
        let (key, waker) = self.sending.pop()?;
        let value = self.sending.item(key).take()?;
        Some(((self.ticket(), value), waker))
    }

    /// Gives room, if there is some, to the one who waits longest for it.
    pub(super) fn fill(&mut self, capacity: usize) -> Option<Waker> {
        if !self.has_room(capacity) {
            return None;
        }
        if !self.reserves_first()
            && let Some((key, waker)) = self.sending.pop()
        {
            let moved = self.sending.item(key).take();
            self.buffer.extend(moved);
            return waker;
        }
        let (key, waker) = self.reserving.pop()?;
        *self.reserving.item(key) = None;
        self.reserved += 1;
        waker
    }

    /// Whether anybody waits for room.
    #[inline]
    pub(super) fn waits_for_room(&self) -> bool {
        !self.sending.is_empty() || !self.reserving.is_empty()
    }

    /// Whether one who waits for a permit got in line before all senders who wait.
    fn reserves_first(&self) -> bool {
        let Some(&before) = self.reserving.first_item() else {
            return false;
        };
        let sender = self.sending.first_number();
        sender.is_none_or(|number| before <= number)
    }

    /// Gives a value to a receiver that waits or to the buffer, and tells whom to wake after the lock.
    #[inline]
    pub(super) fn put(
        &mut self,
        value: T,
        capacity: usize,
    ) -> Result<Option<Waker>, TrySendError<T>> {
        if self.closed {
            return Err(TrySendError::Closed(value));
        }
        if let Some((key, waker)) = self.receiving.pop() {
            *self.receiving.item(key) = Some((self.ticket(), value));
            return Ok(waker);
        }
        if self.has_room(capacity) {
            self.buffer.push_back(value);
            return Ok(None);
        }
        Err(TrySendError::Full(value))
    }

    /// Keeps a place for a permit if there is room.
    pub(super) fn reserve(&mut self, capacity: usize) -> Result<(), TrySendError<()>> {
        if self.closed {
            return Err(TrySendError::Closed(()));
        }
        if !self.has_room(capacity) {
            return Err(TrySendError::Full(()));
        }
        self.reserved += 1;
        Ok(())
    }

    /// Returns a value that was handed over, and tells whom to wake after the lock.
    pub(super) fn put_back(&mut self, (ticket, value): Ticketed<T>) -> Option<Waker> {
        if let Some((key, waker)) = self.receiving.pop() {
            *self.receiving.item(key) = Some((ticket, value));
            return waker;
        }
        let at = self.returned.partition_point(|(other, _)| *other < ticket);
        self.returned.insert(at, (ticket, value));
        None
    }

    /// Takes somebody who waits out of line, whatever for: receivers are left without a value, senders with theirs, and others without a
    /// permit.
    pub(super) fn dismiss(&mut self) -> Option<Option<Waker>> {
        let one = self.receiving.pop();
        let one = one.or_else(|| self.sending.pop());
        let one = one.or_else(|| self.reserving.pop());
        let (_, waker) = one.or_else(|| self.closing.pop())?;
        Some(waker)
    }

    /// Takes all that is stored, to be dropped after the lock.
    pub(super) fn take_all(&mut self) -> (VecDeque<T>, VecDeque<Ticketed<T>>) {
        (mem::take(&mut self.buffer), mem::take(&mut self.returned))
    }

    #[inline]
    pub(super) fn hint(&self, capacity: usize) -> u64 {
        if self.closed {
            return Hint::RECV | Hint::SEND;
        }
        let mut hint = 0;
        if self.len() > 0 || !self.sending.is_empty() {
            hint |= Hint::RECV;
        }
        if self.has_room(capacity) || !self.receiving.is_empty() {
            hint |= Hint::SEND;
        }
        hint
    }
}
