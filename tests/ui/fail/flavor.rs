#[gort::main(flavor = "single")]
async fn unknown() {}

#[gort::main(flavor = "multi_thread")]
async fn multi_thread() {}

#[gort::main(flavor = "current_thread")]
async fn current_thread() {}

#[gort::main(flavor = local)]
async fn bare() {}

#[gort::main(flavor = 1)]
async fn number() {}

#[gort::test(flavor = "")]
async fn test() {}

fn main() {}
