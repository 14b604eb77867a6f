//! The collector: it marks what is reachable while all others go on, and sweeps the rest. [`control`](crate::control) has its
//! thread.
//!
//! # A cycle
//!
//! 1. Wait until no pin of the cycle before is left that marks: it would take back marks of this cycle, of which it does not
//!    know. ARM. From now on pins have write barriers. Wait until no pin without them is left (the first grace period).
//! 2. MARK1. New objects are black. This is the snapshot: what is reachable now will be marked. Shade the roots.
//! 3. Trace until nothing is grey, with [helpers](crate::marker) if there are any. Objects with a lock that is held are
//!    deferred and come back.
//! 4. When no pin older than MARK1 is left (the second grace period), MARK2. No white object can be reached any more but
//!    from the snapshot.
//! 5. When [nobody marks any more](crate::grey::Pool) look at the grey buffers of all threads twice. If all are empty, and
//!    nobody has pushed anything in between, there was a moment at which nothing was grey, and nothing can be grey after it.
//! 6. Empty the cells of weak pointers to what is not marked. IDLE of the next cycle. What is not marked is dead: sweep.
//!
//! Nobody is stopped. A thread waits for the collector only in a [`Mutex`](crate::Mutex) whose contents are being traced,
//! when it pins for the first time while step 5 goes on, and for less than 100 us in an outermost pin when it allocates faster than
//! memory is found ([`pacer`](crate::pacer)). The collector waits for those who help to mark, each for some microseconds.
//!
//! Destructors are foreign code: they run on a thread of their own, the dropper. One that never returns costs memory, and
//! the objects behind it.
//!
//! This is the protocol of Doligez, Leroy and Gonthier (1993, 1994) with guards in the place of safepoints, and the barrier
//! of Go.

use crate::defer::{self, Deferred};
use crate::grey::{Closing, Job, Left, Work};
use crate::local::{self, Local, advance, lock};
use crate::marker::POOL;
use crate::object::ObjectRef;
use crate::phase::{Phase, Word, mark_color};
use crate::root;
use crate::seeded::bug;
use crate::sweep::Sweep;
use crate::tracer::Tracer;
use crate::weak;

/// A cycle as a machine, so that the simulator can run others between any two of its steps.
pub(crate) struct Cycle {
    state: State,
    job: Job,
    work: Work<ObjectRef>,
    /// How often an object has been put off because a lock in it was held.
    deferrals: usize,
    /// Functions that wait for the pins that the first grace period waits for.
    late: Vec<Deferred>,
}

#[derive(Clone, Copy)]
enum State {
    Begin,
    FirstGracePeriod,
    Roots,
    Mark,
}

/// What a cycle waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// The end of all pins with a word before this.
    Pins(Word),
    /// A lock.
    Lock,
    /// Those who help to mark.
    Helpers,
}

/// What has become of a step.
#[must_use]
pub(crate) enum Step {
    Went,
    /// Somebody else has to do something first.
    Waits(Wait),
    /// All that is alive is marked.
    Marked,
}

