#[gort::main]
async fn main() {
    let number: u32 = "7".parse()?;
    println!("{number}");
}

#[gort::main]
async fn wrong_error() -> Result<u32, std::fmt::Error> {
    let number = "7".parse::<u32>()?;
    Ok(number)
}
