#[gort::main(crate = 1)]
async fn number() {}

#[gort::main(crate = "not a path")]
async fn string() {}

#[gort::main(crate = gort::<u8>)]
async fn generic() {}

fn main() {}
