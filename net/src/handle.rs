//! What every socket type of this crate is besides its operations: a handle to an [`Async`](crate::Async) that others may share.

/// The conversions of a handle `$handle` to a socket `$socket` of std. The handle has `fn from_io(Arc<Async<_>>)` and `fn io()`.
macro_rules! handle {
    ($handle:ty, $socket:ty) => {
        impl From<Async<$socket>> for $handle {
            fn from(io: Async<$socket>) -> Self {
                Self::from_io(Arc::new(io))
            }
        }

        impl From<$handle> for Arc<Async<$socket>> {
            fn from(handle: $handle) -> Self {
                Arc::clone(handle.io())
            }
        }

        impl TryFrom<$socket> for $handle {
            type Error = io::Error;

            #[track_caller]
            fn try_from(socket: $socket) -> io::Result<Self> {
                Async::new(socket).map(Self::from)
            }
        }

        impl TryFrom<OwnedFd> for $handle {
            type Error = io::Error;

            /// Whether the descriptor is such a socket is not checked.
            #[track_caller]
            fn try_from(fd: OwnedFd) -> io::Result<Self> {
                Self::try_from(<$socket>::from(fd))
            }
        }

        impl AsFd for $handle {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.io().as_fd()
            }
        }

        impl AsRawFd for $handle {
            fn as_raw_fd(&self) -> RawFd {
                self.io().as_raw_fd()
            }
        }
    };
}
pub(crate) use handle;
