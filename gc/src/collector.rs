//! The collector: a thread that marks what is reachable while all others go on, and sweeps the rest.
//!
//! # A cycle
//!
//! 1. Wait until no pin of the cycle before is left that marks: it would take back marks of this cycle, of which it does not
//!    know. ARM. From now on pins have write barriers. Wait until no pin without them is left (the first grace period).
//! 2. MARK1. New objects are black. This is the snapshot: what is reachable now will be marked. Shade the roots.
//! 3. Trace until nothing is grey. Objects with a lock that is held are deferred and come back.
//! 4. When no pin older than MARK1 is left (the second grace period), MARK2. No white object can be reached any more but
//!    from the snapshot.
//! 5. Look at the grey buffers of all threads twice. If all are empty, and nobody has pushed anything in between, there was
//!    a moment at which nothing was grey, and nothing can be grey after it.
//! 6. IDLE of the next cycle. What is not marked is dead: sweep.
//!
//! Nobody is stopped. A thread waits for the collector only in a [`Mutex`](crate::Mutex) whose contents are being traced,
//! when it pins for the first time while step 5 goes on, and for 100 us in an outermost pin when it allocates faster than
//! memory is found.
//!
//! Destructors are foreign code: they run on a thread of their own, the dropper. One that never returns costs memory, and
//! the objects behind it.
//!
//! This is the protocol of Doligez, Leroy and Gonthier (1993, 1994) with guards in the place of safepoints, and the barrier
//! of Go.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{panic, process, thread};

use crate::local::{self, Local, advance, lock};
use crate::object::{List, ObjectRef};
use crate::phase::{Phase, Word, mark_color};
use crate::root;
use crate::seeded::bug;
use crate::tracer::Tracer;

/// The smallest number of bytes that are allocated between two cycles. From Go.
const MIN_TRIGGER: usize = 4 << 20;

/// How many bytes may be allocated, for 100 bytes that the last cycle has left. From Go.
static PERCENT: AtomicU64 = AtomicU64::new(100);

/// The number of allocated bytes that starts a cycle.
static TRIGGER: AtomicUsize = AtomicUsize::new(MIN_TRIGGER);

/// Set if a cycle has been asked for by an allocation and has not begun.
static REQUESTED: AtomicBool = AtomicBool::new(false);

static CONTROL: Mutex<Control> = Mutex::new(Control {
    running: false,
    wanted: 0,
    begun: 0,
    finished: 0,
    last: Stats {
        cycles: 0,
        live_objects: 0,
        live_bytes: 0,
        freed_objects: 0,
        freed_bytes: 0,
        duration: Duration::ZERO,
        deferred: 0,
    },
});

/// Signalled when a cycle is wanted.
static WANTED: Condvar = Condvar::new();

/// Signalled when a cycle is finished.
static FINISHED: Condvar = Condvar::new();

/// All objects that have survived a sweep, or been there during one. Locked during a sweep, and by those who look at the
/// heap.
static HEAP: Mutex<List> = Mutex::new(List::new());

struct Control {
    /// Whether there is a collector thread.
    running: bool,
    /// The number of the cycle that somebody waits for.
    wanted: u64,
    begun: u64,
    finished: u64,
    last: Stats,
}

/// What the last cycle of the collector has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Cycles since the program began.
    pub cycles: u64,
    /// Objects that the last cycle has left.
    pub live_objects: usize,
    /// Their bytes, with headers, without what they own outside the heap.
    pub live_bytes: usize,
    /// Objects that the last cycle has freed, or given to the thread that drops them.
    pub freed_objects: usize,
    /// Their bytes.
    pub freed_bytes: usize,
    /// How long the last cycle took, from beginning to end; nobody was stopped meanwhile.
    pub duration: Duration,
    /// How often an object was put off because a lock in it was held.
    pub deferred: usize,
}

