use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_lite::future::{block_on, yield_now};

use crate::Selector;
use crate::chan::tests::Count;
use crate::chan::{self, Receiver, RecvError, SendError, Sender, bounded, unbuffered};

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_value_that_is_there_is_received() {
    let (sender, receiver) = bounded(1);
    sender.try_send(7).unwrap();
    let got = block_on(async {
        select! { recv(receiver) -> value => value }
    });
    assert_eq!(got, Ok(7));
}

#[test]
fn the_default_runs_if_nothing_is_ready() {
    let (sender, receiver) = unbuffered::<u8>();
    let got = block_on(async {
        select! {
            recv(receiver) -> _ => "received",
            send(sender, 1) -> _ => "sent to itself",
            default => "nothing",
        }
    });
    assert_eq!(got, "nothing");
    assert_eq!(
        block_on(async {
            select! { default => 5 }
        }),
        5
    );
}

#[test]
fn an_absent_channel_is_never_ready() {
    let absent: Option<Receiver<u8>> = None;
    let gone: Option<&Sender<u8>> = None;
    let (sender, receiver) = bounded(1);
    sender.try_send(1).unwrap();
    for _ in 0..20 {
        sender.try_send(1).ok();
        block_on(async {
            select! {
                recv(absent) -> _ => panic!("nil"),
                send(gone, 1) -> _ => panic!("nil"),
                recv(Some(&receiver)) -> value => assert_eq!(value, Ok(1)),
            }
        });
    }
}

#[test]
fn a_closed_channel_is_ready() {
    let (sender, receiver) = bounded::<u8>(1);
    drop(receiver);
    let got = block_on(async {
        select! { send(sender, 3) -> sent => sent }
    });
    assert_eq!(got, Err(SendError(3)));
    let (sender, receiver) = bounded::<u8>(1);
    drop(sender);
    let got = block_on(async {
        select! { recv(receiver) -> value => value }
    });
    assert_eq!(got, Err(RecvError));
}

#[test]
fn closing_ends_a_select_that_waits() {
    let (sender, receiver) = unbuffered::<u8>();
    let (other, values) = unbuffered::<u8>();
    let mut select = pin!(async {
        select! {
            send(other, 9) -> sent => sent,
            recv(receiver) -> _ => panic!("still open"),
        }
    });
    assert!(poll(select.as_mut()).is_pending());
    values.close();
    assert_eq!(poll(select.as_mut()), Poll::Ready(Err(SendError(9))));
    drop(sender);
}

#[test]
fn every_ready_arm_is_chosen_now_and_then() {
    let channels = [(); 3].map(|()| bounded(1));
    let mut seen = [0_u32; 3];
    // One of three is missed with a probability of 3 * (2/3)^1000.
    for _ in 0..1000 {
        for (sender, _) in &channels {
            sender.try_send(()).ok();
        }
        let which = block_on(async {
            select! {
                recv(channels[0].1) -> _ => 0,
                recv(channels[1].1) -> _ => 1,
                recv(channels[2].1) -> _ => 2,
            }
        });
        seen[which] += 1;
    }
    assert!(seen.iter().all(|&n| n > 0), "{seen:?}");
}

#[test]
fn a_biased_select_takes_the_first() {
    let (sender, receiver) = bounded(100);
    let (other, values) = bounded(100);
    for i in 0..100 {
        sender.try_send(i).unwrap();
        other.try_send(i).unwrap();
    }
    for i in 0..100 {
        block_on(async {
            select! {
                biased;
                recv(receiver) -> value => assert_eq!(value, Ok(i)),
                future(values.recv()) -> _ => panic!("the second"),
            }
        });
    }
}

#[test]
fn a_dropped_select_takes_nothing() {
    let (sender, receiver) = unbuffered();
    let (_open, other) = unbuffered::<u8>();
    {
        let mut select = pin!(async {
            select! {
                recv(receiver) -> value => value.unwrap(),
                recv(other) -> _ => 0,
            }
        });
        assert!(poll(select.as_mut()).is_pending());
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(2), Err(chan::TrySendError::Full(2)));
    }
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn a_value_that_is_lent_stays_if_another_arm_wins() {
    let (sender, _receiver) = unbuffered();
    let (ready, signal) = bounded(1);
    let mut slot = Some(String::from("kept"));
    {
        let mut select = pin!(async {
            select! {
                send_from(sender, slot) -> _ => false,
                recv(signal) -> _ => true,
            }
        });
        assert!(poll(select.as_mut()).is_pending());
        ready.try_send(()).unwrap();
        assert_eq!(poll(select.as_mut()), Poll::Ready(true));
    }
    assert_eq!(slot.as_deref(), Some("kept"));
    {
        let mut select = pin!(async {
            select! { send_from(sender, slot) -> _ => () }
        });
        assert!(poll(select.as_mut()).is_pending());
    }
    assert_eq!(
        slot.as_deref(),
        Some("kept"),
        "a dropped select sends nothing"
    );
}

