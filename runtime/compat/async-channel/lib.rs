//! Stands in for async-channel 2.5: the same names, on gort.

pub use gort::channel::{
    Closed, Receiver, Recv, RecvError, Send, SendError, Sender, TryRecvError, TrySendError,
    WeakReceiver, WeakSender, bounded, unbounded,
};