/// Collects what is unreachable, and returns when that is done.
///
/// What becomes unreachable while a cycle is going on may survive it, so after dropping the last root of something call this
/// twice to be sure. Values with destructors are dropped on another thread, some time after this returns.
///
/// A program need not call this: the collector runs by itself, when as much has been allocated as the last cycle has left.
///
/// # Panics
///
/// Panics if the current thread is pinned, because the collector waits for pins: drop all guards before.
#[track_caller]
pub fn collect() -> Stats {
    assert!(
        !Local::is_pinned(),
        "`collect` on a thread that is pinned would wait for itself; drop all guards before"
    );
    let mut control = lock(&CONTROL);
    let awaited = control.begun + 1;
    control.wanted = control.wanted.max(awaited);
    control.start();
    while control.finished < awaited {
        control = FINISHED
            .wait(control)
            .unwrap_or_else(PoisonError::into_inner);
    }
    control.last
}

/// Returns what the last cycle has found.
#[must_use]
pub fn stats() -> Stats {
    lock(&CONTROL).last
}

/// Sets how much may be allocated between two cycles, in percent of what the last one has left, and returns what it was.
///
/// It is 100 at the start. A larger number costs memory and saves time. Between two cycles 4 MiB may be allocated in any case.
/// It takes effect with the next cycle.
pub fn set_percent(percent: u64) -> u64 {
    // Relaxed: a setting on its own.
    PERCENT.swap(percent, Ordering::Relaxed)
}

/// Starts a cycle if enough has been allocated. Returns true if far too much has.
pub(crate) fn after_allocation(allocated: usize) -> bool {
    // Relaxed: a number, not a message.
    let trigger = TRIGGER.load(Ordering::Relaxed);
    // Relaxed: the lock below orders what matters.
    if allocated >= trigger && !REQUESTED.swap(true, Ordering::Relaxed) {
        let mut control = lock(&CONTROL);
        control.wanted = control.wanted.max(control.begun + 1);
        control.start();
    }
    allocated / 2 >= trigger
}

/// Visits all objects there are. They are not swept meanwhile; new ones may be left out.
pub(crate) fn for_each_object(mut visit: impl FnMut(ObjectRef)) {
    let mut heap = lock(&HEAP);
    gather(&mut heap);
    heap.iter().for_each(&mut visit);
}

/// Moves what the threads have allocated into `heap`.
fn gather(heap: &mut List) {
    // The register must be free before the lists are locked, and each list only for a moment.
    let all = Local::all().clone();
    for local in all {
        let mut objects = std::mem::replace(&mut *lock(&local.objects), List::new());
        heap.append(&mut objects);
    }
}

impl Control {
    /// Wakes the collector, or creates it.
    fn start(&mut self) {
        if !self.running {
            self.running = true;
            let builder = thread::Builder::new().name("gort-gc".to_owned());
            builder
                .spawn(run)
                .expect("the collector's thread can be created");
        }
        WANTED.notify_one();
    }
}

/// The collector's thread.
fn run() {
    // No part of this may unwind: half a cycle would free what is alive.
    let _abort = AbortOnUnwind;
    loop {
        let mut control = lock(&CONTROL);
        while control.wanted <= control.finished {
            control = WANTED.wait(control).unwrap_or_else(PoisonError::into_inner);
        }
        control.begun += 1;
        let cycles = control.begun;
        // Relaxed: allocations from here on ask for the next.
        REQUESTED.store(false, Ordering::Relaxed);
        drop(control);
        let begin = Instant::now();
        let mut stats = cycle();
        stats.cycles = cycles;
        stats.duration = begin.elapsed();
        // Relaxed: settings on their own.
        let percent = usize::try_from(PERCENT.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let trigger = stats.live_bytes.saturating_mul(percent) / 100;
        TRIGGER.store(trigger.max(MIN_TRIGGER), Ordering::Relaxed);
        let mut control = lock(&CONTROL);
        control.finished += 1;
        control.last = stats;
        FINISHED.notify_all();
    }
}

struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "gort-gc: a panic in `Trace`, or in the collector; what is alive is not known any more"
            );
            process::abort();
        }
    }
}

