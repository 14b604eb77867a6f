//! What is under the lock of a channel; the invariants stand at the head of the module above.

use std::collections::VecDeque;
use std::mem;
use std::ops::{Index, IndexMut};
use std::task::Waker;

use crate::buffer;
use crate::chan::{Queue, Who};

/// What one waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Line {
    /// A value, by `recv`: each value is told to one of these.
    Receive,
    /// A value, by a stream: each value is told to all of these.
    Stream,
    /// Room: each place is told to one of these.
    Send,
    /// The end.
    Closed,
}

/// Those who wait, each kind in a line of its own.
pub(super) struct Lines([Queue<()>; 4]);

impl Index<Line> for Lines {
    type Output = Queue<()>;

    #[inline]
    fn index(&self, line: Line) -> &Queue<()> {
        &self.0[line as usize]
    }
}

impl IndexMut<Line> for Lines {
    #[inline]
    fn index_mut(&mut self, line: Line) -> &mut Queue<()> {
        &mut self.0[line as usize]
    }
}

/// What every send and receive looks at stands first.
#[repr(C)]
pub(super) struct State<T> {
    pub(super) values: VecDeque<T>,
    pub(super) closed: bool,
    pub(super) lines: Lines,
}

impl<T> State<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            values: buffer::for_capacity(capacity),
            closed: false,
            lines: Lines([const { Queue::new() }; 4]),
        }
    }

    #[inline]
    pub(super) fn has_room(&self, capacity: usize) -> bool {
        self.values.len() < capacity
    }

    /// Takes the first out of a line, to be woken after the lock.
    #[inline(always)]
    pub(super) fn tell(&mut self, line: Line) -> Option<Waker> {
        let (_, waker) = self.lines[line].pop()?;
        waker
    }

    /// Takes anybody out of line.
    pub(super) fn tell_anybody(&mut self) -> Option<Waker> {
        let (_, waker) = self.lines.0.iter_mut().find_map(Queue::pop)?;
        waker
    }

    /// Takes the first out of the line of the streams, if so many or more entered after it.
    pub(super) fn tell_stream_before(&mut self, end: u64) -> Option<Waker> {
        let first = self.lines[Line::Stream].first_number()?;
        (first < end).then(|| self.tell(Line::Stream)).flatten()
    }

    /// Whether nobody waits for anything.
    pub(super) fn nobody_waits(&self) -> bool {
        self.lines.0.iter().all(Queue::is_empty)
    }

    /// Gives up a place; returns its waker, unless it was told.
    #[inline]
    pub(super) fn leave(&mut self, line: Line, key: &mut Option<u32>) -> Option<Waker> {
        let key = key.take()?;
        self.lines[line].leave(key).into_waker()
    }

    /// Takes the next out of a line for one who was told and has left without taking what it was told of, if that is still there.
    pub(super) fn pass_on(&mut self, line: Line, capacity: usize) -> Option<Waker> {
        let there = match line {
            Line::Receive => !self.values.is_empty(),
            Line::Send => self.has_room(capacity),
            // All of these were told.
            Line::Stream | Line::Closed => false,
        };
        there.then(|| self.tell(line)).flatten()
    }

    /// Has `waker` be told in a line: at the place of `key`, or at the end if it has none or was told and found nothing.
    ///
    /// Returns false if that needs a waker to keep and `own` has none. What is left in `own` is dropped after the lock.
    pub(super) fn wait(
        &mut self,
        line: Line,
        key: &mut Option<u32>,
        waker: &Waker,
        own: &mut Option<Waker>,
    ) -> bool {
        let queue = &mut self.lines[line];
        if let Some(at) = *key
            && let Some(kept) = queue.waker(at)
        {
            if kept.will_wake(waker) {
                return true;
            }
            let Some(own) = own else {
                return false;
            };
            mem::swap(kept, own);
            return true;
        }
        let Some(own) = own.take() else {
            return false;
        };
        if let Some(told) = key.take() {
            let _no_waker = queue.leave(told);
        }
        *key = Some(queue.push(Who::Task(Some(own)), None));
        true
    }
}
