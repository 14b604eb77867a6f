//! Crates of others that work on gort as they are published: the tests are beside this file.
//!
//! A package of its own, because what they depend on would be built with every test of gort's own.
