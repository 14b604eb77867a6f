//! What may go from thread to thread: by the compiler alone.

use std::cell::Cell;

use gort_sync::{
    AfterFunc, Barrier, Cancel, Cond, Context, Latch, Lazy, Mutex, Notify, Once, OnceCell, Pool,
    Pooled, RwLock, Selecting, Semaphore, WaitGroup, broadcast, chan, channel, oneshot,
    singleflight, watch,
};

fn send<T: Send>() {}
fn both<T: Send + Sync>() {}

/// It may be sent, and not shared.
type One = Cell<u8>;

#[test]
fn what_has_values_that_may_be_sent_may_be_sent_and_shared() {
    both::<(chan::Sender<One>, chan::Receiver<One>)>();
    both::<(chan::WeakSender<One>, chan::WeakReceiver<One>)>();
    both::<(chan::Recv<'_, One>, chan::Closed<'_, One>)>();
    both::<(chan::Reserve<'_, One>, chan::ReserveOwned<One>)>();
    both::<(chan::Permit<'_, One>, chan::OwnedPermit<One>)>();
    send::<(chan::Send<'_, One>, chan::RecvMany<'_, One>)>();
    send::<(chan::SendSink<One>, chan::Ticker)>();
    both::<(channel::Sender<One>, channel::Receiver<One>)>();
    both::<(channel::WeakSender<One>, channel::WeakReceiver<One>)>();
    both::<(channel::Recv<'_, One>, channel::Closed<'_, One>)>();
    send::<channel::Send<'_, One>>();
    both::<(oneshot::Sender<One>, oneshot::Receiver<One>)>();
    both::<(Mutex<One>, Pool<One>)>();
    send::<(RwLock<One>, OnceCell<One>, Pooled<'_, One>)>();
    send::<Selecting<'_, One>>();
}

#[test]
fn what_lets_many_read_shares_what_may_be_shared() {
    both::<(RwLock<u8>, OnceCell<u8>, Lazy<u8, fn()>)>();
    both::<(watch::Sender<u8>, watch::Receiver<u8>)>();
    both::<(broadcast::Sender<u8>, broadcast::Receiver<u8>)>();
    both::<(watch::ReceiverStream<u8>, broadcast::ReceiverStream<u8>)>();
    both::<gort_sync::RwLockUpgradableReadGuard<'_, u8>>();
    both::<gort_sync::OwnedRwLockUpgradableReadGuard<u8>>();
    both::<(gort_sync::Upgrade<'_, u8>, gort_sync::UpgradeOwned<u8>)>();
}

#[test]
fn what_has_no_values_goes_anywhere() {
    both::<(Semaphore, Notify, Cond, Barrier, Latch, Once, WaitGroup)>();
    both::<(Context, Cancel, AfterFunc)>();
    both::<(gort_sync::Wait<'_>, gort_sync::Done<'_>, gort_sync::WaitAll)>();
    both::<singleflight::Group<u8, u8>>();
}
