#[gort::main(procs = 1, procs = 1)]
async fn main() {}

#[gort::main(flavor = "multi", procs = 1, flavor = "local")]
async fn flavor() {}

#[gort::test(crate = gort, crate = "gort")]
async fn test() {}
