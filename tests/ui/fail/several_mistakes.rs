#[gort::main(procs = 0, flavour = "multi", crate = 1)]
unsafe fn main<T>(argument: T) {
    let _: u32 = "checked all the same";
    std::future::ready(argument).await;
}
