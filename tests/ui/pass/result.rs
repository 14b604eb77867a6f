use std::error::Error;

#[gort::main(procs = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let answer: u32 = "42".parse()?;
    assert_eq!(answer, 42);
    if answer == 42 {
        return Ok(());
    }
    Err("unreachable".into())
}
