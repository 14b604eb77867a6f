#[gort::main]
fn main() {
    std::future::ready(()).await;
}

#[gort::test]
fn test() {}

#[gort::test]
pub(crate) fn visible() -> Result<(), std::fmt::Error> {
    std::future::ready(Ok(())).await?;
    Ok(())
}