#[test]
fn a_select_does_not_meet_itself() {
    let (sender, receiver) = unbuffered();
    let mut select = pin!(async {
        select! {
            send(sender, 1) -> _ => "sent",
            recv(receiver) -> value => { assert_eq!(value, Ok(2)); "received" }
        }
    });
    assert!(poll(select.as_mut()).is_pending());
    assert_eq!(sender.try_send(2), Ok(()));
    assert_eq!(poll(select.as_mut()), Poll::Ready("received"));
    assert!(receiver.try_recv().is_err());
}

#[test]
fn two_selects_serve_each_other() {
    let (to, from) = unbuffered();
    let (back, reply) = unbuffered();
    let one = async {
        select! { send(to, 1) -> _ => 1, recv(reply) -> _ => 2 }
    };
    let two = async {
        select! { recv(from) -> _ => 1, send(back, 1) -> _ => 2 }
    };
    let (one, two) = block_on(futures_lite::future::zip(one, two));
    assert_eq!(one, two);
}

#[test]
fn the_newest_waker_is_woken() {
    let (sender, receiver) = unbuffered();
    let (_open, other) = unbuffered::<()>();
    let mut select = pin!(async {
        select! { recv(receiver) -> value => value, recv(other) -> _ => Ok(0) }
    });
    let wakers = [(); 2].map(|()| Arc::new(Count::default()));
    for count in &wakers {
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(select.as_mut().poll(&mut cx).is_pending());
    }
    sender.try_send(4).unwrap();
    let woken = wakers
        .each_ref()
        .map(|count| count.0.load(Ordering::SeqCst));
    assert_eq!(woken, [0, 1]);
    assert_eq!(poll(select.as_mut()), Poll::Ready(Ok(4)));
}

#[test]
fn a_future_that_wins_leaves_the_values_alone() {
    let (sender, receiver) = unbuffered();
    let mut late = 0;
    let mut select = pin!(async {
        select! {
            recv(receiver) -> _ => "received",
            future(poll_fn(|_| { late += 1; if late > 1 { Poll::Ready(()) } else { Poll::Pending } })) -> () => "future",
        }
    });
    assert!(poll(select.as_mut()).is_pending());
    assert_eq!(poll(select.as_mut()), Poll::Ready("future"));
    assert_eq!(
        sender.try_send(1),
        Err(chan::TrySendError::Full(1)),
        "nobody is in line"
    );
    assert!(receiver.is_empty());
}

#[test]
fn a_value_beats_the_futures_that_were_not_asked() {
    let (sender, receiver) = unbuffered();
    let mut polls = 0;
    {
        let mut select = pin!(async {
            select! {
                recv(receiver) -> value => value,
                future(poll_fn(|_| { polls += 1; Poll::<()>::Pending })) -> () => Err(RecvError),
            }
        });
        assert!(poll(select.as_mut()).is_pending());
        sender.try_send(1).unwrap();
        assert_eq!(poll(select.as_mut()), Poll::Ready(Ok(1)));
    }
    assert_eq!(polls, 1);
}

#[test]
fn bodies_run_in_the_surrounding_function() {
    async fn first(receiver: &Receiver<u8>) -> Result<u8, RecvError> {
        loop {
            select! {
                recv(receiver) -> value => {
                    yield_now().await;
                    let value = value?;
                    if value == 0 {
                        continue;
                    }
                    return Ok(value);
                }
            }
        }
    }
    let (sender, receiver) = bounded(2);
    sender.try_send(0).unwrap();
    sender.try_send(3).unwrap();
    drop(sender);
    assert_eq!(block_on(first(&receiver)), Ok(3));
    assert_eq!(block_on(first(&receiver)), Err(RecvError));
}

#[test]
fn a_select_is_send_if_its_values_are() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let (sender, receiver) = bounded::<u8>(1);
    let select = send(async {
        select! { recv(receiver) -> _ => (), send(sender, 1) -> _ => (), future(yield_now()) -> _ => () }
    });
    block_on(select);
    let (sender, receiver) = bounded::<std::rc::Rc<u8>>(1);
    block_on(async {
        select! { recv(receiver) -> _ => (), send(sender, std::rc::Rc::new(1)) -> _ => () }
    });
}

