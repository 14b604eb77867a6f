#[gort::main]
async fn main<T: Default, const N: usize>() {
    let _ = [const { None::<T> }; N];
}

#[gort::main]
async fn lifetime<'a>() -> &'a str {
    "text"
}

#[gort::test]
async fn test<T>()
where
    T: Default,
{
    let _ = T::default();
}

#[gort::test]
async fn clause()
where
    u8: Copy,
{
}
