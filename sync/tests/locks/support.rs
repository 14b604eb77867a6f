//! Executors to run a test on, and futures polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Starts a task and returns what waits for its end.
pub(crate) type Spawn = Arc<dyn Fn(Boxed<()>) -> Boxed<()> + Send + Sync>;

/// Runs `body` on tokio, on smol's executor with two threads, and with a thread for each task.
pub(crate) fn on_each_executor<F, Fut>(body: F)
where
    F: Fn(Spawn) -> Fut,
    Fut: Future<Output = ()>,
{
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let handle = tokio.handle().clone();
    tokio.block_on(body(Arc::new(move |task| {
        let task = handle.spawn(task);
        Box::pin(async { task.await.expect("the task does not panic") })
    })));

    let executor = Arc::new(smol::Executor::new());
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let threads = [(); 2].map(|()| {
        let (executor, stopped) = (executor.clone(), stopped.clone());
        thread::spawn(move || smol::block_on(executor.run(stopped.recv())))
    });
    let spawner = executor.clone();
    smol::block_on(body(Arc::new(move |task| Box::pin(spawner.spawn(task)))));
    drop(stop);
    for thread in threads {
        assert!(thread.join().expect("no panic").is_err());
    }

    futures_lite::future::block_on(body(Arc::new(|task| {
        let thread = thread::spawn(move || futures_lite::future::block_on(task));
        Box::pin(async { thread.join().expect("the task does not panic") })
    })));
}

/// Gives others a turn, whoever runs this.
pub(crate) async fn yield_now() {
    futures_lite::future::yield_now().await;
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), Waker::from(count))
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that panics.
pub(crate) struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

/// A future on the heap, which a test polls and drops when it likes.
pub(crate) struct Polled<F>(Pin<Box<F>>);

impl<F: Future> Polled<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.poll_with(Waker::noop())
    }

    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<F::Output> {
        self.0.as_mut().poll(&mut Context::from_waker(waker))
    }

    /// Polls a future that has to wait.
    #[track_caller]
    pub(crate) fn waits(&mut self) {
        assert!(self.poll().is_pending(), "it should have to wait");
    }

    /// Polls a future that has what it waits for.
    #[track_caller]
    pub(crate) fn done(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it should be ready"),
        }
    }

    pub(crate) fn leak(self) {
        std::mem::forget(self.0);
    }
}
