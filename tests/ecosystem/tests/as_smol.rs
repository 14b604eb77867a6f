//! The same programs on smol and on gort: what they report must be the same.
//!
//! The published tests of the originals are run by peer-suites. Here is what they do not look at, and programs rely on.

mod on_smol {
    use ::smol;
    include!("as_smol/cases.rs");
}

mod on_gort {
    use ::gort as smol;
    include!("as_smol/cases.rs");
}

#[test]
fn programs_report_the_same() {
    for ((name, theirs), (_, ours)) in on_smol::CASES.iter().zip(on_gort::CASES) {
        assert_eq!(theirs(), ours(), "{name}");
    }
}
