#[gort::main(foo = 1)]
async fn main() {}

#[gort::main(foo)]
async fn no_value() {}

#[gort::main(procs = 2, foo("bar", 1), flavor = "multi")]
async fn with_brackets() {}

#[gort::main(worker_threads = 2)]
async fn worker_threads() {}

#[gort::main(current_thread)]
async fn current_thread() {}

#[gort::main(multi_thread)]
async fn multi_thread() {}

#[gort::main(multi)]
async fn multi() {}

#[gort::test(start = "paused")]
async fn test() {}
