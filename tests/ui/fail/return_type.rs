use std::num::ParseIntError;

#[gort::main]
async fn main() -> Result<(), ParseIntError> {
    let number: u32 = "7".parse()?;
    println!("{number}");
}

#[gort::main]
async fn tail() -> u32 {
    "seven"
}

#[gort::main]
async fn returns() -> u32 {
    if std::env::args().count() > 1 {
        return "seven";
    }
    7
}

#[gort::main]
async fn unit() {
    7
}
