//! Models of select: the code that ships, in every order that a few threads can run in.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use gort_primitives::thread;
use loom::future::block_on;

use super::{Options, RecvArm, Select};
use crate::chan::{bounded, unbuffered};

/// Both sides are selects, and each could serve the other in two ways: they must agree on one.
#[test]
fn model_two_selects_agree() {
    loom::model(|| {
        let (to, from) = unbuffered();
        let (back, reply) = unbuffered();
        let thread = thread::spawn(move || {
            block_on(async {
                select! {
                    biased;
                    recv(from) -> value => value.unwrap(),
                    send(back, 2) -> sent => { sent.unwrap(); 2 }
                }
            })
        });
        let here = block_on(async {
            select! {
                biased;
                recv(reply) -> value => value.unwrap(),
                send(to, 1) -> sent => { sent.unwrap(); 1 }
            }
        });
        assert_eq!(here, thread.join().unwrap());
    });
}

/// Two senders that hold different locks compete for one select.
#[test]
fn model_one_of_two_senders_wins_a_select() {
    loom::model(|| {
        let (one, from_one) = unbuffered();
        let (two, from_two) = unbuffered();
        // Nothing closes.
        let _open = (one.clone(), two.clone());
        let threads = [one, two].map(|sender| thread::spawn(move || sender.try_send(1).is_ok()));
        let mut select = pin!(async {
            select! {
                biased;
                recv(from_one) -> value => value.unwrap(),
                recv(from_two) -> value => value.unwrap(),
            }
        });
        let early = select
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        let sent = threads.map(|thread| usize::from(thread.join().unwrap()));
        let got = early.is_ready() || {
            let late = select
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            late.is_ready()
        };
        assert_eq!(usize::from(got), sent[0] + sent[1]);
    });
}

/// A select is dropped just when a sender commits to it: the value is still in the channel.
#[test]
fn model_a_dropped_select_gives_back() {
    loom::model(|| {
        let (sender, receiver) = unbuffered();
        let (open, other) = unbuffered::<u8>();
        // Nothing closes.
        let _open = (open, sender.clone());
        let thread = thread::spawn(move || sender.try_send(1).is_ok());
        let taken = {
            let mut select = pin!(async {
                select! {
                    biased;
                    recv(receiver) -> value => value.unwrap(),
                    recv(other) -> _ => 0,
                }
            });
            let mut cx = Context::from_waker(Waker::noop());
            select.as_mut().poll(&mut cx).is_ready()
        };
        let sent = thread.join().unwrap();
        assert_eq!(sent, taken || receiver.try_recv().is_ok());
    });
}

/// The waker changes while a sender commits: one of both is woken, and nothing is lost.
#[test]
fn model_a_select_is_polled_again_while_it_is_won() {
    loom::model(|| {
        let (sender, receiver) = unbuffered();
        let (_open, other) = unbuffered::<u8>();
        let thread = thread::spawn(move || block_on(sender.send(1)).unwrap());
        let mut select = pin!(async {
            select! {
                biased;
                recv(receiver) -> value => value.unwrap(),
                recv(other) -> _ => 0,
            }
        });
        let mut cx = Context::from_waker(Waker::noop());
        if select.as_mut().poll(&mut cx).is_pending() {
            assert_eq!(block_on(select), 1);
        }
        thread.join().unwrap();
    });
}

/// There is a value in one channel or the other at every moment, so none is found at which there was nothing, in whatever order
/// the select looks at them.
#[test]
fn model_a_default_needs_a_moment_without_values() {
    for [first, second] in [[0, 1], [1, 0]] {
        loom::model(move || {
            let channels = [bounded(1), bounded(1)];
            channels[0].0.try_send(1).unwrap();
            let receivers = [first, second].map(|i| channels[i].1.clone());
            let thread = thread::spawn(move || {
                let [one, other] = receivers.each_ref().map(RecvArm::new);
                let options = Options {
                    default: true,
                    biased: true,
                };
                Select::new((one, (other, ())), options).is_quiet()
            });
            channels[1].0.try_send(2).unwrap();
            channels[0].1.try_recv().unwrap();
            assert!(!thread.join().unwrap());
        });
    }
}
