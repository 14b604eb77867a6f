struct Server;

impl Server {
    #[gort::main]
    async fn run(self) {}
}

#[gort::main]
async fn main(arguments: Vec<String>, count: usize) {
    println!("{} {count}", arguments.len());
}

#[gort::test]
async fn test(input: &str) -> usize {
    input.len()
}
