use gort::select;
use gort::sync::chan;

#[gort::main]
async fn main() {
    let (_sender, receiver) = chan::unbuffered::<u8>();
    select! {
        receive(receiver) -> _ => (),
    }
}
