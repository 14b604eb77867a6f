//! The file system with a single thread in the pool. A process of its own, because the pool is the process's.

use std::num::NonZeroUsize;

use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use gort::fs;

#[test]
fn files_and_directories_that_are_left_halfway_keep_no_thread() {
    gort::task::set_max_blocking_threads(NonZeroUsize::MIN);
    let dir = std::env::temp_dir().join(format!("gort-fs-one-{}", std::process::id()));
    let work = async {
        fs::create_dir(&dir).await?;
        let bytes = vec![7; 300_000];
        for name in 0..100 {
            fs::write(dir.join(name.to_string()), b"").await?;
        }
        let (mut files, mut lists) = (Vec::new(), Vec::new());
        for name in 0..10 {
            let path = dir.join(name.to_string());
            let mut written = fs::File::create(&path).await?;
            written.write_all(&bytes).await?;
            let mut read = fs::File::open(&path).await?;
            let _ = read.read(&mut [0; 10]).await?;
            files.push((read, written));
            let mut list = fs::read_dir(&dir).await?;
            let _ = list.next().await.expect("it is not empty")?;
            lists.push(list);
        }
        for (read, written) in &mut files {
            written.flush().await?;
            read.read_exact(&mut vec![0; 100_000]).await?;
        }
        for list in &mut lists {
            assert_eq!(list.count().await, 99);
        }
        std::io::Result::Ok(())
    };
    let done = gort::block_on(gort::time::timeout(
        std::time::Duration::from_secs(60),
        work,
    ));
    let _ = std::fs::remove_dir_all(&dir);
    done.expect("it does not hang").expect("no error");
}
