//! The spawn traits of the futures crate, for runtimes and executors. Feature `futures`.
//!
//! A spawned future is detached. Nothing here ever refuses one.

use futures_task::{FutureObj, LocalFutureObj, LocalSpawn, Spawn, SpawnError};

use crate::{Executor, Handle, LocalExecutor, Runtime, StaticExecutor, StaticLocalExecutor};

/// Spawns goroutines.
impl Spawn for Handle {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn(future).detach();
        Ok(())
    }
}

/// Spawns goroutines.
impl Spawn for Runtime {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn(future).detach();
        Ok(())
    }
}

impl Spawn for Executor<'_> {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn(future).detach();
        Ok(())
    }
}

impl Spawn for &'static StaticExecutor {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn(future).detach();
        Ok(())
    }
}

impl LocalSpawn for LocalExecutor<'_> {
    fn spawn_local_obj(&self, future: LocalFutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn(future).detach();
        Ok(())
    }
}

impl LocalSpawn for &'static StaticLocalExecutor {
    fn spawn_local_obj(&self, future: LocalFutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn(future).detach();
        Ok(())
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn every_spawner_runs_what_it_is_given() {
        let (send, receive) = gort_sync::channel::unbounded();
        let give = |n| {
            let send = send.clone();
            FutureObj::new(Box::new(async move {
                send.send(n).await.expect("the receiver waits");
            }))
        };
        let receive = async || receive.recv().await.expect("sent");

        let rt = crate::Builder::new().procs(1).build().expect("a runtime");
        rt.spawn_obj(give(1)).expect("never refused");
        assert_eq!(rt.block_on(receive()), 1);
        rt.handle().spawn_obj(give(2)).expect("never refused");
        assert_eq!(rt.block_on(receive()), 2);

        let ex = Executor::new();
        ex.spawn_obj(give(3)).expect("never refused");
        assert_eq!(crate::block_on(ex.run(receive())), 3);
        let ex = ex.leak();
        (&ex).spawn_obj(give(4)).expect("never refused");
        assert_eq!(crate::block_on(ex.run(receive())), 4);
    }

    #[test]
    fn local_spawners_take_what_is_not_send() {
        let ran = Rc::new(Cell::new(0));
        let add = || {
            let ran = ran.clone();
            LocalFutureObj::new(Box::new(async move { ran.set(ran.get() + 1) }))
        };
        let ex = LocalExecutor::new();
        ex.spawn_local_obj(add()).expect("never refused");
        assert!(ex.try_tick());
        let ex = ex.leak();
        (&ex).spawn_local_obj(add()).expect("never refused");
        assert!(ex.try_tick());
        assert_eq!(ran.get(), 2);
    }
}