#[test]
fn a_selector_waits_for_many() {
    let channels: Vec<_> = (0..100).map(|_| unbuffered()).collect();
    let selector = || {
        let arms = channels.iter().enumerate();
        arms.fold(Selector::new(), |selector, (i, (_, receiver))| {
            selector.recv(receiver, move |value| (i, value))
        })
    };
    assert!(selector().try_select().is_none());
    let mut select = pin!(selector().select());
    assert!(poll(select.as_mut()).is_pending());
    channels[42].0.try_send(1).unwrap();
    assert_eq!(channels[43].0.try_send(1), Err(chan::TrySendError::Full(1)));
    assert_eq!(poll(select.as_mut()), Poll::Ready((42, Ok(1))));
}

#[test]
fn a_selector_sends_and_keeps() {
    let (sender, receiver) = bounded(1);
    let mut slot = Some(1);
    let sent = Selector::new()
        .send_from(&sender, &mut slot, |sent| sent.is_ok())
        .try_select();
    assert_eq!((sent, slot), (Some(true), None));
    let mut slot = Some(2);
    let sent = Selector::new()
        .send_from(&sender, &mut slot, |sent| sent.is_ok())
        .try_select();
    assert_eq!((sent, slot), (None, Some(2)));
    assert_eq!(receiver.try_recv(), Ok(1));
    let out = Selector::new()
        .biased()
        .send(&sender, 3, |_| 'a')
        .future(async {}, |()| 'b');
    assert_eq!(block_on(out.select()), 'a');
}

/// The function of an arm runs when the select is in no line any more.
#[test]
fn a_function_that_panics_leaves_nobody_in_line() {
    let (sender, receiver) = unbuffered();
    let (other, values) = unbuffered();
    {
        let selector = Selector::new()
            .recv(&receiver, |_: Result<u8, _>| -> u8 {
                panic!("an arm's function")
            })
            .recv(&values, |_: Result<u8, _>| 0);
        let mut select = pin!(selector.select());
        assert!(poll(select.as_mut()).is_pending());
        assert_eq!(sender.try_send(1), Ok(()));
        catch_unwind(AssertUnwindSafe(|| poll(select.as_mut()))).unwrap_err();
        assert_eq!(other.try_send(2), Err(chan::TrySendError::Full(2)));
    }
    assert_eq!(sender.try_send(3), Err(chan::TrySendError::Full(3)));
}

/// A value that is only hinted at is no reason to give up: the default runs if there is nothing for anybody.
#[test]
fn a_default_does_not_run_while_values_are_there() {
    const VALUES: usize = 3_000;
    let channels = [bounded(VALUES), bounded(VALUES)];
    for i in 0..VALUES {
        channels[i % 2].0.try_send(i).unwrap();
    }
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let more = block_on(async {
                        select! {
                            recv(channels[0].1) -> _ => true,
                            recv(channels[1].1) -> _ => true,
                            default => false,
                        }
                    });
                    if !more {
                        break;
                    }
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(taken.load(Ordering::Relaxed), VALUES);
}

#[test]
fn a_select_polled_again_keeps_its_place_and_its_waker() {
    let (sender, receiver) = unbuffered();
    let (_open, other) = unbuffered::<u8>();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let mut select = pin!(async {
        select! { recv(receiver) -> value => value, recv(other) -> _ => Ok(0) }
    });
    assert!(select.as_mut().poll(&mut cx).is_pending());
    let owners = Arc::strong_count(&count);
    let mut later = pin!(receiver.recv());
    assert!(poll(later.as_mut()).is_pending());
    assert!(select.as_mut().poll(&mut cx).is_pending());
    assert_eq!(Arc::strong_count(&count), owners);
    sender.try_send(5).unwrap();
    assert!(poll(later.as_mut()).is_pending());
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(select.as_mut()), Poll::Ready(Ok(5)));
}

#[test]
#[should_panic(expected = "polled after its end")]
fn a_selector_that_has_ended_is_not_polled_again() {
    let (sender, receiver) = bounded(2);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let mut select = pin!(Selector::new().recv(&receiver, |value| value).select());
    assert_eq!(poll(select.as_mut()), Poll::Ready(Ok(1)));
    let _ = poll(select.as_mut());
}

#[test]
fn selects_on_many_threads_lose_and_double_nothing() {
    const ROUNDS: usize = 2_000;
    let channels = [unbuffered(), unbuffered()];
    let sum = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for i in 1..=ROUNDS {
                    block_on(async {
                        select! {
                            send(channels[0].0, i) -> sent => sent.unwrap(),
                            send(channels[1].0, i) -> sent => sent.unwrap(),
                        }
                    });
                }
            });
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let value = block_on(async {
                        select! {
                            recv(channels[1].1) -> value => value.unwrap(),
                            recv(channels[0].1) -> value => value.unwrap(),
                        }
                    });
                    sum.fetch_add(value, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(sum.load(Ordering::Relaxed), ROUNDS * (ROUNDS + 1));
}
