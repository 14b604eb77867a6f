//! Pipelines: stages that are goroutines, with channels of a fixed length between them.
//!
//! After "Go Concurrency Patterns: Pipelines and cancellation" (Sameer Ajmani, 2014): each stage receives, works and sends; it
//! closes its output when its input is closed, and stops when nobody receives any more.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use gort_sync::chan::{self, Receiver, Sender};
use gort_sync::{Context, ContextError};

use super::{AbortHandle, ErrGroup};

/// A pipeline: its stages are goroutines, and each hands its values to the next through a channel of a fixed length.
///
/// Memory is bounded: a stage whose output is full waits, and so does the one before. The pipeline ends
///
/// * with its input: when a source has no more, each stage finishes what there is, and ends;
/// * with its output: when the last receiver is dropped, the stages before end at their next send;
/// * with the first error, the end of its [context](Self::context), or when it is dropped: stages are dropped at their next `.await`.
///
/// Stages [inherit](crate::task::context) the context.
///
/// # Examples
///
/// ```
/// use gort::sync::{Context, ContextError};
/// use gort::task::Pipeline;
///
/// gort::block_on(async {
///     let mut pipeline = Pipeline::<ContextError>::new(&Context::background(), 16);
///     let numbers = pipeline.source(1..=100_u64);
///     // Fan out to four goroutines, and in again.
///     let squares = pipeline.map(numbers, 4, |n| async move { Ok(n * n) });
///     let mut sum = 0;
///     while let Ok(square) = squares.recv().await {
///         sum += square;
///     }
///     pipeline.wait().await?;
///     assert_eq!(sum, 338_350);
///     Ok::<_, ContextError>(())
/// })?;
/// # Ok::<_, gort::sync::ContextError>(())
/// ```
///
/// An error ends everything, though the source has no end:
///
/// ```
/// use std::io;
///
/// use gort::sync::Context;
/// use gort::task::Pipeline;
///
/// gort::block_on(async {
///     let mut pipeline = Pipeline::<io::Error>::new(&Context::background(), 16);
///     let pages = pipeline.source(1..);
///     let texts = pipeline.map(pages, 2, async |page: u32| match page {
///         0..10 => Ok(format!("page {page}")),
///         _ => Err(io::Error::other("no such page")),
///     });
///     while let Ok(text) = texts.recv().await {
///         assert!(text.starts_with("page"));
///     }
///     assert_eq!(pipeline.wait().await.unwrap_err().to_string(), "no such page");
/// });
/// ```
pub struct Pipeline<E> {
    group: ErrGroup<E>,
    context: Context,
    room: usize,
}

impl<E: From<ContextError> + Send + 'static> Pipeline<E> {
    /// Creates a pipeline that works for a child of `parent`; its channels have room for `room` values each.
    ///
    /// With no room at all each value is handed over when the next stage is ready for it.
    #[must_use]
    pub fn new(parent: &Context, room: usize) -> Self {
        let (group, context) = ErrGroup::with_context(parent);
        Self {
            group,
            context,
            room,
        }
    }

    /// Returns the context that the pipeline works for.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Starts a stage of one's own: any goroutine, which ends with the pipeline.
    #[track_caller]
    pub fn go<F>(&mut self, stage: F) -> AbortHandle
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.start(stage, Location::caller())
    }

    /// Sends what an iterator returns.
    ///
    /// The iterator runs in a goroutine: one that blocks holds up nobody else for long, but is better called by
    /// [`unblock`](crate::unblock).
    #[track_caller]
    pub fn source<T, I>(&mut self, items: I) -> Receiver<T>
    where
        T: Send + 'static,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'static,
    {
        let (output, received) = chan::bounded(self.room);
        let items = items.into_iter();
        let stage = async move {
            for item in items {
                if output.send(item).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        self.start(stage, Location::caller());
        received
    }

    /// Sends what `f` makes of each value of `input`. So many `workers` are at it at a time.
    ///
    /// One worker keeps the order; of several each sends when it is done.
    ///
    /// # Panics
    ///
    /// Panics if there are no workers: such a stage would never end.
    #[track_caller]
    pub fn map<T, U, F, R>(&mut self, input: Receiver<T>, workers: usize, f: F) -> Receiver<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<U, E>> + Send + 'static,
    {
        self.stage(input, workers, Location::caller(), move |item| {
            let made = f(item);
            async { made.await.map(Some) }
        })
    }

    /// As [`map`](Self::map), without the values of which `f` makes nothing.
    ///
    /// # Panics
    ///
    /// As [`map`](Self::map).
    #[track_caller]
    pub fn filter_map<T, U, F, R>(
        &mut self,
        input: Receiver<T>,
        workers: usize,
        f: F,
    ) -> Receiver<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<U>, E>> + Send + 'static,
    {
        self.stage(input, workers, Location::caller(), f)
    }

    /// Sends the values of all `inputs`, each as it comes.
    ///
    /// What comes from one input stays in order.
    #[track_caller]
    pub fn merge<T: Send + 'static>(
        &mut self,
        inputs: impl IntoIterator<Item = Receiver<T>>,
    ) -> Receiver<T> {
        let (output, received) = chan::bounded(self.room);
        for input in inputs {
            let stage = forward(input, output.clone(), |item| async { Ok(Some(item)) });
            self.start(stage, Location::caller());
        }
        received
    }

    /// Waits until all stages have ended. Drop the last receiver before, if it is not drained: nothing else may end them.
    ///
    /// # Errors
    ///
    /// Fails with the first error of a stage, or of the context if that has ended.
    ///
    /// # Panics
    ///
    /// Panics as a stage did, if one did, when all have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the pipeline.
    pub async fn wait(mut self) -> Result<(), E> {
        self.group.wait().await
    }

    fn stage<T, U, F, R>(
        &mut self,
        input: Receiver<T>,
        workers: usize,
        at: &'static Location<'static>,
        f: F,
    ) -> Receiver<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<U>, E>> + Send + 'static,
    {
        assert!(workers > 0, "a stage without workers would never end");
        let (output, received) = chan::bounded(self.room);
        let f = Arc::new(f);
        for _ in 0..workers {
            let f = f.clone();
            let worker = forward(input.clone(), output.clone(), move |item| f(item));
            self.start(worker, at);
        }
        received
    }

    fn start<F>(&mut self, stage: F, at: &'static Location<'static>) -> AbortHandle
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let context = self.context.clone();
        let stage = async move { context.run(stage).await? };
        self.group.start(stage, None, at)
    }
}

/// Receives, works and sends, until there is no more or nobody wants it.
async fn forward<T, U, E, R>(
    input: Receiver<T>,
    output: Sender<U>,
    f: impl Fn(T) -> R,
) -> Result<(), E>
where
    R: Future<Output = Result<Option<U>, E>>,
{
    while let Ok(item) = input.recv().await {
        if let Some(made) = f(item).await?
            && output.send(made).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

impl<E> fmt::Debug for Pipeline<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("group", &self.group)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}
