//! The collector, one who helps it, and some mutators, one step at a time on one thread, in an order that a seed decides.
//!
//! The code is the real one: guards, barriers, roots, locks, and [`Cycle`], which is a machine for this reason. Only the
//! order is artificial. What the mutators can reach is known, so before each sweep every reachable object must be marked, no
//! new object may lie where one is that is at hand, and after the end of all of them, two cycles must leave nothing.
//! Blocks are swept one at a time, and the mutators go on in between.
//!
//! A pointer is in a *hand*, with a mask of the mutators whose guards its brand borrows: a load gives the mask of the object
//! loaded from, a store unites the masks of both, and a hand is emptied when one of them unpins. So mutators may use what
//! others hold, as scoped threads do, exactly as far as the types allow it.
//!
//! [`BUGS`](rules) shows that this finds something: with any of those rules left out, a freed object is reached.
//!
//! Out of sight here: what happens within an operation, but for one case, in [`two_cycles`], and the order of memory
//! accesses. [`helping`] is a case that is too rare to wait for.

mod helping;
mod node;
mod rules;
mod two_cycles;

use std::collections::HashSet;
use std::sync::{Mutex as StdMutex, MutexGuard as StdMutexGuard};

use crate::collector::{Cycle, Step};
use crate::grey::{Active, Shade};
use crate::local::{self, Local, lock};
use crate::marker::POOL;
use crate::object::ObjectRef;
use crate::phase::FREE;
use crate::seeded::bug;
use crate::sweep::{self, Sweep, for_each_object};
use crate::{Gc, Guard, MutexGuard, Root, WeakRoot, pin, set_gc_percent};
use node::{Bag, Node, Pointer, node};

/// Tests that use the heap take turns: with a bug at work nobody else's objects are safe.
pub(crate) static ALONE: StdMutex<()> = StdMutex::new(());

/// No cycles but those of the test.
fn alone() -> StdMutexGuard<'static, ()> {
    set_gc_percent(None);
    lock(&ALONE)
}

const MUTATORS: usize = 3;
const HANDS: usize = 3;
const ROOTS: usize = 2;
const WEAKS: usize = 2;

/// A pointer, and the mutators whose guards it borrows.
#[derive(Clone, Copy)]
struct Hand {
    pointer: Pointer,
    mask: u8,
}

struct Mutator {
    local: &'static Local,
    /// Locks are released before guards.
    held: Option<(MutexGuard<'static, Bag<'static>>, Hand)>,
    guard: Option<Box<Guard>>,
    hands: [Option<Hand>; HANDS],
}

