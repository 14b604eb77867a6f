use std::process::{ExitCode, Termination};

#[gort::main(flavor = "local")]
async fn main() -> impl Termination {
    ExitCode::SUCCESS
}
