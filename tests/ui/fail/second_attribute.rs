#[gort::test]
#[test]
async fn test_below() {}

#[gort::test]
#[::core::prelude::v1::test]
async fn full_path() {}

#[gort::test]
#[gort::test]
async fn twice() {}

#[gort::test]
#[gort::main]
async fn main_below() {}

#[gort::main]
#[should_panic]
#[test]
async fn main_above() {}

#[gort::main]
#[gort::main(procs = 1)]
async fn main() {}
