#[gort::main(crate = "nowhere::gort")]
async fn leads_nowhere() {}

#[gort::main(crate = nowhere)]
async fn leads_nowhere_bare() {}

fn main() {}
