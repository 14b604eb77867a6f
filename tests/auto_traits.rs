//! Which of gort's types may be sent, shared and moved. What compiles here is what is promised.

use std::error::Error;

use gort::sync::{self, broadcast, chan, oneshot, watch};
use gort::{Handle, Runtime, Task, gc, net, process, task, time};

fn sent<T: Send>() {}
fn shared<T: Send + Sync>() {}
fn unpinned<T: Unpin>() {}

/// What `?` needs to make a `Box<dyn Error + Send + Sync>` of an error.
fn error<E: Error + Send + Sync + 'static>() {}

/// Like a `Cell`: it can be sent, and not shared.
type Sendable = std::cell::Cell<u8>;

#[test]
fn errors_can_be_boxed() {
    error::<task::JoinError>();
    error::<task::AccessError>();
    error::<time::Elapsed>();
    error::<gort::ShutdownError>();
    error::<sync::ContextError>();
    error::<chan::SendError<u8>>();
    error::<chan::TrySendError<u8>>();
    error::<chan::SendTimeoutError<u8>>();
    error::<chan::RecvError>();
    error::<chan::TryRecvError>();
    error::<chan::RecvTimeoutError>();
    error::<oneshot::RecvError>();
    error::<oneshot::TryRecvError>();
    error::<broadcast::SendError<u8>>();
    error::<broadcast::RecvError>();
    error::<broadcast::TryRecvError>();
    error::<watch::SendError<u8>>();
    error::<watch::RecvError>();
}

#[test]
fn handles_go_anywhere() {
    shared::<Runtime>();
    shared::<Handle>();
    shared::<Task<Sendable>>();
    shared::<task::JoinHandle<Sendable>>();
    shared::<task::AbortHandle>();
    shared::<task::JoinSet<Sendable>>();
    shared::<task::ErrGroup<Sendable>>();
    shared::<task::BlockingPool>();
    shared::<chan::Sender<Sendable>>();
    shared::<chan::Receiver<Sendable>>();
    shared::<oneshot::Sender<Sendable>>();
    shared::<oneshot::Receiver<Sendable>>();
    shared::<sync::Mutex<Sendable>>();
    shared::<sync::RwLock<u8>>();
    shared::<sync::Context>();
    shared::<gc::Root<u8>>();
    shared::<net::TcpStream>();
    shared::<process::Child>();
    shared::<time::Sleep>();
    sent::<time::Timer>();
}

#[test]
fn handles_and_ends_need_no_pin() {
    unpinned::<Task<Sendable>>();
    unpinned::<task::JoinHandle<Sendable>>();
    unpinned::<task::JoinSet<Sendable>>();
    unpinned::<chan::Receiver<Sendable>>();
    unpinned::<oneshot::Receiver<Sendable>>();
    unpinned::<time::Timer>();
    unpinned::<net::TcpStream>();
}

#[test]
fn operations_move_between_threads_while_they_wait() {
    fn moves<T: Send>(_: T) {}
    moves(async {
        let (sender, receiver) = chan::bounded::<u8>(1);
        sender.send(1).await.expect("there is a receiver");
        receiver.recv().await.expect("a value");
        gort::sync::select! {
            recv(receiver) -> value => assert!(value.is_err()),
            after(time::Duration::ZERO) => {}
        }
        let mutex = sync::Mutex::new(1);
        let _guard = mutex.lock().await;
        time::sleep(time::Duration::ZERO).await;
        let listener = net::TcpListener::bind("127.0.0.1:0").await?;
        listener.accept().await
    });
}
