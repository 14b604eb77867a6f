//! A block that is swept by whoever comes first: one who allocates, one who helps, the collector. It has one who fills it at a time,
//! what is alive stays, and what is dead is freed once.

use std::ptr;

use gort_primitives::cell::UnsafeCell;
use gort_primitives::sync::Arc;
use gort_primitives::{model, thread};

use super::super::color::ColorByte;
use super::*;
use crate::phase::{CONDEMNED, is_object, other};
use crate::seeded::with_bug;

const SLOTS: usize = 2;
const WHITE: Color = 1;
const LIVE: Color = 2;
const FREED: u8 = 0xDD;

/// What stands for a block.
struct Page {
    standing: Standing,
    needs_drop: bool,
    colors: [ColorByte; SLOTS],
    /// loom reports two accesses to one that race, one of which is a write.
    values: [UnsafeCell<u8>; SLOTS],
    /// Written by the owner, and by one who has claimed the block.
    alone: UnsafeCell<u8>,
}

impl Page {
    /// A block of one who fills it, with slots of these colours.
    fn new(colors: [Color; SLOTS], needs_drop: bool) -> Box<Self> {
        Box::new(Self {
            standing: Standing::owned(),
            needs_drop,
            colors: colors.map(ColorByte::of),
            values: colors.map(UnsafeCell::new),
            alone: UnsafeCell::new(0),
        })
    }

    fn write(&self, slot: usize, value: u8) {
        // SAFETY: loom checks it.
        self.values[slot].with_mut(|place| unsafe { *place = value });
    }

    fn read(&self, slot: usize) -> u8 {
        // SAFETY: loom checks it.
        self.values[slot].with(|place| unsafe { *place })
    }

    /// Does what nobody else may do meanwhile.
    fn alone(&self) {
        // SAFETY: loom checks it.
        self.alone.with_mut(|alone| unsafe { *alone += 1 });
    }

    fn count(&self, color: Color) -> usize {
        self.colors.iter().filter(|c| c.get() == color).count()
    }

    /// Takes all free slots, as the owner.
    fn fill(&self) {
        self.alone();
        for slot in 0..SLOTS {
            if self.colors[slot].claim() == FREE {
                self.write(slot, LIVE);
                self.colors[slot].publish(LIVE);
            }
        }
        self.alone();
    }

    /// Drops what is condemned, as the dropper.
    fn drop_condemned(&self) {
        for slot in 0..SLOTS {
            if self.colors[slot].is_condemned() {
                self.write(slot, FREED);
                self.colors[slot].free();
            }
        }
    }
}

/// A pointer to a page of a [`World`].
#[derive(Clone, Copy)]
struct PageRef(*const Page);

// SAFETY: the world has the page, and the threads of a model end before it does.
unsafe impl Send for PageRef {}

impl PageRef {
    fn page(&self) -> &Page {
        // SAFETY: the world is there.
        unsafe { &*self.0 }
    }
}

impl Listed for PageRef {
    fn standing(&self) -> &Standing {
        &self.page().standing
    }

    fn slots(self) -> usize {
        SLOTS
    }

    fn slot_bytes(self) -> usize {
        1
    }

    fn needs_drop(self) -> bool {
        self.page().needs_drop
    }

    fn count_free(self) -> usize {
        self.page().count(FREE)
    }

    fn has_condemned(self) -> bool {
        self.page().count(CONDEMNED) > 0
    }

    fn sweep(self, live: Color) -> Found {
        let page = self.page();
        let mut found = Found::default();
        for slot in 0..SLOTS {
            let color = page.colors[slot].get();
            if color == live {
                found.live += 1;
            } else if is_object(color) {
                found.dead += 1;
                if page.needs_drop {
                    page.colors[slot].condemn();
                } else {
                    page.write(slot, FREED);
                    page.colors[slot].free();
                }
            }
        }
        found.free = page.count(FREE);
        found
    }

    unsafe fn sweep_claimed(self, live: Color) -> Found {
        self.page().alone();
        let found = self.sweep(live);
        self.page().alone();
        found
    }

    unsafe fn clear(self) {
        self.page().alone();
    }
}

struct World {
    pages: Vec<Box<Page>>,
    lists: Lists<PageRef>,
}

impl World {
    /// A sweep begins, and nobody owns any of the pages.
    fn new(pages: Vec<Box<Page>>) -> Arc<Self> {
        let world = Self::with_owner(pages);
        for page in &world.pages {
            world.lists.give_back(page_ref(page), false);
        }
        world.lists.begin_sweep(LIVE);
        world
    }

    /// All pages have the owner who has made them.
    fn with_owner(pages: Vec<Box<Page>>) -> Arc<Self> {
        let lists = Lists::new();
        for page in &pages {
            lists.insert(page_ref(page));
        }
        Arc::new(Self { pages, lists })
    }

