//! Claims about files and directories.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_lite::future::{poll_once, zip};
use futures_lite::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, StreamExt};
use gort::fs::{self, DirBuilder, File, OpenOptions};

/// A directory of the test's own, which goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gort-fs-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("it is new");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the future, and fails instead of hanging.
fn run<T>(future: impl Future<Output = io::Result<T>>) -> T {
    let limited = gort::time::timeout(Duration::from_secs(60), future);
    gort::block_on(limited)
        .expect("it does not hang")
        .expect("no error")
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|i| (i * 7 / 3) as u8).collect()
}

#[test]
fn what_is_written_is_read_back() {
    let dir = Scratch::new();
    run(async {
        let path = dir.path("file");
        // More than the queue holds, and than one read brings.
        let bytes = pattern(5_000_000);
        let mut file = File::create(&path).await?;
        file.write_all(&bytes).await?;
        file.flush().await?;
        assert_eq!(file.metadata().await?.len(), 5_000_000);

        let mut read = Vec::new();
        File::open(&path).await?.read_to_end(&mut read).await?;
        assert!(read == bytes);
        assert!(fs::read(&path).await? == bytes);
        Ok(())
    });
}

/// A small generator of its own, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// One step on both files; the outcome must be the same.
async fn step(ours: &mut File, theirs: &mut std::fs::File, random: &mut Random) -> io::Result<()> {
    match random.below(8) {
        0..=2 => {
            let mut buf = vec![0; random.below(200) as usize];
            let mut expected = buf.clone();
            // Short reads are up to the file: both read until the buffer is full, or the end.
            let (mut done, mut wanted) = (0, 0);
            while let n @ 1.. = ours.read(&mut buf[done..]).await? {
                done += n;
            }
            while let n @ 1.. = theirs.read(&mut expected[wanted..])? {
                wanted += n;
            }
            assert_eq!((done, &buf), (wanted, &expected));
        }
        3..=4 => {
            let bytes = vec![random.below(256) as u8; random.below(200) as usize];
            ours.write_all(&bytes).await?;
            theirs.write_all(&bytes)?;
        }
        5 => {
            let to = match random.below(3) {
                0 => SeekFrom::Start(random.below(3_000)),
                1 => SeekFrom::Current(random.below(400) as i64 - 200),
                _ => SeekFrom::End(random.below(400) as i64 - 300),
            };
            let ours = ours.seek(to).await.map_err(|error| error.kind());
            assert_eq!(
                ours,
                theirs.seek(to).map_err(|error| error.kind()),
                "{to:?}"
            );
        }
        6 => {
            ours.flush().await?;
            assert_eq!(ours.metadata().await?.len(), theirs.metadata()?.len());
        }
        _ => {
            let length = random.below(3_000);
            ours.set_len(length).await?;
            theirs.set_len(length)?;
        }
    }
    Ok(())
}

#[test]
fn reads_writes_and_seeks_in_any_order_do_what_std_does() {
    let dir = Scratch::new();
    run(async {
        for seed in 0..20 {
            let mut random = Random(seed);
            let (ours, theirs) = (dir.path("ours"), dir.path("theirs"));
            for path in [&ours, &theirs] {
                fs::write(path, pattern(2_000)).await?;
            }
            let mut file = options().open(&ours).await?;
            let mut model = std::fs::File::options();
            let mut model = model.read(true).write(true).open(&theirs)?;
            for _ in 0..100 {
                step(&mut file, &mut model, &mut random).await?;
            }
            file.close().await?;
            assert!(
                fs::read(&ours).await? == std::fs::read(&theirs)?,
                "seed {seed}"
            );
        }
        Ok(())
    });
}

#[test]
fn a_read_or_a_seek_that_is_given_up_loses_nothing() {
    let dir = Scratch::new();
    run(async {
        let path = dir.path("file");
        let bytes = pattern(300_000);
        fs::write(&path, &bytes).await?;
        let mut file = options().open(&path).await?;
        let mut read = Vec::new();
        while read.len() < bytes.len() {
            let mut buf = [0; 10_000];
            if let Some(n) = poll_once(file.read(&mut buf)).await {
                read.extend_from_slice(&buf[..n?]);
            }
        }
        assert!(read == bytes);

        drop(poll_once(file.seek(SeekFrom::Start(5))).await);
        assert_eq!(file.seek(SeekFrom::Start(7)).await?, 7);
        drop(poll_once(file.read(&mut [0])).await);
        file.write_all(b"here").await?;
        file.flush().await?;
        let place = file.seek(SeekFrom::Current(0)).await?;
        // The read took its byte, or it did not.
        assert!([11, 12].contains(&place), "{place}");
        let place = place as usize;
        assert_eq!(&fs::read(&path).await?[place - 4..place], b"here");
        Ok(())
    });
}

