struct Server;

impl Server {
    #[gort::main]
    async fn run() -> u32 {
        Self::port()
    }

    fn port() -> u32 {
        8080
    }
}

fn main() {
    Server::run();
}