impl Cycle {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Begin,
            job: Job {
                cycle: local::word().cycle(),
                gone: 0,
            },
            work: Work::new(),
            deferrals: 0,
            late: Vec::new(),
        }
    }

    /// Goes on, and traces so many objects at most.
    pub(crate) fn step(&mut self, most: usize) -> Step {
        match self.state {
            State::Begin => {
                // Such a pin would have to end before MARK1 anyway. But an object that was shaded in ARM, by the first half of
                // a store whose second half comes after the snapshot, must not be given the last cycle's colour in between.
                if self.is_older_pin(Phase::Idle) && !bug("two cycles mark at a time") {
                    return self.waits_for_pins(Phase::Idle);
                }
                self.take_late();
                self.enter(Phase::Arm);
                self.state = State::FirstGracePeriod;
            }
            State::FirstGracePeriod => {
                if self.is_older_pin(Phase::Arm) && !bug("no first grace period") {
                    return self.waits_for_pins(Phase::Arm);
                }
                defer::run_all(std::mem::take(&mut self.late));
                // Nobody is left who marks for the last cycle.
                Local::all().set_closing(Closing::Open);
                self.enter(Phase::Mark1);
                self.state = State::Roots;
            }
            State::Roots => {
                POOL.begin(self.job);
                let mut tracer =
                    Tracer::marking(&mut self.work.grey, &mut self.work.rests, self.job);
                root::for_each(|object| tracer.edge(object));
                self.state = State::Mark;
            }
            State::Mark => return self.mark(most),
        }
        Step::Went
    }

    /// Ends the marking, and returns the sweep of what is not marked.
    pub(crate) fn finish(self) -> Sweep {
        weak::clear_dead(mark_color(self.job.cycle));
        Local::all().set_closing(Closing::Done);
        let next = Word::new(self.job.cycle + 1, Phase::Idle);
        Sweep::begin(mark_color(self.job.cycle), || advance(next))
    }

    /// How often an object has been put off because a lock in it was held.
    pub(crate) fn deferrals(&self) -> usize {
        self.deferrals
    }

    /// The colour of what has been found.
    #[cfg(test)]
    pub(crate) fn color(&self) -> crate::phase::Color {
        mark_color(self.job.cycle)
    }

    fn word(&self, phase: Phase) -> Word {
        Word::new(self.job.cycle, phase)
    }

    /// Tells whether a thread is pinned with a word before that of `phase`. When it says no, that is so for ever: a grace
    /// period is over.
    ///
    /// A record that is not in the register yet is pinned after this, with the new word.
    fn is_older_pin(&self, phase: Phase) -> bool {
        let all = Local::all();
        let mut pins = all.iter().filter_map(|local| local.pinned_with());
        pins.any(|pinned| pinned < self.word(phase))
    }

    fn waits_for_pins(&self, phase: Phase) -> Step {
        Step::Waits(Wait::Pins(self.word(phase)))
    }

    fn enter(&self, phase: Phase) {
        advance(self.word(phase));
    }

    /// One step of 3 to 5.
    fn mark(&mut self, most: usize) -> Step {
        if !self.work.is_empty() {
            self.work.trace(self.job, most);
            POOL.share(&mut self.work);
            return Step::Went;
        }
        match POOL.take_back(&mut self.work) {
            Left::Taken => return Step::Went,
            Left::InWork => {
                self.take_grey();
                return Step::Waits(Wait::Helpers);
            }
            Left::Nothing => {}
        }
        if self.job.gone == 0 {
            if self.is_older_pin(Phase::Mark1) && !bug("no second grace period") {
                self.take_grey();
                self.retry_deferred();
                return self.waits_for_pins(Phase::Mark1);
            }
            self.job.gone = self.word(Phase::Mark1).0;
            POOL.set_gone(self.job.gone);
            self.enter(Phase::Mark2);
        }
        if !self.work.deferred.is_empty() {
            self.retry_deferred();
            return Step::Waits(Wait::Lock);
        }
        if self.nothing_is_grey() {
            return Step::Marked;
        }
        Step::Went
    }

    /// Traces once more what was deferred.
    fn retry_deferred(&mut self) {
        self.deferrals += self.work.deferred.len();
        self.work.rests.append(&mut self.work.deferred);
    }

    fn take_late(&mut self) {
        for local in Local::all().iter() {
            self.late.append(&mut lock(&local.deferred));
        }
    }

    fn take_grey(&mut self) {
        let all = Local::all().to_vec();
        for local in all {
            local.grey.take(&mut self.work.grey);
        }
    }

    /// Looks at the buffers of all threads twice, when nobody marks any more. Nobody can register meanwhile.
    fn nothing_is_grey(&mut self) -> bool {
        if bug("no look at the grey buffers") {
            self.take_grey();
            self.work.grey.clear();
            return true;
        }
        Local::all().last_look(&mut self.work.grey)
    }
}
