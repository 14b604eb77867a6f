//! A graph with cycles that 1,000 goroutines change at the same time, and a collector that finds what they cut off.
//!
//! Each goroutine walks through the graph, and at each node may replace an edge by one to a new node. Whatever cannot be
//! reached any more is garbage, rings included; nobody says so to anybody.
//!
//! `cargo run --release --example gc_graph [GOROUTINES]`

use std::process::exit;

use gort::gc::{self, Edge, Gc, Guard, Root, Trace};

/// Edges per node.
const DEGREE: usize = 3;
/// Nodes that are rooted at the beginning, in a ring.
const RING: usize = 100;
/// Walks of a goroutine; it yields after each.
const WALKS: usize = 20;
/// Steps of a walk.
const STEPS: usize = 20;

#[derive(Trace)]
struct Node<'g> {
    /// The sum of a node's numbers never changes. If memory were reused too early, it would.
    number: u64,
    complement: u64,
    edges: [Edge<'g, Node<'g>>; DEGREE],
}

impl<'g> Node<'g> {
    fn new(g: &'g Guard, number: u64, target: Option<Gc<'g, Node<'g>>>) -> Gc<'g, Node<'g>> {
        g.alloc(Node {
            number,
            complement: !number,
            edges: std::array::from_fn(|_| Edge::new(target)),
        })
    }
}

#[gort::main]
async fn main() {
    let goroutines = goroutines();
    let start: Root<Node<'static>> = gc::with(|g| ring(g).root(g));
    let walkers: Vec<_> = (0..goroutines)
        .map(|n| gort::spawn(walk_and_change(start.clone(), n + 1)))
        .collect();
    let mut made = RING;
    for walker in walkers {
        made += walker.await;
    }
    let alive = gort::blocking(move || {
        // Twice: what was cut off while a collection was going on may have survived it.
        gc::collect();
        gc::collect();
        let nodes = |t: &gc::TypeStats| t.type_name.contains("Node").then_some(t.objects);
        let alive = gc::heap_profile().iter().find_map(nodes).unwrap_or(0);
        assert_eq!(
            gc::with(|g| count(start.get(g))),
            alive,
            "what is left can be reached"
        );
        alive
    });
    println!(
        "{goroutines} goroutines made {made} nodes, {} were garbage",
        made - alive
    );
}

fn goroutines() -> u64 {
    let Some(argument) = std::env::args().nth(1) else {
        return 1_000;
    };
    argument.parse().unwrap_or_else(|error| {
        eprintln!("{argument:?} is no number of goroutines ({error}); give one like 1000");
        exit(2)
    })
}

/// Makes a ring, and returns one of its nodes.
fn ring(g: &Guard) -> Gc<'_, Node<'_>> {
    let first = Node::new(g, 0, None);
    let mut last = first;
    for number in 1..RING as u64 {
        last = Node::new(g, number, Some(last));
    }
    first.edges[0].store(g, Some(last));
    first
}

/// Returns how many nodes it has made.
async fn walk_and_change(start: Root<Node<'static>>, seed: u64) -> usize {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut made = 0;
    for _ in 0..WALKS {
        // No guard is held while the goroutine waits.
        made += gc::with(|g| walk(g, start.get(g), &mut random));
        gort::task::yield_now().await;
    }
    made
}

fn walk<'g>(g: &'g Guard, start: Gc<'g, Node<'g>>, random: &mut u64) -> usize {
    let (mut at, mut made) = (start, 0);
    for _ in 0..STEPS {
        assert_eq!(at.number, !at.complement, "a node was freed too early");
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let edge = &at.as_ref().edges[*random as usize % DEGREE];
        let target = edge.load();
        if *random & 0x700 == 0 {
            // A new node that leads back to the start, in place of whatever was there.
            let new = Node::new(g, *random, Some(start));
            made += 1;
            // Another goroutine may have been faster; then this one is garbage already.
            let _ = edge.compare_exchange(g, target, Some(new));
        }
        at = target.unwrap_or(start);
    }
    made
}

/// Counts the nodes that can be reached.
fn count<'g>(start: Gc<'g, Node<'g>>) -> usize {
    let mut seen = std::collections::HashSet::from([Gc::addr(start)]);
    let mut todo = vec![start];
    while let Some(node) = todo.pop() {
        todo.extend(
            node.edges
                .iter()
                .filter_map(Edge::load)
                .filter(|node| seen.insert(Gc::addr(*node))),
        );
    }
    seen.len()
}
