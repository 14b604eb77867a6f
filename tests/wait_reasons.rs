//! Why a goroutine waits, as its description tells.

use std::pin::pin;
use std::sync::Arc;

use gort::channel;
use gort::stream::StreamExt;
use gort::sync::{Cond, Latch, Mutex, Notify, OnceCell, WaitGroup, chan};
use gort::task::{self, Info, JoinHandle, State, WaitReason};

/// Starts a goroutine, and returns what is told of it when it waits.
macro_rules! waiting {
    ($rt:expr, $body:block) => {{
        let goroutine = task::Builder::new().name("waits").go(async move { $body });
        let info = described($rt, &goroutine).await;
        goroutine.abort();
        info
    }};
}

async fn described<T>(rt: &gort::Runtime, goroutine: &JoinHandle<T>) -> Info {
    loop {
        let all = rt.handle().goroutines();
        let found = all.into_iter().find(|info| info.id() == goroutine.id());
        match found.filter(|info| info.state() == State::Waiting) {
            Some(info) => return info,
            None => task::yield_now().await,
        }
    }
}

#[test]
fn what_waits_for_others_says_for_what() {
    let rt = gort::Builder::new().procs(1).build().expect("a runtime");
    rt.block_on(async {
        let shared = Arc::new((Notify::new(), Latch::new(), WaitGroup::new()));
        let (of_notify, of_latch, of_group) = (shared.clone(), shared.clone(), shared.clone());
        shared.2.add(1);
        let locked = Arc::new((Mutex::new(0), Cond::new()));
        let cell = Arc::new(OnceCell::new());
        let maker = cell.clone();
        let (sender, _receiver) = chan::bounded::<()>(1);
        let makes = gort::go(async move {
            maker.get_or_init(std::future::pending::<()>).await;
        });
        described(&rt, &makes).await;

        let told = [
            waiting!(&rt, { of_notify.0.notified().await }),
            waiting!(&rt, { of_latch.1.wait().await }),
            waiting!(&rt, { of_group.2.wait().await }),
            waiting!(&rt, { drop(locked.1.wait(locked.0.lock().await).await) }),
            waiting!(&rt, {
                cell.get_or_init(|| async {}).await;
            }),
            waiting!(&rt, { sender.closed().await }),
        ];
        let expected = [
            (WaitReason::Notify, "[sync.Notify, "),
            (WaitReason::Latch, "[sync.Latch.Wait, "),
            (WaitReason::WaitGroup, "[sync.WaitGroup.Wait, "),
            (WaitReason::Cond, "[sync.Cond.Wait, "),
            (WaitReason::Once, "[sync.Once.Do, "),
            (WaitReason::ChanClosed, "[chan closed, "),
        ];
        for (info, (reason, words)) in told.iter().zip(expected) {
            assert_eq!(info.wait_reason(), reason);
            assert_eq!(info.waits_at().expect("it is known").file(), file!());
            assert!(info.to_string().contains(words), "{info}");
        }
        makes.abort();
    });
}

/// Those with the interface of async-channel too.
#[test]
fn what_waits_in_a_queue_says_where() {
    let rt = gort::Builder::new().procs(1).build().expect("a runtime");
    rt.block_on(async {
        let (sender, receiver) = channel::bounded::<()>(1);
        let (full, _held) = channel::bounded(1);
        full.try_send(1).expect("there is room");
        let (stream_of, _open) = (receiver.clone(), receiver.clone());
        let ends = sender.clone();

        let told = [
            waiting!(&rt, {
                receiver.recv().await.expect("never");
            }),
            waiting!(&rt, { pin!(stream_of).next().await }),
            waiting!(&rt, { full.send(2).await.expect("never") }),
            waiting!(&rt, { ends.closed().await }),
        ];
        let expected = [
            (WaitReason::ChanReceive, "[chan receive, "),
            (WaitReason::ChanReceive, "[chan receive, "),
            (WaitReason::ChanSend, "[chan send, "),
            (WaitReason::ChanClosed, "[chan closed, "),
        ];
        for (info, (reason, words)) in told.iter().zip(expected) {
            assert_eq!(info.wait_reason(), reason);
            assert_eq!(info.waits_at().expect("it is known").file(), file!());
            assert!(info.to_string().contains(words), "{info}");
        }
        drop(sender);
    });
}

#[test]
fn the_reason_of_an_earlier_wait_is_not_that_of_one_that_says_nothing() {
    let rt = gort::Builder::new().procs(1).build().expect("a runtime");
    rt.block_on(async {
        let mutex = Arc::new(Mutex::new(()));
        let (locks, foreign) = (mutex.clone(), async_channel::bounded::<()>(1));
        let guard = mutex.lock().await;
        let goroutine = gort::go(async move {
            drop(locks.lock().await);
            foreign.1.recv().await.expect("open");
        });
        let info = described(&rt, &goroutine).await;
        assert_eq!(info.wait_reason(), WaitReason::Mutex);
        drop(guard);
        let info = loop {
            let info = described(&rt, &goroutine).await;
            if info.wait_reason() != WaitReason::Mutex {
                break info;
            }
            task::yield_now().await;
        };
        assert_eq!(
            (info.wait_reason(), info.waits_at()),
            (WaitReason::Other, None)
        );
        foreign.0.send(()).await.expect("open");
        goroutine.await.expect("no panic");
    });
}
