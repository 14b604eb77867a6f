//! What a runtime costs while hardly anything happens.

use std::time::Duration;

use super::timers::{sleep_and_compare, with_lateness};
use super::{Cx, Failure, Verdict, check, echo};
use crate::adapters::Runtime;
use crate::figures::{Figure, Meter};

/// How long new connections and tasks get to come to rest before the meter starts.
const SETTLE: Duration = Duration::from_millis(50);

/// Holds 1,000 connections on which nothing happens and 1,000 tasks that sleep for an hour.
pub(super) async fn idle<R: Runtime>(cx: Cx) -> Verdict {
    let count = cx.up_to(1_000);
    echo::need_descriptors(2 * count)?;
    let server = echo::serve::<R>(count).await?;
    let clients = echo::connect::<R>(server.address, count).await?;
    for client in clients {
        R::spawn_detached(async move {
            let end = echo::read_to_end::<R>(client).await;
            panic!("an idle connection read something: {end:?}");
        });
    }
    for _ in 0..count {
        R::spawn_detached(R::sleep(Duration::from_secs(3600)));
    }
    R::sleep(SETTLE).await;
    let meter = Meter::start();
    R::sleep(cx.duration()).await;
    let measured = meter.stop();
    check("connections", server.accepted(), count)?;
    let per_second = measured.cpu.as_secs_f64() / measured.wall.as_secs_f64();
    Ok(measured.common(1).with(Figure::CpuUsPerS, per_second * 1e6))
}

/// Runs 1,000 tasks that start one after the other and then sleep 100 ms over and over.
pub(super) async fn periodic<R: Runtime>(cx: Cx) -> Verdict {
    const PERIOD: Duration = Duration::from_millis(100);
    let tasks = cx.up_to(1_000);
    let rounds = cx.size / PERIOD.as_millis() as u64;
    let meter = Meter::start();
    let handles: Vec<_> = (0..tasks)
        .map(|task| {
            R::spawn(async move {
                R::sleep(PERIOD.mul_f64(task as f64 / tasks as f64)).await;
                let mut late = Vec::with_capacity(rounds as usize);
                for _ in 0..rounds {
                    late.push(sleep_and_compare::<R>(PERIOD).await);
                }
                late
            })
        })
        .collect();
    let mut late = Vec::new();
    for handle in handles {
        late.extend(handle.await);
    }
    let measured = meter.stop();
    let early = || Failure::Wrong("a sleep ended early".into());
    let mut late = late
        .into_iter()
        .collect::<Option<Vec<u32>>>()
        .ok_or_else(early)?;
    check("periods", late.len() as u64, tasks * rounds)?;
    // Each task also woke once to start.
    let wakes = tasks * (rounds + 1);
    let per_wake = measured.cpu.as_secs_f64() * 1e6 / wakes as f64;
    let figures = measured.common(wakes).with(Figure::CpuUsPerWake, per_wake);
    Ok(with_lateness(figures, &mut late))
}
