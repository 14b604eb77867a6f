//! A program that hangs: two goroutines lock two accounts, each in its own order. Press Ctrl-\ , or send it SIGQUIT: it tells
//! who waits, for what, where and since when, and ends.

use std::sync::Arc;
use std::time::Duration;

use gort::sync::{Barrier, Mutex};
use gort::task::{Builder, WaitReason};

type Account = Arc<Mutex<i64>>;

async fn transfer(from: Account, to: Account, amount: i64, both_began: Arc<Barrier>) {
    let mut from = from.lock().await;
    both_began.wait().await;
    let mut to = to.lock().await;
    *from -= amount;
    *to += amount;
}

#[gort::main]
async fn main() {
    let [savings, current] = [100, 20].map(|amount| Arc::new(Mutex::new(amount)));
    let both = Arc::new(Barrier::new(2));
    let there = transfer(savings.clone(), current.clone(), 7, both.clone());
    let back = transfer(current, savings, 5, both);
    let there = Builder::new().name("there").go(there);
    let back = Builder::new().name("back").go(back);
    while !hangs() {
        gort::time::sleep(Duration::from_millis(1)).await;
    }
    println!("{}: both wait for a lock", std::process::id());
    for transfer in [there, back] {
        transfer.await.expect("it does not panic, it hangs");
    }
}

fn hangs() -> bool {
    let goroutines = gort::Handle::current().goroutines();
    let mut reasons = goroutines.iter().map(|g| g.wait_reason());
    reasons.all(|reason| reason == WaitReason::Mutex)
}
