#[gort::main(flavor = "local", procs = 1)]
async fn main() {}

#[gort::test(procs = 2, flavor = "local")]
async fn test() {}