    /// Fills a block, if there is one with free slots, as a thread that allocates.
    fn allocate(&self) {
        if let Some(taken) = self.lists.take() {
            taken.page().fill();
            self.lists.give_back(taken, false);
        }
    }

    fn sweep_one(&self) -> bool {
        self.lists.sweep_one(|left| left.page().alone())
    }

    /// Sweeps all that is left, as the collector, and drops what is condemned.
    fn sweep_all(&self) -> Tally {
        let (tally, condemned) = loop {
            while self.sweep_one() {}
            match self.lists.end_sweep() {
                Some(ended) => break ended,
                None => thread::yield_now(),
            }
        };
        for block in condemned {
            loop {
                block.page().drop_condemned();
                if self.lists.dropped(block, |left| left.page().alone()) {
                    break;
                }
            }
        }
        tally
    }

    /// Marks what has been alive, for the next cycle, and sweeps again.
    fn collect_again(&self) -> Tally {
        for page in &self.pages {
            for slot in 0..SLOTS {
                if page.colors[slot].get() == LIVE {
                    assert_eq!(page.read(slot), LIVE, "what is alive was freed");
                    page.colors[slot].set(other(LIVE));
                }
            }
        }
        self.lists.begin_sweep(other(LIVE));
        self.sweep_all()
    }
}

fn page_ref(page: &Page) -> PageRef {
    PageRef(ptr::from_ref(page))
}

/// So many objects are alive, and so many dead.
fn found(live: usize, dead: usize) -> Tally {
    Tally {
        live_objects: live,
        live_bytes: live,
        freed_objects: dead,
        freed_bytes: dead,
    }
}

/// One who helps comes while the collector sweeps, and while the next cycle begins.
fn help_to_sweep() {
    model(|| {
        let world = World::new(vec![
            Page::new([WHITE, LIVE], false),
            Page::new([LIVE, WHITE], false),
        ]);
        let helper = thread::spawn({
            let world = world.clone();
            move || world.sweep_one()
        });
        let (first, second) = (world.sweep_all(), world.collect_again());
        helper.join().unwrap();
        assert_eq!((first, second), (found(2, 2), found(2, 0)));
    });
}

#[test]
fn each_block_is_swept_once_in_a_cycle() {
    help_to_sweep();
}

#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn the_next_cycle_must_wait_until_all_blocks_are_settled() {
    with_bug(
        Some("sweeps end before all blocks are settled"),
        help_to_sweep,
    );
}

/// Two allocate while the collector sweeps.
fn allocate_and_sweep(colors: [Color; SLOTS], needs_drop: bool) {
    model(move || {
        let world = World::new(vec![Page::new(colors, needs_drop)]);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let world = world.clone();
                thread::spawn(move || world.allocate())
            })
            .collect();
        let alive = colors.iter().filter(|color| **color == LIVE).count();
        assert_eq!(world.sweep_all(), found(alive, SLOTS - alive));
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_block_that_is_swept_has_one_owner_after_that() {
    allocate_and_sweep([WHITE, LIVE], false);
}

#[test]
fn a_block_in_which_all_is_dead_is_released_or_has_an_owner() {
    allocate_and_sweep([WHITE, WHITE], false);
}

/// The owner of a block fills it and gives it back while it is swept.
fn own_and_sweep() {
    model(|| {
        let world = World::with_owner(vec![Page::new([WHITE, FREE], false)]);
        world.lists.begin_sweep(LIVE);
        let owner = thread::spawn({
            let world = world.clone();
            move || {
                let owned = page_ref(&world.pages[0]);
                owned.page().fill();
                world.lists.give_back(owned, false);
            }
        });
        let tally = world.sweep_all();
        owner.join().unwrap();
        assert_eq!(tally.freed_objects, 1);
    });
}

#[test]
fn a_block_is_swept_while_its_owner_fills_it() {
    own_and_sweep();
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_block_with_an_owner_must_not_be_claimed() {
    with_bug(Some("blocks with an owner are claimed"), own_and_sweep);
}

/// The dropper puts a block back that one who allocates has taken meanwhile.
fn drop_and_allocate() {
    model(|| {
        let world = World::new(vec![Page::new([WHITE, FREE], true)]);
        let owner = thread::spawn({
            let world = world.clone();
            move || world.allocate()
        });
        assert_eq!(world.sweep_all(), found(0, 1));
        world.allocate();
        owner.join().unwrap();
    });
}

#[test]
fn a_block_that_the_dropper_puts_back_has_one_owner() {
    drop_and_allocate();
}

#[test]
#[should_panic(expected = "Causality violation")]
fn the_dropper_must_not_put_back_what_has_an_owner() {
    with_bug(
        Some("the dropper puts back what has an owner"),
        drop_and_allocate,
    );
}

#[test]
fn slots_that_are_condemned_are_free_once() {
    allocate_and_sweep([WHITE, LIVE], true);
}
