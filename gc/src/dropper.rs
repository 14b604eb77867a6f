//! The dropper: a thread that runs the destructors of dead objects.
//!
//! Destructors are foreign code. One that blocks, or never returns, holds up those behind it and costs memory, and nothing
//! else: no lock is held while it runs, and the next cycle waits for the sweep and not for this.

use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::arena::{Block, drop_condemned};
use crate::local::lock;
use crate::object::ObjectRef;
use crate::sweep;

/// Calls a destructor. If it panics, that is reported by the panic hook, and all.
pub(crate) fn drop_quietly(drop: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(drop)) {
        // Its destructor might panic as well.
        std::mem::forget(payload);
    }
}

/// Hands over blocks with condemned objects.
pub(crate) fn drop_all(blocks: Vec<Block>) {
    static DROPPER: Mutex<Option<Sender<Vec<Block>>>> = Mutex::new(None);
    let mut dropper = lock(&DROPPER);
    let sender = dropper.get_or_insert_with(|| {
        let (sender, blocks) = channel::<Vec<Block>>();
        let builder = thread::Builder::new().name("gort-gc-drop".to_owned());
        let thread = builder.spawn(move || blocks.into_iter().flatten().for_each(drop_block));
        thread.expect("the dropper's thread can be created");
        sender
    });
    if sender.send(blocks).is_err() {
        unreachable!("the dropper catches all panics");
    }
}

fn drop_block(block: Block) {
    drop_condemned(block, drop_object, sweep::exclude);
}

fn drop_object(value: NonNull<()>) {
    // SAFETY: condemned, and not freed before this returns.
    let object = unsafe { ObjectRef::of(value) };
    // SAFETY: nobody can reach the object, and a condemned one is dropped once.
    drop_quietly(|| unsafe { object.drop_value() });
}
