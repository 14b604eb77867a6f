//! Everything at once, on several threads.

use super::*;

/// The state of a thread that does random things to a shared graph.
struct Walker {
    random: u64,
}

impl Walker {
    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % n
    }

    /// Walks through the graph, and changes it, by every kind of edge.
    fn step<'g>(&mut self, g: &'g Guard, from: Gc<'g, Node<'g>>) -> Gc<'g, Node<'g>> {
        let mut at = from;
        let mut hands = [from, Node::new(g, self.below(1_000))];
        for _ in 0..self.below(40) {
            at.check();
            let hand = hands[usize::try_from(self.below(2)).unwrap()];
            hand.check();
            let new = match self.below(4) {
                0 => None,
                1 => Some(Node::new(g, self.below(1_000))),
                _ => Some(hand),
            };
            let found = match self.below(12) {
                0 => at.next.swap(g, new),
                1 => {
                    let old = at.next.load();
                    at.next.store(g, new);
                    old
                }
                2 => {
                    let old = at.other.load();
                    let _ = at.other.compare_exchange(g, old, new);
                    old
                }
                3 => {
                    let mut locked = at.locked.lock(g);
                    locked.extend(new);
                    let many = locked.len() > 4;
                    if many {
                        Some(locked.swap_remove(0))
                    } else {
                        None
                    }
                }
                4 => at.locked.lock(g).pop(),
                5 => at
                    .locked
                    .try_lock(g)
                    .and_then(|locked| locked.last().copied()),
                6 => std::mem::replace(&mut *at.shared.write(g), new),
                7 => *at.shared.read(g),
                8 => at.shared.try_write(g).and_then(|mut shared| shared.take()),
                9 => Some(*at.once.get_or_init(g, || hand)),
                10 => at.other.load(),
                _ => at.next.load(),
            };
            if let Some(found) = found {
                found.check();
                hands[usize::try_from(self.below(2)).unwrap()] = at;
                at = found;
            }
        }
        at
    }
}

#[test]
fn threads_that_change_a_graph_in_every_way_never_meet_a_freed_object() {
    const ROOTS: u64 = 8;
    let roots: Vec<_> = with(|g| {
        (0..ROOTS)
            .map(|n| std::sync::Mutex::new(Node::new(g, n).root(g)))
            .collect()
    });
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collecting = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                collect();
            }
        });
        let walkers: Vec<_> = (1..=3)
            .map(|seed| {
                let roots = &roots;
                scope.spawn(move || {
                    let mut walker = Walker {
                        random: seed * 7919,
                    };
                    for round in 0..rounds(4_000) {
                        let root = &roots[usize::try_from(walker.below(ROOTS)).unwrap()];
                        let from = root.lock().unwrap().clone();
                        let at = with(|g| walker.step(g, from.get(g)).root(g));
                        if walker.below(4) == 0 {
                            *root.lock().unwrap() = at;
                        }
                        if round % 16 == 0 {
                            // The graph must not grow for ever.
                            let fresh = with(|g| Node::new(g, round).root(g));
                            *root.lock().unwrap() = fresh;
                        }
                    }
                })
            })
            .collect();
        let results: Vec<_> = walkers.into_iter().map(|walker| walker.join()).collect();
        stop.store(true, Ordering::Relaxed);
        collecting.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap());
    });
}

#[test]
fn scoped_threads_share_what_one_guard_holds() {
    for round in 0..rounds(100) {
        let outer = pin();
        let shared = Node::new(&outer, round);
        shared
            .next
            .store(&outer, Some(Node::new(&outer, round + 1)));
        // Held by this guard alone.
        let hidden = shared.next.take(&outer).unwrap();
        let number = outer.alloc(round);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // A younger pin, of another phase perhaps.
                let own = pin();
                shared.next.store(&own, Some(hidden));
                shared.locked.lock(&own).push(hidden);
                // A pointer to what holds no edges goes into an object of a younger guard.
                assert_eq!(*own.alloc((number,)).0, round);
                shared.once.get_or_init(&own, || hidden);
            });
        });
        let root = shared.root(&outer);
        drop(outer);
        if round % 10 == 0 {
            collect();
        }
        with(|g| {
            let shared = root.get(g);
            shared.next.load().unwrap().check();
            shared.locked.lock(g)[0].check();
            shared.once.get().unwrap().check();
        });
    }
}

#[test]
fn goroutines_would_hold_roots_across_an_await() {
    async fn use_it(root: Root<Node<'static>>) -> u64 {
        let mut sum = 0;
        for n in 0..10 {
            with(|g| root.get(g).next.store(g, Some(Node::new(g, n))));
            std::future::ready(()).await;
            sum += with(|g| root.get(g).next.load().unwrap().number);
        }
        sum
    }
    fn send(future: impl Future<Output = u64> + Send + 'static) -> impl Future<Output = u64> {
        future
    }
    let root = with(|g| Node::new(g, 0).root(g));
    let mut future = std::pin::pin!(send(use_it(root)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(
        future.as_mut().poll(&mut context),
        std::task::Poll::Ready(45)
    );
}
