//! TCP: [`TcpListener`] and [`TcpStream`], with the interface of async-net.

pub use listener::{Accept, Bind, Incoming, TcpListener};
pub use stream::{Connect, TcpStream};

mod listener;
mod stream;