#[test]
fn a_file_that_is_dropped_is_still_written() {
    let dir = Scratch::new();
    run(async {
        let path = dir.path("file");
        let bytes = pattern(500_000);
        let mut file = File::create(&path).await?;
        file.write_all(&bytes).await?;
        drop(file);
        while fs::read(&path).await? != bytes {
            gort::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_error_of_a_write_is_told_once() {
    run(async {
        let mut full = OpenOptions::new().write(true).open("/dev/full").await?;
        // Perhaps the first bytes have failed by now.
        let _ = full.write_all(&[0; 100]).await;
        let _ = full.write_all(&[0; 100]).await;
        let error = loop {
            if let Err(error) = full.flush().await {
                break error;
            }
            full.write_all(&[0; 100])
                .await
                .or_else(|error| match error.kind() {
                    ErrorKind::StorageFull => Ok(()),
                    _ => Err(error),
                })?;
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        full.flush().await?;
        full.sync_all().await.expect_err("it is no file on a disk");
        Ok(())
    });
}

#[test]
fn what_cannot_seek_is_read_and_written_all_the_same() {
    run(async {
        let (reader, writer) = io::pipe()?;
        let (mut reader, mut writer) = (
            File::from(std::os::fd::OwnedFd::from(reader)),
            File::from(std::os::fd::OwnedFd::from(writer)),
        );
        let write = async {
            for _ in 0..100 {
                writer.write_all(&pattern(10_000)).await?;
            }
            writer.flush().await?;
            drop(writer);
            io::Result::Ok(())
        };
        let mut read = Vec::new();
        let (written, _) = zip(write, reader.read_to_end(&mut read)).await;
        written?;
        assert!(read == pattern(10_000).repeat(100));
        assert!(reader.seek(SeekFrom::Start(0)).await.is_err());
        Ok(())
    });
}

#[test]
fn a_call_that_is_not_polled_is_not_made() {
    let dir = Scratch::new();
    run(async {
        let path = dir.path("file");
        drop(fs::write(&path, b"hello"));
        drop(File::create(&path));
        thread::sleep(Duration::from_millis(20));
        assert_eq!(
            fs::metadata(&path).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        Ok(())
    });
}

#[test]
fn a_directory_tells_each_of_its_entries_once() {
    let dir = Scratch::new();
    run(async {
        let names: BTreeSet<_> = (0..300).map(|i| format!("{i}")).collect();
        for name in &names {
            fs::write(dir.path(name), name).await?;
        }
        DirBuilder::new()
            .recursive(true)
            .create(dir.path("a/b/c"))
            .await?;
        let mut found = BTreeSet::new();
        let mut entries = fs::read_dir(&dir.0).await?;
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            let name = entry.file_name().into_string().expect("UTF-8");
            assert_eq!(entry.path(), dir.path(&name));
            assert_eq!(entry.file_type().await?.is_dir(), name == "a");
            if name != "a" {
                assert_eq!(entry.metadata().await?.len(), name.len() as u64);
                assert!(found.insert(name));
            }
        }
        assert_eq!(found, names);
        assert!(entries.next().await.is_none());
        Ok(())
    });
}

#[test]
fn names_links_and_permissions_are_std_s() {
    use gort::fs::unix::{DirBuilderExt, DirEntryExt, OpenOptionsExt, PermissionsExt, symlink};

    let dir = Scratch::new();
    run(async {
        let (one, two, three) = (dir.path("one"), dir.path("two"), dir.path("three"));
        fs::write(&one, "hello").await?;
        assert_eq!(fs::copy(&one, &two).await?, 5);
        fs::rename(&two, &three).await?;
        assert_eq!(fs::read_to_string(&three).await?, "hello");
        fs::hard_link(&one, &two).await?;
        let mut perm = fs::metadata(&one).await?.permissions();
        perm.set_mode(0o600);
        fs::set_permissions(&one, perm.clone()).await?;
        File::open(&two).await?.set_permissions(perm).await?;
        assert_eq!(
            fs::metadata(&two).await?.permissions().mode() & 0o777,
            0o600
        );

        let link = dir.path("link");
        symlink(&one, &link).await?;
        assert!(fs::symlink_metadata(&link).await?.file_type().is_symlink());
        assert!(fs::metadata(&link).await?.is_file());
        assert_eq!(fs::read_link(&link).await?, one);
        assert_eq!(
            fs::canonicalize(&link).await?,
            fs::canonicalize(&one).await?
        );

        DirBuilder::new()
            .mode(0o700)
            .create(dir.path("sub"))
            .await?;
        let mode = fs::metadata(dir.path("sub")).await?.permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let new = dir.path("sub/new");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&new)
            .await?;
        let entry = fs::read_dir(dir.path("sub"))
            .await?
            .next()
            .await
            .expect("one")?;
        assert_ne!(entry.ino(), 0);
        for outcome in [
            fs::create_dir(dir.path("sub")).await,
            fs::remove_dir(dir.path("sub")).await,
        ] {
            outcome.expect_err("it is there, and not empty");
        }
        fs::remove_file(&new).await?;
        fs::remove_dir(dir.path("sub")).await?;
        fs::create_dir_all(dir.path("x/y")).await?;
        fs::remove_dir_all(dir.path("x")).await
    });
}

#[test]
fn a_file_goes_where_tasks_go() {
    fn is<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    is::<File>();
    fn is_sent<T: Send + Unpin + 'static>(_: T) {}
    is_sent(fs::read(Path::new("borrowed")));
    is_sent(OpenOptions::new().open(Path::new("borrowed")));
}
