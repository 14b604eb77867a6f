//! Channels with the contract of async-channel, polled by hand, on plain threads, and under several executors.

#[path = "channel/contract.rs"]
mod contract;
#[path = "channel/handles.rs"]
mod handles;
#[path = "channel/lines.rs"]
mod lines;
#[path = "channel/streams.rs"]
mod streams;
#[path = "locks/support.rs"]
mod support;
#[path = "channel/tasks.rs"]
mod tasks;
#[path = "channel/wakers.rs"]
mod wakers;
#[path = "channel/worlds.rs"]
mod worlds;
