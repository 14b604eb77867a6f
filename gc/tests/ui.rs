//! Programs that must compile and run (`ui/pass`), or must be refused with the message beside them (`ui/fail`).
//!
//! Most of those that must be refused are attacks: each would let a pointer outlive its guard, or hide it from the
//! collector. After a wanted change of messages write them anew with
//! `TRYBUILD=overwrite cargo test -p gort-gc --test ui`, and read the difference.

#[test]
fn programs_compile_or_are_refused_as_their_files_say() {
    let programs = trybuild::TestCases::new();
    programs.pass("tests/ui/pass/*.rs");
    programs.compile_fail("tests/ui/fail/*.rs");
}
