//! When to use `Gc`, `Arc`, or a channel.
//!
//! # A channel, if one task owns the data
//!
//! Most data has one owner at a time. Let one goroutine own it, and send it messages, or send the data itself along. There
//! is nothing to lock, nothing to collect, and the borrow checker knows all of it.
//!
//! ```
//! use std::sync::mpsc;
//!
//! let (requests, inbox) = mpsc::channel::<(u64, mpsc::Sender<u64>)>();
//! let owner = std::thread::spawn(move || {
//!     let mut total = 0;
//!     for (add, reply) in inbox {
//!         total += add;
//!         let _ = reply.send(total);
//!     }
//! });
//! let (reply, answers) = mpsc::channel();
//! requests.send((5, reply)).unwrap();
//! assert_eq!(answers.recv(), Ok(5));
//! drop(requests);
//! owner.join().unwrap();
//! ```
//!
//! # `Arc`, if it is shared, a tree, and passed around more than it is read
//!
//! Configuration, a connection pool, the state of a server: a few values, shared by many, without cycles. `Arc` frees them
//! at once, at a place you can name, and needs no guard. Each clone and drop changes a counter, which costs when many
//! threads clone one `Arc` all the time, and it cannot be swapped in a field without a lock.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! let hits = Arc::new(Mutex::new(0));
//! let threads: Vec<_> = (0..4).map(|_| {
//!     let hits = hits.clone();
//!     std::thread::spawn(move || *hits.lock().unwrap() += 1)
//! }).collect();
//! threads.into_iter().for_each(|thread| thread.join().unwrap());
//! assert_eq!(*hits.lock().unwrap(), 4);
//! ```
//!
//! # `Gc`, if it is a graph, or read by many while some change it
//!
//! Cycles (a scene, a dependency graph, a parent that knows its children that know their parent), structures that are read
//! without locks (caches, indexes, routing tables), and lock-free structures of your own. Reading an object costs what
//! reading a reference costs. What you have found stays valid until the end of your guard, even if it is removed meanwhile.
//!
//! ```
//! use gort_gc::{Edge, Gc, Mutex, Root, Trace, with};
//!
//! #[derive(Trace)]
//! struct Folder<'g> {
//!     name: String,
//!     parent: Edge<'g, Folder<'g>>,
//!     children: Mutex<Vec<Gc<'g, Folder<'g>>>>,
//! }
//!
//! let top: Root<Folder<'static>> = Root::new(|_| Folder {
//!     name: "/".to_owned(),
//!     parent: Edge::null(),
//!     children: Mutex::default(),
//! });
//! with(|g| {
//!     let top = top.get(g);
//!     let home = g.alloc(Folder {
//!         name: "home".to_owned(),
//!         parent: Edge::new(Some(top)),
//!         children: Mutex::default(),
//!     });
//!     top.children.lock(g).push(home);
//!     assert_eq!(home.parent.load().unwrap().name, "/");
//! });
//! ```
//!
//! The price: a lifetime parameter on these types, a guard around each access, destructors that run later and elsewhere,
//! and memory of about twice what is alive.
//!
//! # Side by side
//!
//! | | channel | `Arc` | `Gc` |
//! |---|---|---|---|
//! | cycles | no sharing | leak | collected |
//! | freed | at once | at once | at the next collection |
//! | a reader pays | a message | nothing, or a lock | a pin per visit |
//! | passing it on pays | a message | a counter | nothing within a guard |
//! | many writers | take turns | take the lock | lock-free, or a lock per object |
//! | across `.await` | yes | yes | as a [`Root`](crate::Root) |
//!
//! # Mixing them
//!
//! An `Arc`, a channel or a file goes into an object in a [`Static`](crate::Static), or in a field marked `#[gc(opaque)]`. A
//! [`Root`](crate::Root) goes into an `Arc` or a message. Do not put a root into an object of the heap if the other can
//! lead back: the two would never be collected.
//!
//! # With goroutines
//!
//! Hold a root across an `.await`, and enter the heap between two of them. The closure of [`with`](crate::with) cannot wait,
//! so no guard is held by accident. One that is held across an `.await` all the same, by a future that stays on its thread,
//! is reported with the place where it was made.
//!
//! ```
//! use gort_gc::collections::Queue;
//! use gort_gc::{Root, with};
//!
//! async fn drain(jobs: Root<Queue<'static, u64>>) -> u64 {
//!     let mut sum = 0;
//!     while let Some(job) = with(|g| jobs.get(g).pop(g).copied()) {
//!         sum += job;
//!         std::future::ready(()).await; // send it, sleep, whatever
//!     }
//!     sum
//! }
//! # let jobs: Root<Queue<'static, u64>> = Root::new(|g| Queue::new(g));
//! # with(|g| jobs.get(g).push(g, 4));
//! # let mut done = std::pin::pin!(drain(jobs));
//! # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
//! # assert_eq!(done.as_mut().poll(&mut cx), std::task::Poll::Ready(4));
//! ```
