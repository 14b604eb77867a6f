#[gort::main]
struct Main;

#[gort::test]
mod tests {}

#[gort::main]
const MAIN: usize = 1;

trait Service {
    #[gort::main]
    async fn run();
}

fn main() {
    let _ = (Main, MAIN);
}
