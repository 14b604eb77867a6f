//! Profiles and graphs of the heap. Other tests of the process are seen as well, so each here has types of its own.

use gort_gc::{
    Edge, Gc, GraphFormat, Mutex, Root, Static, Trace, TypeStats, collect, dump_graph,
    heap_profile, with,
};

#[track_caller]
fn profile_of(name: &str) -> TypeStats {
    let mut all = heap_profile().into_iter();
    all.find(|stats| stats.type_name.contains(name) && !stats.type_name.starts_with('['))
        .expect("the type is in the heap")
}

fn dump(format: GraphFormat) -> String {
    let mut text = Vec::new();
    dump_graph(&mut text, format).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_profile_counts_objects_by_type_and_knows_the_fields() {
    #[derive(Trace)]
    #[repr(C)]
    struct Profiled<'g> {
        number: u32,
        next: Edge<'g, Profiled<'g>>,
        #[gc(opaque)]
        opaque: [u16; 2],
    }
    let root: Root<Profiled<'static>> = with(|g| {
        let node = |next| {
            let (number, opaque) = (1, [2, 3]);
            g.alloc(Profiled {
                number,
                next,
                opaque,
            })
        };
        node(Edge::from(node(Edge::null()))).root(g)
    });
    let stats = profile_of("::Profiled");
    assert_eq!((stats.objects, stats.size, stats.align), (2, 24, 8));
    assert!(stats.bytes >= 48);
    let fields = stats
        .info
        .fields()
        .iter()
        .map(|f| (f.name(), f.offset(), f.type_name()));
    let fields: Vec<_> = fields.collect();
    assert_eq!(fields[0], ("number", Some(0), "u32"));
    assert_eq!((fields[1].0, fields[1].1), ("next", Some(8)));
    assert_eq!(fields[2], ("opaque", Some(16), "[u16; 2]"));
    with(|g| assert_eq!(root.get(g).number + u32::from(root.get(g).opaque[0]), 3));
    collect();
    assert_eq!(profile_of("::Profiled").objects, 2);
}

#[test]
fn fields_of_variants_are_named_with_the_variant() {
    #[derive(Trace)]
    enum Choice<'g> {
        Nothing,
        Pair(Static<u8>, Option<Gc<'g, u8>>),
        Named { r#type: u8 },
    }
    let root = with(|g| {
        g.alloc([Choice::Nothing, Choice::Named { r#type: 1 }]);
        g.alloc(Choice::Pair(Static(1), Some(g.alloc(2)))).root(g)
    });
    let stats = profile_of("::Choice");
    let names: Vec<_> = stats
        .info
        .fields()
        .iter()
        .map(|f| (f.name(), f.offset()))
        .collect();
    assert_eq!(
        names,
        [("Pair.0", None), ("Pair.1", None), ("Named.type", None)]
    );
    assert!(dump(GraphFormat::Dot).contains("[label=\"Pair.1\"]"));
    with(|g| assert!(!matches!(*root.get(g), Choice::Named { r#type: 0 })));
}

#[derive(Trace)]
struct Dumped<'g> {
    left: Edge<'g, Dumped<'g>>,
    many: Mutex<Vec<Gc<'g, Dumped<'g>>>>,
}

#[test]
fn a_graph_has_labelled_edges() {
    let root = with(|g| {
        let new = || {
            let (left, many) = (Edge::null(), Mutex::default());
            g.alloc(Dumped { left, many })
        };
        let (a, b) = (new(), new());
        a.left.store(g, Some(b));
        b.many.lock(g).extend([a, b]);
        a.root(g)
    });
    let (a, b) = with(|g| {
        let a = root.get(g);
        (
            format!("{:x}", Gc::addr(a)),
            format!("{:x}", Gc::addr(a.left.load().unwrap())),
        )
    });
    let dot = dump(GraphFormat::Dot);
    for edge in [
        format!("n{a} -> n{b} [label=\"left\"];"),
        format!("n{b} -> n{a} [label=\"many\"];"),
        format!("n{b} -> n{b} [label=\"many\"];"),
    ] {
        assert!(dot.contains(&edge), "{edge} is not in {dot}");
    }
    assert!(dot.ends_with("}\n"));
    let json = dump(GraphFormat::Json);
    let line = |id: &str| {
        let start = format!("{{\"id\":\"{id}\"");
        json.lines()
            .find(|line| line.starts_with(&start))
            .unwrap()
            .trim_end_matches(',')
    };
    assert!(line(&a).contains("\"root\":true"));
    assert!(line(&a).ends_with(&format!(
        "\"edges\":[{{\"field\":\"left\",\"to\":\"{b}\"}}]}}"
    )));
    assert!(line(&b).contains("\"root\":false"));
    assert!(line(&b).contains(&format!(
        "{{\"field\":\"many\",\"to\":\"{a}\"}},{{\"field\":\"many\",\"to\":\"{b}\"}}"
    )));
    assert!(json.starts_with("{\"objects\":[") && json.ends_with("]}\n"));
}

#[test]
fn looking_does_not_disturb_those_who_work() {
    let root = with(|g| {
        let (left, many) = (Edge::null(), Mutex::default());
        g.alloc(Dumped { left, many }).root(g)
    });
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            for _ in 0..2_000 {
                with(|g| {
                    let (left, many) = (Edge::from(root.get(g)), Mutex::default());
                    let new = g.alloc(Dumped { left, many });
                    let node = root.get(g);
                    let mut many = node.many.lock(g);
                    many.push(new);
                    if many.len() > 10 {
                        many.clear();
                    }
                });
            }
        });
        while !working.is_finished() {
            assert!(heap_profile().iter().any(|stats| stats.objects > 0));
            assert!(dump(GraphFormat::Json).contains("Dumped"));
            collect();
        }
    });
}

#[test]
fn a_writer_that_fails_is_reported() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = dump_graph(Full, GraphFormat::Dot).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}
