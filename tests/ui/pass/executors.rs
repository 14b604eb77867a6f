use std::rc::Rc;
use std::sync::Arc;

use gort::{Executor, LocalExecutor};

#[gort::main]
async fn main(ex: &Executor<'_>) -> Result<(), std::num::ParseIntError> {
    let answer: u32 = "42".parse()?;
    assert_eq!(ex.spawn(async move { answer }).await, 42);
    shared();
    local(2);
    local_shared();
    Ok(())
}

#[gort::main(procs = 3)]
async fn shared(ex: Arc<Executor<'static>>) {
    let inner = ex.clone();
    let task = ex.spawn(async move { inner.spawn(async { 1 }).await });
    assert_eq!(task.await, 1);
}

fn local(expected: i32) {
    #[gort::main(flavor = "local")]
    async fn run(ex: &LocalExecutor<'static>) -> i32 {
        let two = Rc::new(2);
        ex.spawn(async move { *two }).await
    }
    assert_eq!(run(), expected);
}

#[gort::main]
async fn local_shared(ex: Rc<gort::LocalExecutor<'static>>) {
    let inner = ex.clone();
    let task = ex.spawn(async move { inner.spawn(async { Rc::new(1) }).await });
    assert_eq!(*task.await, 1);
}
