//! Sockets on the reactor of the process. They work on every thread and with every executor.

pub use gort_net::{Incoming, TcpListener, TcpStream};