/// Runs a cycle.
fn cycle() -> Stats {
    let mut cycle = Cycle::new();
    let mut naps = Naps::default();
    loop {
        match cycle.step() {
            Step::Went => {}
            Step::Waits => naps.nap(),
            Step::Marked => return cycle.finish(),
        }
    }
}

/// A cycle as a machine, so that the simulator can run others between any two of its steps.
pub(crate) struct Cycle {
    state: State,
    cycle: u64,
    /// All pins with a word below this have ended: 0 before the second grace period is over.
    gone: u64,
    grey: Vec<ObjectRef>,
    deferred: Vec<ObjectRef>,
    deferrals: usize,
}

#[derive(Clone, Copy)]
enum State {
    Begin,
    FirstGracePeriod,
    Roots,
    Mark,
}

/// What has become of a step.
#[must_use]
pub(crate) enum Step {
    Went,
    /// Somebody else has to do something first: end a pin, release a lock.
    Waits,
    /// All that is alive is marked.
    Marked,
}

/// Ever longer naps.
#[derive(Default)]
struct Naps(u32);

impl Naps {
    fn nap(&mut self) {
        self.0 += 1;
        match self.0 {
            ..50 => std::hint::spin_loop(),
            50..100 => thread::yield_now(),
            _ => thread::sleep(Duration::from_micros(10 * u64::from(self.0 - 99).min(100))),
        }
    }
}

impl Cycle {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Begin,
            cycle: local::word().cycle(),
            gone: 0,
            grey: Vec::new(),
            deferred: Vec::new(),
            deferrals: 0,
        }
    }

    pub(crate) fn step(&mut self) -> Step {
        match self.state {
            State::Begin => {
                // Such a pin would have to end before MARK1 anyway. But an object that was shaded in ARM, by the first half of
                // a store whose second half comes after the snapshot, must not be given the last cycle's colour in between.
                if is_older_pin(self.word(Phase::Idle)) && !bug("two cycles mark at a time") {
                    return Step::Waits;
                }
                local::take_allocated();
                self.enter(Phase::Arm);
                self.state = State::FirstGracePeriod;
            }
            State::FirstGracePeriod => {
                if is_older_pin(self.word(Phase::Arm)) && !bug("no first grace period") {
                    return Step::Waits;
                }
                self.enter(Phase::Mark1);
                self.state = State::Roots;
            }
            State::Roots => {
                let mut tracer = Tracer::marking(&mut self.grey, self.cycle, self.gone);
                root::for_each(|object| tracer.edge(object));
                self.state = State::Mark;
            }
            State::Mark => return self.mark(),
        }
        Step::Went
    }

    /// Makes what is not marked free.
    pub(crate) fn finish(self) -> Stats {
        advance(Word::new(self.cycle + 1, Phase::Idle));
        let mut stats = sweep(self.cycle);
        stats.deferred = self.deferrals;
        stats
    }

    /// The colour of what has been found.
    #[cfg(test)]
    pub(crate) fn color(&self) -> crate::phase::Color {
        mark_color(self.cycle)
    }

    fn word(&self, phase: Phase) -> Word {
        Word::new(self.cycle, phase)
    }

    fn enter(&self, phase: Phase) {
        advance(self.word(phase));
    }

    /// One step of 3 to 5.
    fn mark(&mut self) -> Step {
        if let Some(object) = self.grey.pop() {
            self.trace_one(object);
            return Step::Went;
        }
        if self.gone == 0 {
            if is_older_pin(self.word(Phase::Mark1)) && !bug("no second grace period") {
                self.take_grey();
                self.grey.append(&mut self.deferred);
                return Step::Waits;
            }
            self.gone = self.word(Phase::Mark1).0;
            self.enter(Phase::Mark2);
        }
        if !self.deferred.is_empty() {
            self.grey.append(&mut self.deferred);
            return Step::Waits;
        }
        if self.nothing_is_grey() {
            return Step::Marked;
        }
        Step::Went
    }

    fn trace_one(&mut self, object: ObjectRef) {
        let mut tracer = Tracer::marking(&mut self.grey, self.cycle, self.gone);
        object.trace(&mut tracer);
        if tracer.deferred() {
            self.deferred.push(object);
            self.deferrals += 1;
        }
    }

    fn take_grey(&mut self) {
        let all = Local::all().clone();
        for local in all {
            self.grey.append(&mut lock(&local.grey).objects);
        }
    }

    /// Looks at the buffers of all threads twice. Nobody can register meanwhile.
    fn nothing_is_grey(&mut self) -> bool {
        if bug("no look at the grey buffers") {
            self.take_grey();
            self.grey.clear();
            return true;
        }
        let all = Local::all();
        let mut pushed = Vec::with_capacity(all.len());
        for local in all.iter() {
            let mut grey = lock(&local.grey);
            self.grey.append(&mut grey.objects);
            pushed.push(grey.pushed);
        }
        let unchanged = |(local, before): (&&Local, u64)| lock(&local.grey).pushed == before;
        self.grey.is_empty() && all.iter().zip(pushed).all(unchanged)
    }
}

