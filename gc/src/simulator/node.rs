//! What is in the heap of the simulator: nodes with edges of all kinds.

use std::any::type_name;

use crate::object::ObjectRef;
use crate::{Edge, Gc, Guard, Mutex, Static, Tagged, TaggedEdge, Trace};

/// A pointer to a node, of whatever brand.
pub(super) type Pointer = Gc<'static, Node<'static>>;

#[derive(Trace)]
pub(super) struct Node<'g> {
    pub(super) tagged: TaggedEdge<'g, Node<'g>>,
    /// An object of its own, which is black or white with the edges in it.
    pub(super) edges: Gc<'g, [Edge<'g, Node<'g>>]>,
    pub(super) locked: Mutex<Bag<'g>>,
    /// So that blocks are full after a few nodes.
    bulk: Static<[u64; 200]>,
}

/// Contents of a lock that need no destructor: slots with them are free as soon as they are swept.
#[derive(Default, Trace)]
pub(super) struct Bag<'g> {
    pub(super) pointers: [Option<Gc<'g, Node<'g>>>; 4],
}

/// One of the edges of a node, and the tag that goes with what is put in.
pub(super) enum Field {
    Tagged(&'static TaggedEdge<'static, Node<'static>>, u8),
    Plain(&'static Edge<'static, Node<'static>>),
}

/// Moves a node to the heap whose plain edges lead to `targets`.
pub(super) fn node<'g>(
    g: &'g Guard,
    tagged: Option<Gc<'g, Node<'g>>>,
    targets: &[Option<Gc<'g, Node<'g>>>],
    locked: Bag<'g>,
) -> Gc<'g, Node<'g>> {
    g.alloc(Node {
        tagged: Tagged::new(tagged, 7).into(),
        edges: g.alloc_slice_from(targets.iter().map(|target| Edge::new(*target))),
        locked: Mutex::new(locked),
        bulk: Static([0; 200]),
    })
}

impl Node<'static> {
    /// The names of the types of [`objects`](Self::objects).
    pub(super) const TYPES: [fn() -> &'static str; 2] = [
        type_name::<Node<'static>>,
        type_name::<[Edge<'static, Node<'static>>]>,
    ];

    /// How many edges there are.
    pub(super) fn len(&self) -> usize {
        1 + self.edges.len()
    }

    /// An edge by its number.
    pub(super) fn field(&'static self, number: usize, tag: u8) -> Field {
        match number {
            0 => Field::Tagged(&self.tagged, tag),
            _ => Field::Plain(&self.edges.as_ref()[number - 1]),
        }
    }

    /// What all edges lead to.
    pub(super) fn targets(&self) -> impl Iterator<Item = Pointer> {
        let plain = self.edges.as_ref().iter().map(Edge::load);
        plain.chain([self.tagged.load().target()]).flatten()
    }

    /// The objects that a node consists of.
    pub(super) fn objects(node: Pointer) -> [ObjectRef; 2] {
        [node.object(), node.edges.object()]
    }
}

impl<'g> Bag<'g> {
    pub(super) fn of(pointer: Option<Gc<'g, Node<'g>>>) -> Self {
        Self {
            pointers: [pointer, None, None, None],
        }
    }

    /// Puts a pointer in, in the place of another if there is no room.
    pub(super) fn push(&mut self, pointer: Gc<'g, Node<'g>>) {
        let free = self.pointers.iter().position(Option::is_none);
        self.pointers[free.unwrap_or(0)] = Some(pointer);
    }

    pub(super) fn first(&self) -> Option<Gc<'g, Node<'g>>> {
        self.pointers.iter().flatten().next().copied()
    }

    pub(super) fn pop(&mut self) -> Option<Gc<'g, Node<'g>>> {
        self.pointers.iter_mut().find_map(Option::take)
    }
}

impl Field {
    pub(super) fn load(&self) -> Option<Pointer> {
        match self {
            Field::Tagged(edge, _) => edge.load().target(),
            Field::Plain(edge) => edge.load(),
        }
    }

    pub(super) fn store(&self, g: &Guard, new: Option<Pointer>) {
        match self {
            Field::Tagged(edge, tag) => edge.store(g, Tagged::new(new, *tag)),
            Field::Plain(edge) => edge.store(g, new),
        }
    }

    pub(super) fn swap(&self, g: &Guard, new: Option<Pointer>) -> Option<Pointer> {
        match self {
            Field::Tagged(edge, tag) => edge.swap(g, Tagged::new(new, *tag)).target(),
            Field::Plain(edge) => edge.swap(g, new),
        }
    }

    /// Changes what has been loaded, when nobody else can.
    pub(super) fn exchange(&self, g: &Guard, new: Option<Pointer>) -> Option<Pointer> {
        match self {
            Field::Tagged(edge, tag) => {
                edge.fetch_or(*tag);
                let changed = edge.compare_exchange(g, edge.load(), Tagged::new(new, *tag));
                changed.expect("it is what it was").target()
            }
            Field::Plain(edge) => {
                let changed = edge.compare_exchange(g, edge.load(), new);
                changed.ok().expect("it is what it was")
            }
        }
    }
}
