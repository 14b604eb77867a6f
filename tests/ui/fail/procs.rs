const COUNT: usize = 2;

#[gort::main(procs = 0)]
async fn zero() {}

#[gort::main(procs = -1)]
async fn negative() {}

#[gort::main(procs = 99999999999999999999999)]
async fn huge() {}

#[gort::main(procs = 2u8)]
async fn suffix() {}

#[gort::main(procs = 1.5)]
async fn float() {}

#[gort::main(procs = "2")]
async fn quoted() {}

#[gort::main(procs = "two")]
async fn string() {}

#[gort::main(procs = COUNT)]
async fn constant() {}

#[gort::main(procs = 1 + 1)]
async fn expression() {}

#[gort::main(procs = true)]
async fn boolean() {}

#[gort::test(procs = 0)]
async fn test() {}

fn main() {
    let _ = COUNT;
}