struct World {
    random: u64,
    /// For how many steps one goes on before it is another's turn: some bugs take several steps of one while another stands
    /// still, some a quick change.
    patience: usize,
    mutators: Vec<Mutator>,
    /// How many take turns: the mutators, the collector, and in every other world one who helps it.
    actors: usize,
    roots: [Option<Root<Node<'static>>>; ROOTS],
    weaks: [Option<WeakRoot<Node<'static>>>; WEAKS],
    cycle: Option<Cycle>,
    helper: Option<Active<'static, ObjectRef>>,
    sweep: Option<Sweep>,
    /// For how many turns the collector stands still, because a phase has begun: the moments after that are the dangerous ones.
    pause: usize,
    /// Whether the cycle has decided what is alive.
    marked: bool,
    /// Nodes whose lock guard was forgotten.
    lost: HashSet<usize>,
}

/// A reachable object is not marked at the end of a cycle, or has been freed.
#[derive(Debug, PartialEq, Eq)]
struct Lost;

impl World {
    fn new(locals: &[&'static Local], seed: u64) -> Self {
        let mutators = locals.iter().map(|local| Mutator {
            local,
            held: None,
            guard: None,
            hands: [None; HANDS],
        });
        Self {
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            patience: 1 + seed as usize % 8,
            mutators: mutators.collect(),
            actors: MUTATORS + 1 + seed as usize % 2,
            roots: [const { None }; ROOTS],
            weaks: [const { None }; WEAKS],
            cycle: None,
            helper: None,
            sweep: None,
            pause: 0,
            marked: false,
            lost: HashSet::new(),
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 8) as usize % n
    }

    fn run(&mut self, steps: usize) -> Result<(), Lost> {
        let mut actor = 0;
        for _ in 0..steps {
            if self.below(self.patience) == 0 {
                actor = self.below(self.actors);
            }
            match self.mutators.get(actor) {
                Some(mutator) => mutator.local.act(|| self.mutate(actor))?,
                None if actor == MUTATORS => self.collect()?,
                None => self.help(),
            }
        }
        Ok(())
    }

    /// One step of the helper: it enters, traces an object, or leaves.
    fn help(&mut self) {
        let leaves = self.below(4) == 0;
        match &mut self.helper {
            None => self.helper = POOL.enter(),
            Some(_) if leaves => self.helper = None,
            Some(active) => {
                active.trace(1);
            }
        }
    }

    /// One step of the collector.
    fn collect(&mut self) -> Result<(), Lost> {
        let hurries = bug("no wait for the sweep") && self.below(2) == 0;
        if self.sweep.is_some() && !hurries {
            return self.sweep();
        }
        if !self.marked {
            if self.pause > 0 {
                self.pause -= 1;
                return Ok(());
            }
            let before = local::word();
            let step = self.cycle.get_or_insert_with(Cycle::new).step(1);
            // Mutators may go on before the end.
            self.marked = matches!(step, Step::Marked);
            if local::word() != before {
                self.pause = self.below(6);
            }
            return Ok(());
        }
        self.marked = false;
        self.sweep.take().into_iter().for_each(finish_sweep);
        if let Some(cycle) = self.cycle.take() {
            let nodes = self.reachable().into_iter().flat_map(Node::objects);
            let cells = self.weaks.iter().flatten().map(WeakRoot::cell);
            let all_marked = nodes
                .chain(cells)
                .all(|object| object.color() == cycle.color());
            // What is shaded after the decision was not marked, whether it can be reached or not.
            let all_black = Local::all().iter().all(|local| local.grey.is_empty());
            if !all_marked || !all_black {
                // Not to be swept before everybody has let go.
                self.weaks = [const { None }; WEAKS];
                self.cycle = Some(cycle);
                return Err(Lost);
            }
            // Only after a bug: all that it has been at is marked, and must not be traced in the next cycle.
            self.helper.take().into_iter().for_each(Active::forget);
            POOL.clear();
            self.sweep = Some(cycle.finish());
        }
        Ok(())
    }

    /// Sweeps a block, or all that are left.
    fn sweep(&mut self) -> Result<(), Lost> {
        let goes_on = self.below(4) > 0;
        let sweep = self.sweep.as_mut().expect("there is one");
        if sweep.step() && goes_on {
            return Ok(());
        }
        self.sweep.take().into_iter().for_each(finish_sweep);
        let is_free = |node: &Pointer| Node::objects(*node).iter().any(|o| o.color() == FREE);
        match self.reachable().iter().any(is_free) {
            true => Err(Lost),
            false => Ok(()),
        }
    }

    /// What is at hand: rooted, or in a hand.
    fn known(&self) -> Vec<Pointer> {
        let g = pin();
        let roots = self.roots.iter().flatten();
        let rooted = roots.map(|root| forever(root.get(&g)));
        let hands = self
            .mutators
            .iter()
            .flat_map(|m| m.hands.iter().flatten().chain(m.held.iter().map(|h| &h.1)));
        rooted.chain(hands.map(|hand| hand.pointer)).collect()
    }

    fn reachable(&self) -> Vec<Pointer> {
        let mut todo = self.known();
        let (mut seen, mut all) = (HashSet::new(), Vec::new());
        while let Some(node) = todo.pop() {
            if seen.insert(Gc::addr(node)) {
                all.push(node);
                // After a bug the edges may be gone before the node.
                if node.edges.object().color() == FREE {
                    continue;
                }
                todo.extend(node.targets());
                if !self.lost.contains(&Gc::addr(node)) {
                    // SAFETY: there is one thread, and no reference to the contents but those of lock guards, not in use.
                    todo.extend(unsafe { node.locked.peek() }.pointers.iter().flatten());
                }
            }
        }
        all
    }

    /// One operation of a mutator.
    fn mutate(&mut self, m: usize) -> Result<(), Lost> {
        let (a, b) = (self.below(HANDS), self.below(HANDS));
        let own = 1 << m;
        if self.mutators[m].guard.is_none() {
            self.mutators[m].guard = Some(Box::new(pin()));
            return Ok(());
        }
        // SAFETY: the guard is boxed, and all that is derived from this reference is let go before it is dropped: the hands
        // by the masks, the lock by `unpin`.
        let g: &'static Guard =
            unsafe { &*std::ptr::from_ref(&**self.mutators[m].guard.as_ref().expect("pinned")) };
        let locked = self.mutators[m].held.is_some();
        let operation = if locked && self.below(2) == 0 {
            13 + self.below(3)
        } else {
            self.below(22)
        };
        match operation {
            0 => self.unpin(m),
            1 | 2 => return self.alloc(m, a, b, g),
            3 | 4 => {
                let r = self.below(ROOTS);
                if let Some(root) = &self.roots[r] {
                    let (pointer, mask) = (root.get(g), own);
                    self.mutators[m].hands[a] = Some(Hand { pointer, mask });
                }
            }
            5 => {
                let r = self.below(ROOTS);
                self.roots[r] = self.mutators[m].hands[a].map(|hand| hand.pointer.root(g));
            }
            6 => {
                // As a scoped thread would.
                let lender = self.below(MUTATORS);
                self.mutators[m].hands[a] = self.mutators[lender].hands[b];
            }
            7..=9 => {
                let e = self.below(8);
                if let Some(from) = self.mutators[m].hands[a] {
                    let (node, mask) = (from.pointer.as_ref(), from.mask);
                    if let Some(pointer) = node.field(e % node.len(), 0).load() {
                        self.mutators[m].hands[b] = Some(Hand { pointer, mask });
                    }
                }
            }
            10..=12 => self.store(m, a, b, g),
            14 | 15 => self.change_locked(m, b),
            18 => {
                let w = self.below(WEAKS);
                let hand = self.mutators[m].hands[a];
                self.weaks[w] = hand.map(|hand| hand.pointer.root(g).downgrade());
            }
            19 => self.upgrade(m, b, g),
            20 => {
                sweep::help();
            }
            21 => g.local().flush(),
            _ => self.lock_or_unlock(m, a, g),
        }
        Ok(())
    }

    /// Allocates a node, where none is.
    fn alloc(&mut self, m: usize, a: usize, b: usize, g: &'static Guard) -> Result<(), Lost> {
        let c = self.below(HANDS);
        let known = self.known();
        let hands = &self.mutators[m].hands;
        let (linked, locked) = (hands[a], hands[c]);
        let target = linked.map(|hand| hand.pointer);
        let bag = Bag::of(locked.map(|hand| hand.pointer));
        let pointer = match self.below(3) {
            0 => node(g, target, &[None], bag),
            1 => node(g, None, &[target], bag),
            _ => node(g, None, &[None, target], bag),
        };
        let hands = &mut self.mutators[m].hands;
        let held = linked.iter().chain(&locked);
        let mask = held.fold(1 << m, |mask, hand| mask | hand.mask);
        hands[b] = Some(Hand { pointer, mask });
        match known.iter().any(|node| Gc::ptr_eq(*node, pointer)) {
            true => Err(Lost),
            false => Ok(()),
        }
    }

    fn store(&mut self, m: usize, a: usize, b: usize, g: &'static Guard) {
        let (Some(at), value) = (self.mutators[m].hands[a], self.mutators[m].hands[b]) else {
            return;
        };
        let value = if self.below(3) == 0 { None } else { value };
        let mask = at.mask | value.map_or(0, |value| value.mask);
        let (e, tag) = (self.below(8), self.below(8));
        let node = at.pointer.as_ref();
        let (field, new) = (
            node.field(e % node.len(), tag as u8),
            value.map(|value| value.pointer),
        );
        let old = match self.below(3) {
            0 => field.swap(g, new),
            1 => field.exchange(g, new),
            _ => {
                field.store(g, new);
                None
            }
        };
        self.mutators[m].hands[a] = Some(Hand { mask, ..at });
        if let Some(value) = value {
            self.mutators[m].hands[b] = Some(Hand { mask, ..value });
        }
        if let Some(pointer) = old {
            self.mutators[m].hands[b] = Some(Hand { pointer, mask });
        }
    }

    fn upgrade(&mut self, m: usize, b: usize, g: &'static Guard) {
        let w = self.below(WEAKS);
        // Who would have to wait does something else.
        if let Some(weak) = &self.weaks[w]
            && let Ok(upgraded) = weak.try_upgrade(g)
        {
            let mask = 1 << m;
            self.mutators[m].hands[b] = upgraded.map(|pointer| Hand { pointer, mask });
        }
    }

    fn lock_or_unlock(&mut self, m: usize, a: usize, g: &'static Guard) {
        if let Some((guard, hand)) = self.mutators[m].held.take() {
            // Without a snapshot, this one would never be missed.
            if self.below(8) == 0 && !bug("no snapshot of locks") {
                std::mem::forget(guard);
                self.lost.insert(Gc::addr(hand.pointer));
            }
            return;
        }
        let Some(hand) = self.mutators[m].hands[a] else {
            return;
        };
        if let Some(guard) = hand.pointer.as_ref().locked.try_lock(g) {
            let mask = hand.mask | 1 << m;
            self.mutators[m].held = Some((guard, Hand { mask, ..hand }));
        }
    }

    fn change_locked(&mut self, m: usize, b: usize) {
        let (push, take) = (self.below(2) == 0, self.below(2) == 0);
        let mutator = &mut self.mutators[m];
        let Some((guard, hand)) = &mut mutator.held else {
            return;
        };
        if push {
            if let Some(value) = &mut mutator.hands[b] {
                hand.mask |= value.mask;
                value.mask = hand.mask;
                guard.push(value.pointer);
            }
        } else if let Some(pointer) = if take { guard.pop() } else { guard.first() } {
            let mask = hand.mask;
            mutator.hands[b] = Some(Hand { pointer, mask });
        }
    }

    /// Drops the guard, and all that borrows it.
    fn unpin(&mut self, m: usize) {
        let own = 1 << m;
        for mutator in &mut self.mutators {
            mutator.held.take_if(|(_, hand)| hand.mask & own != 0);
            for hand in &mut mutator.hands {
                hand.take_if(|hand| hand.mask & own != 0);
            }
        }
        self.mutators[m].guard = None;
    }

    /// Lets go of everything, and finishes the cycle.
    fn end(mut self) -> Result<(), Lost> {
        for m in 0..MUTATORS {
            self.unpin(m);
        }
        self.roots = [const { None }; ROOTS];
        self.helper = None;
        self.sweep.into_iter().for_each(finish_sweep);
        if let Some(cycle) = self.cycle {
            finish(cycle);
        }
        for _ in 0..2 {
            finish(Cycle::new());
        }
        POOL.clear();
        let g = pin();
        let dead = |weak: &WeakRoot<Node<'static>>| weak.upgrade(&g).is_none();
        if !self.weaks.iter().flatten().all(dead) {
            // A cell was freed, though its weak pointer was held.
            return Err(Lost);
        }
        let mut left = 0;
        for_each_object(|object| {
            let name = (object.vtable().type_name)();
            left += usize::from(Node::TYPES.iter().any(|ours| ours() == name));
        });
        assert_eq!(left, 0, "what cannot be reached is collected");
        Ok(())
    }
}

/// Steps until all is marked.
fn mark(cycle: &mut Cycle) {
    loop {
        match cycle.step(1) {
            Step::Went => {}
            // Somebody else's test may be pinned.
            Step::Waits(_) => std::thread::yield_now(),
            Step::Marked => break,
        }
    }
}

fn finish(mut cycle: Cycle) {
    mark(&mut cycle);
    finish_sweep(cycle.finish());
}

fn finish_sweep(sweep: Sweep) {
    sweep.complete();
}

fn forever(pointer: Gc<'_, Node<'_>>) -> Pointer {
    // SAFETY: the two types differ in lifetimes only; it is compared, and not kept.
    unsafe { std::mem::transmute(pointer) }
}
