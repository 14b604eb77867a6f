#![deny(warnings, missing_docs, unreachable_pub)]
//! Nothing in the expansion may offend the lints of a careful crate.

/// Starts here.
#[gort::main]
async fn main() {
    assert_eq!(greet().await, "hello");
}

async fn greet() -> &'static str {
    std::future::ready("hello").await
}
