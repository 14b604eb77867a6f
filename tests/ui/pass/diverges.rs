#[gort::main]
async fn main() -> ! {
    std::future::ready(()).await;
    std::process::exit(0)
}
