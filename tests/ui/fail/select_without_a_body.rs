use gort::select;
use gort::sync::chan;

#[gort::main]
async fn main() {
    let (_sender, receiver) = chan::unbuffered::<u8>();
    select! {
        recv(receiver) -> value => value.unwrap()
        default => 0,
    }
}
