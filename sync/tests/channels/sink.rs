//! Senders as sinks, with the combinators of the futures crate.

use futures::{SinkExt, StreamExt, stream};
use gort_sync::chan::{SendError, bounded, unbounded, unbuffered};

use super::support::{Polled, Spawn, on_each_executor};

#[test]
fn a_stream_is_forwarded_in_order_through_channels_of_all_sizes() {
    on_each_executor(|spawn: Spawn| async move {
        for capacity in [0, 1, 7, usize::MAX] {
            let (sender, receiver) = bounded(capacity);
            let forward = spawn(Box::pin(async move {
                // The sink goes, and with it the sender, so that the channel ends.
                let values = stream::iter(0..100).map(Ok);
                values.forward(sender.into_sink()).await.unwrap();
            }));
            assert_eq!(receiver.collect::<Vec<_>>().await, Vec::from_iter(0..100));
            forward.await;
        }
    });
}

#[test]
fn a_chain_of_streams_and_sinks_moves_everything() {
    on_each_executor(|spawn: Spawn| async move {
        let (sender, stage) = unbuffered();
        let (last, results) = bounded(2);
        let tasks = [
            spawn(Box::pin(async move {
                let mut sink = sender.into_sink();
                sink.send_all(&mut stream::iter(1..=50).map(Ok))
                    .await
                    .unwrap();
                sink.feed(51).await.unwrap();
                sink.close().await.unwrap();
            })),
            spawn(Box::pin(async move {
                let doubled = stage.map(|value| Ok(2 * value));
                doubled.forward(last.into_sink()).await.unwrap();
            })),
        ];
        assert_eq!(
            results.fold(0, async |sum, value| sum + value).await,
            51 * 52
        );
        for task in tasks {
            task.await;
        }
    });
}

#[test]
fn a_sink_into_a_closed_channel_gives_the_value_back() {
    let (sender, receiver) = bounded(1);
    let mut sink = sender.into_sink();
    Polled::new(sink.send(1)).done().unwrap();
    // This one waits for room.
    Polled::new(sink.send(2)).waits();
    drop(receiver);
    assert_eq!(Polled::new(sink.flush()).done(), Err(SendError(2)));
    assert_eq!(Polled::new(sink.send(3)).done(), Err(SendError(3)));
}

#[test]
fn a_flush_that_is_dropped_leaves_the_value_in_the_sink() {
    let (sender, receiver) = bounded(1);
    let mut sink = sender.into_sink();
    Polled::new(sink.send(1)).done().unwrap();
    Polled::new(sink.feed(2)).done().unwrap();
    for _ in 0..3 {
        Polled::new(sink.flush()).waits();
    }
    assert_eq!(receiver.try_recv(), Ok(1));
    Polled::new(sink.flush()).done().unwrap();
    Polled::new(sink.feed(3)).done().unwrap();
    Polled::new(sink.flush()).waits();
    // The value that waits goes with the sink.
    drop(sink);
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2]);
    assert!(receiver.is_closed());
}

#[test]
fn a_sink_without_a_bound_never_waits() {
    let (sender, receiver) = unbounded();
    let mut sink = sender.into_sink();
    for i in 0..1000 {
        Polled::new(sink.send(i)).done().unwrap();
    }
    assert_eq!(receiver.len(), 1000);
}
