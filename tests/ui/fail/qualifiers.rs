#[gort::main]
async unsafe fn main() {}

#[gort::main]
async extern "C" fn foreign() {}

#[gort::test]
const async fn test() {}