/// Tells whether a thread is pinned with a word before `word`. When it says no, that is so for ever: a grace period is over.
///
/// A record that is not in the register yet is pinned after this, with the new word.
fn is_older_pin(word: Word) -> bool {
    let all = Local::all();
    let mut pins = all.iter().filter_map(|local| local.pinned_with());
    pins.any(|pinned| pinned < word)
}

/// Frees all objects without the mark of `cycle`, when all others have it: new ones are born with it.
fn sweep(cycle: u64) -> Stats {
    let live = mark_color(cycle);
    let mut heap = lock(&HEAP);
    let mut all = std::mem::replace(&mut *heap, List::new());
    gather(&mut all);
    let mut condemned = List::new();
    let mut stats = lock(&CONTROL).last;
    (
        stats.live_objects,
        stats.live_bytes,
        stats.freed_objects,
        stats.freed_bytes,
    ) = (0, 0, 0, 0);
    while let Some(object) = all.pop() {
        let vtable = object.vtable();
        if object.color() == live {
            stats.live_objects += 1;
            stats.live_bytes += vtable.size();
            heap.push(object);
            continue;
        }
        stats.freed_objects += 1;
        stats.freed_bytes += vtable.size();
        if vtable.needs_drop {
            condemned.push(object);
        } else {
            // SAFETY: unmarked, so not reachable from a root, another object or a guard; and it needs no drop.
            unsafe { object.free() };
        }
    }
    if stats.freed_objects > 0 {
        drop_all(condemned);
    }
    stats
}

/// Hands dead objects to the dropper.
fn drop_all(condemned: List) {
    static DROPPER: Mutex<Option<Sender<List>>> = Mutex::new(None);
    let mut dropper = lock(&DROPPER);
    let sender = dropper.get_or_insert_with(|| {
        let (sender, lists) = channel::<List>();
        let builder = thread::Builder::new().name("gort-gc-drop".to_owned());
        let thread = builder.spawn(move || lists.into_iter().for_each(drop_list));
        thread.expect("the dropper's thread can be created");
        sender
    });
    if sender.send(condemned).is_err() {
        unreachable!("the dropper catches all panics");
    }
}

fn drop_list(mut condemned: List) {
    while let Some(object) = condemned.pop() {
        // SAFETY: dead, and in no other list, so this is the only use.
        let result =
            panic::catch_unwind(panic::AssertUnwindSafe(|| unsafe { object.drop_value() }));
        if let Err(payload) = result {
            // Its destructor might panic as well.
            std::mem::forget(payload);
        }
        // SAFETY: dead, and dropped as far as possible.
        unsafe { object.free() };
    }
}
