//! Channels: ping-pong, one-shots, many to many, one to one, and a select over four.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Countdown, Cx, Verdict, check};
use crate::adapters::{OnceReceiver, OnceSender, Receiver, Runtime, Sender};
use crate::figures::Meter;

/// Lets pairs of tasks exchange numbers over two channels of capacity 1; one operation is one message.
pub(super) async fn ping_pong<R: Runtime>(cx: Cx, pairs: u64) -> Verdict {
    let trips = cx.size / (2 * pairs);
    let total: &'static AtomicU64 = Box::leak(Box::default());
    let (countdown, zero) = Countdown::<R>::start(pairs);
    let meter = Meter::start();
    for _ in 0..pairs {
        let (to_pong, from_ping) = R::channel(1);
        let (to_ping, from_pong) = R::channel(1);
        R::spawn_detached(pong::<R>(from_ping, to_ping));
        R::spawn_detached(async move {
            let last = ping::<R>(trips, to_pong, from_pong).await;
            // Relaxed: published to the root by the countdown.
            total.fetch_add(last, Ordering::Relaxed);
            countdown.hit();
        });
    }
    zero.reached().await;
    let measured = meter.stop();
    check(
        "sum of the last replies",
        total.load(Ordering::Relaxed),
        pairs * trips,
    )?;
    Ok(measured.per_op(pairs * trips * 2))
}

/// Sends a number and takes the reply as the next one; returns the last reply.
async fn ping<R: Runtime>(trips: u64, to: R::Sender<u64>, mut from: R::Receiver<u64>) -> u64 {
    let mut value = 0;
    for _ in 0..trips {
        to.send(value)
            .await
            .expect("the partner waits for us to end");
        value = from.recv().await.expect("the partner waits for us to end");
    }
    value
}

/// Answers every number with the next one.
async fn pong<R: Runtime>(mut from: R::Receiver<u64>, to: R::Sender<u64>) {
    while let Some(value) = from.recv().await {
        to.send(value + 1)
            .await
            .expect("the partner waits for the reply");
    }
}

/// How many tasks of `oneshot_pp` are alive at once, partners aside.
const ONESHOT_TASKS: u64 = 1_000;

/// Lets tasks spawn a partner and exchange two one-shots with it; one operation is one pair.
pub(super) async fn oneshot_ping_pong<R: Runtime>(cx: Cx) -> Verdict {
    let tasks = cx.size.min(ONESHOT_TASKS);
    let batches = cx.size / tasks;
    let meter = Meter::start();
    for _ in 0..batches {
        let (countdown, zero) = Countdown::<R>::start(tasks);
        for _ in 0..tasks {
            R::spawn_detached(exchange::<R>(countdown));
        }
        zero.reached().await;
    }
    Ok(meter.stop().per_op(batches * tasks))
}

async fn exchange<R: Runtime>(countdown: &'static Countdown<R>) {
    let (to_partner, from_us) = R::oneshot();
    let (to_us, from_partner) = R::oneshot();
    R::spawn_detached(async move {
        let value: u64 = from_us.recv().await.expect("we send before we wait");
        to_us.send(value + 1).expect("we wait for the reply");
    });
    to_partner.send(1).expect("the partner waits");
    let reply = from_partner.recv().await;
    assert_eq!(reply, Ok(2), "the partner adds one");
    countdown.hit();
}

/// Moves messages from 4 producers to 4 consumers through one channel of capacity 128.
pub(super) async fn mpmc<R: Runtime>(cx: Cx) -> Verdict {
    let each = cx.size / 4;
    let meter = Meter::start();
    let (sender, receiver) = R::shared_channel(128);
    let consumers = [(); 4].map(|()| R::spawn(sum_of(receiver.clone())));
    drop(receiver);
    for _ in 0..4 {
        R::spawn_detached(produce(each, sender.clone()));
    }
    drop(sender);
    let mut sum = 0;
    for consumer in consumers {
        sum += consumer.await;
    }
    let measured = meter.stop();
    check("sum of the messages", sum, 4 * triangle(each))?;
    Ok(measured.per_op(each * 4))
}

/// Moves messages from one producer to one consumer.
pub(super) async fn spsc<R: Runtime>(cx: Cx, capacity: usize) -> Verdict {
    let meter = Meter::start();
    let (sender, receiver) = R::channel(capacity);
    let consumer = R::spawn(sum_of(receiver));
    R::spawn_detached(produce(cx.size, sender));
    let sum = consumer.await;
    let measured = meter.stop();
    check("sum of the messages", sum, triangle(cx.size))?;
    Ok(measured.per_op(cx.size))
}

/// Moves messages from 4 producers through 4 channels of capacity 16 to one task that selects.
pub(super) async fn select4<R: Runtime>(cx: Cx) -> Verdict {
    let each = cx.size / 4;
    let meter = Meter::start();
    let channels = [(); 4].map(|()| R::channel::<u64>(16));
    // The senders stay here too, so that no channel closes while another has messages left.
    let senders = channels.each_ref().map(|(sender, _)| sender.clone());
    let mut receivers = channels.map(|(sender, receiver)| {
        R::spawn_detached(produce(each, sender));
        receiver
    });
    let mut sum = 0;
    for _ in 0..each * 4 {
        sum += R::select4(&mut receivers).await;
    }
    let measured = meter.stop();
    drop(senders);
    check("sum of the messages", sum, 4 * triangle(each))?;
    Ok(measured.per_op(each * 4))
}

/// Sends 0, 1, 2 and so on.
async fn produce(count: u64, to: impl Sender<u64>) {
    for value in 0..count {
        to.send(value)
            .await
            .expect("the consumer waits for all senders to end");
    }
}

/// Receives until all senders are gone.
async fn sum_of(mut from: impl Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Some(value) = from.recv().await {
        sum += value;
    }
    sum
}

/// Returns 0 + 1 + ... + (count - 1).
fn triangle(count: u64) -> u64 {
    count * (count - 1) / 2
}
