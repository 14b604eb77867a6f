//! Looking at the heap: what is in it, and what points to what.
//!
//! Both functions here walk over all objects while the program goes on. Objects are not swept meanwhile, so all that is seen
//! is there; it need not be reachable any more. Nothing is written while the heap is held, so a slow writer holds up nobody.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use crate::object::ObjectRef;
use crate::root;
use crate::sweep::for_each_object;
use crate::trace::TypeInfo;
use crate::tracer::Tracer;

/// How much of the heap one type takes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TypeStats {
    /// The name of the type, as [`std::any::type_name`] spells it.
    pub type_name: &'static str,
    /// The objects of this type, dead ones included that have not been swept.
    pub objects: usize,
    /// Their bytes, without what they own outside the heap.
    pub bytes: usize,
    /// The size of one value; for slices that of one element.
    pub size: usize,
    /// Its alignment.
    pub align: usize,
    /// Its fields.
    pub info: TypeInfo,
}

/// How [`dump_graph`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphFormat {
    /// The language of Graphviz.
    Dot,
    /// One object with a list `objects`; each has `id`, `type`, `size`, `root` and a list `edges` of `field` and `to`.
    Json,
}

/// Returns how much of the heap each type takes, the largest first.
///
/// # Examples
///
/// ```
/// let kept = gort_gc::with(|g| g.alloc([7_u64; 100]).root(g));
/// let profile = gort_gc::heap_profile();
/// let arrays = profile.iter().find(|t| t.type_name == "[u64; 100]").unwrap();
/// assert!(arrays.objects >= 1 && arrays.bytes >= 800);
/// drop(kept);
/// ```
#[must_use]
pub fn heap_profile() -> Vec<TypeStats> {
    let mut types: BTreeMap<(&'static str, usize, usize), TypeStats> = BTreeMap::new();
    for_each_object(|object| {
        let vtable = object.vtable();
        let type_name = (vtable.type_name)();
        let (size, align) = (vtable.value.size(), vtable.value.align());
        // Types with the same name may differ: those of two functions, or of two versions of a crate.
        let entry = types.entry((type_name, size, align));
        let stats = entry.or_insert(TypeStats {
            type_name,
            objects: 0,
            bytes: 0,
            size,
            align,
            info: vtable.info,
        });
        stats.objects += 1;
        stats.bytes += object.bytes();
    });
    let mut types: Vec<TypeStats> = types.into_values().collect();
    types.sort_by_key(|stats| std::cmp::Reverse(stats.bytes));
    types
}

/// Writes all objects in the heap, and the pointers between them.
///
/// Edges are labelled with the names of fields; which pointer of a container in a field an edge stands for is not known.
/// Objects in a lock that is held are left out of the edges.
///
/// # Errors
///
/// Returns the error of the writer.
///
/// # Examples
///
/// ```
/// use gort_gc::{GraphFormat, dump_graph};
///
/// let mut dot = Vec::new();
/// dump_graph(&mut dot, GraphFormat::Dot)?;
/// assert!(dot.starts_with(b"digraph heap {"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn dump_graph(mut writer: impl Write, format: GraphFormat) -> io::Result<()> {
    let graph = Graph::take();
    let text = match format {
        GraphFormat::Dot => graph.dot(),
        GraphFormat::Json => graph.json(),
    };
    writer.write_all(text.as_bytes())
}

/// A picture of the heap.
struct Graph {
    objects: Vec<Node>,
    /// The addresses of rooted objects, sorted.
    roots: Vec<usize>,
}

struct Node {
    address: usize,
    type_name: &'static str,
    size: usize,
    /// The name of the field, and the address of the target.
    edges: Vec<(&'static str, usize)>,
}

impl Graph {
    fn take() -> Self {
        let mut objects = Vec::new();
        for_each_object(|object| objects.push(Node::of(object)));
        let mut roots = Vec::new();
        root::for_each(|object| roots.push(address(object)));
        roots.sort_unstable();
        Self { objects, roots }
    }

    fn is_root(&self, node: &Node) -> bool {
        self.roots.binary_search(&node.address).is_ok()
    }

    fn dot(&self) -> String {
        let mut text = String::from("digraph heap {\n    node [shape=box];\n");
        for node in &self.objects {
            let bold = if self.is_root(node) {
                ", style=bold"
            } else {
                ""
            };
            let label = escaped(node.type_name);
            let _ = writeln!(
                text,
                "    n{:x} [label=\"{label}\\n{} bytes\"{bold}];",
                node.address, node.size
            );
            for (field, to) in &node.edges {
                let _ = writeln!(
                    text,
                    "    n{:x} -> n{to:x} [label=\"{}\"];",
                    node.address,
                    escaped(field)
                );
            }
        }
        text.push_str("}\n");
        text
    }

    fn json(&self) -> String {
        let mut text = String::from("{\"objects\":[");
        for (i, node) in self.objects.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let (name, root) = (escaped(node.type_name), self.is_root(node));
            let _ = write!(
                text,
                "{comma}\n{{\"id\":\"{:x}\",\"type\":\"{name}\",\"size\":{},\"root\":{root},\"edges\":[",
                node.address, node.size
            );
            for (i, (field, to)) in node.edges.iter().enumerate() {
                let comma = if i == 0 { "" } else { "," };
                let _ = write!(
                    text,
                    "{comma}{{\"field\":\"{}\",\"to\":\"{to:x}\"}}",
                    escaped(field)
                );
            }
            text.push_str("]}");
        }
        text.push_str("\n]}\n");
        text
    }
}

impl Node {
    fn of(object: ObjectRef) -> Self {
        let vtable = object.vtable();
        let fields = vtable.info.fields();
        let mut edges = Vec::new();
        // A type without known fields counts as one.
        for index in 0..fields.len().max(1) {
            let name = fields.get(index).map_or("", |field| field.name());
            let mut visit = |target| edges.push((name, address(target)));
            object.trace_field(index, &mut Tracer::visiting(&mut visit));
        }
        Self {
            address: address(object),
            type_name: (vtable.type_name)(),
            size: object.size(),
            edges,
        }
    }
}

fn address(object: ObjectRef) -> usize {
    object.value().addr().get()
}

/// The names of types and fields have no control characters, but they may have quotes: those of a `const` parameter.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}
