#[gort::main("multi")]
async fn string() {}

#[gort::main(4)]
async fn number() {}

#[gort::main(procs = 2,, flavor = "multi")]
async fn two_commas() {}

#[gort::main(procs)]
async fn no_value() {}

#[gort::main(procs(2))]
async fn brackets() {}

#[gort::main(crate = )]
async fn empty_value() {}

#[gort::main(flavor: "local")]
async fn colon() {}

#[gort::main(some::path = 2)]
async fn path() {}

fn main() {}
