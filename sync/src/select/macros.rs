//! `select!`: arms are parsed one by one into a list, and the list becomes one [`Select`](super::Select).
//!
//! Each step of the parser makes one name for its arm; hygiene keeps the names apart.

/// Waits for several channels and futures, and does exactly one thing.
///
/// ```text
/// select! {
///     recv(receiver) -> result => ..,         // Result<T, RecvError>
///     send(sender, value) -> result => ..,    // Result<(), SendError<T>>; `value` is dropped if another arm wins
///     send_from(sender, slot) -> result => .., // the same; the value stays in `slot`, an Option<T>, if another arm wins
///     future(future) -> output => ..,         // any future; it is dropped if another arm wins
///     after(duration) => ..,                  // when so much time is over
///     default => ..,                          // if nothing is ready now
/// }
/// ```
///
/// It is used inside `async` code, where it waits; the bodies may `.await`, `return`, `break` and use `?`. Its value is that of
/// the body that ran.
///
/// * Among channels that are ready one is chosen at random, each as likely as the others. With `biased;` as the first words it
///   is the first arm that is ready.
/// * `receiver` and `sender` may be an `Option`: an arm with `None` is never ready, like a nil channel in Go. They are not moved.
/// * A closed channel is ready: receiving from it, once it is empty, and sending to it give an error.
/// * With `default` it never waits, and the default runs only if at one moment no channel was ready.
/// * Without any arm it waits for ever.
/// * All arms are evaluated once, from the top.
///
/// # Cancel safety
///
/// Exactly one channel arm commits, at one moment, even if both sides are in a select. A select that is dropped has taken and
/// sent nothing; a value that a sender handed to it just before goes back to the front of the channel. The future of a
/// `future` arm that does not win is dropped: use futures there that lose nothing by that, such as timers, joins, `recv`,
/// `Notify` and locks; or pin the future outside and pass `future(&mut pinned)`. A select with such an arm asks the
/// futures each time it is polled, and goes to the end of the channels' lines then.
///
/// # Examples
///
/// ```
/// use gort_sync::{chan, select};
///
/// # futures_lite::future::block_on(async {
/// let (sender, receiver) = chan::bounded(1);
/// let (_open, empty) = chan::unbuffered::<()>();
/// sender.send(1).await.unwrap();
///
/// let what = select! {
///     recv(empty) -> _ => "nothing ever comes",
///     recv(receiver) -> value => {
///         assert_eq!(value, Ok(1));
///         "a value"
///     }
///     send(sender, 2) -> _ => "there is no room",
/// };
/// assert_eq!(what, "a value");
///
/// let absent: Option<&chan::Receiver<u8>> = None;
/// let what = select! {
///     recv(absent) -> _ => "no such channel",
///     default => "nothing is ready",
/// };
/// assert_eq!(what, "nothing is ready");
/// # });
/// ```
#[macro_export]
macro_rules! select {
    () => { ::core::future::pending().await };
    (biased; $($rest:tt)*) => { $crate::__select!(@arms true [] [] $($rest)*) };
    ($($rest:tt)*) => { $crate::__select!(@arms false [] [] $($rest)*) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // @arms biased [arms so far] [default] rest
    (@arms $biased:tt [] []) => {
        ::core::compile_error!("select! with `biased;` needs an arm")
    };
    (@arms $biased:tt [] [$default:expr]) => { $default };
    (@arms $biased:tt [$($arms:tt)+] [$($default:expr)?]) => {
        $crate::__select!(@emit $biased [$($arms)+] [$($default)?])
    };
    (@arms $biased:tt $arms:tt $default:tt recv($receiver:expr $(,)?) -> $out:pat => $($rest:tt)*) => {
        $crate::__select!(@body $biased $arms $default
            ($crate::__private::RecvArm::new(&$receiver)) ($out) $($rest)*)
    };
    (@arms $biased:tt $arms:tt $default:tt send($sender:expr, $value:expr $(,)?) -> $out:pat => $($rest:tt)*) => {
        $crate::__select!(@body $biased $arms $default
            ($crate::__private::SendArm::new(&$sender, $value)) ($out) $($rest)*)
    };
    (@arms $biased:tt $arms:tt $default:tt send_from($sender:expr, $slot:expr $(,)?) -> $out:pat => $($rest:tt)*) => {
        $crate::__select!(@body $biased $arms $default
            ($crate::__private::SendArm::from(&$sender, &mut $slot)) ($out) $($rest)*)
    };
    (@arms $biased:tt $arms:tt $default:tt future($future:expr $(,)?) -> $out:pat => $($rest:tt)*) => {
        $crate::__select!(@body $biased $arms $default
            ($crate::__private::FutureArm::new($future)) ($out) $($rest)*)
    };
    (@arms $biased:tt $arms:tt $default:tt after($duration:expr $(,)?) => $($rest:tt)*) => {
        $crate::__select!(@body $biased $arms $default
            ($crate::__private::FutureArm::new($crate::__private::Deadline::after($duration))) (()) $($rest)*)
    };
    (@arms $biased:tt $arms:tt [] default => $body:block , $($rest:tt)*) => {
        $crate::__select!(@arms $biased $arms [$body] $($rest)*)
    };
    (@arms $biased:tt $arms:tt [] default => $body:block $($rest:tt)*) => {
        $crate::__select!(@arms $biased $arms [$body] $($rest)*)
    };
    (@arms $biased:tt $arms:tt [] default => $body:expr , $($rest:tt)*) => {
        $crate::__select!(@arms $biased $arms [$body] $($rest)*)
    };
    (@arms $biased:tt $arms:tt [] default => $body:expr) => {
        $crate::__select!(@arms $biased $arms [$body])
    };
    (@arms $biased:tt $arms:tt [$default:expr] default => $($rest:tt)*) => {
        ::core::compile_error!("select! has two `default` arms; one is all that can run")
    };
    (@arms $biased:tt $arms:tt $default:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "select! expects `recv(receiver) -> pattern => body`, `send(sender, value) -> pattern => body`, ",
            "`send_from(sender, slot) -> pattern => body`, `future(future) -> pattern => body`, `after(duration) => body` or ",
            "`default => body`, ",
            "separated by commas, and found `", ::core::stringify!($($rest)*), "`"
        ))
    };

    // @body biased [arms so far] [default] (arm) (pattern) body and rest
    (@body $biased:tt $arms:tt $default:tt $arm:tt $out:tt $body:block , $($rest:tt)*) => {
        $crate::__select!(@add $biased $arms $default $arm $out ($body) $($rest)*)
    };
    (@body $biased:tt $arms:tt $default:tt $arm:tt $out:tt $body:block $($rest:tt)*) => {
        $crate::__select!(@add $biased $arms $default $arm $out ($body) $($rest)*)
    };
    (@body $biased:tt $arms:tt $default:tt $arm:tt $out:tt $body:expr , $($rest:tt)*) => {
        $crate::__select!(@add $biased $arms $default $arm $out ($body) $($rest)*)
    };
    (@body $biased:tt $arms:tt $default:tt $arm:tt $out:tt $body:expr) => {
        $crate::__select!(@add $biased $arms $default $arm $out ($body))
    };
    (@body $biased:tt $arms:tt $default:tt $arm:tt $out:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "select! expects a body after `=>`, and a comma after it unless it is a block; found `",
            ::core::stringify!($($rest)*), "`"
        ))
    };

    (@add $biased:tt [$($arms:tt)*] $default:tt ($arm:expr) ($out:pat) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms $biased [$($arms)* { arm ($arm) ($out) ($body) }] $default $($rest)*)
    };

    (@emit $biased:tt [$({ $name:ident ($arm:expr) ($out:pat) ($body:expr) })+] [$($default:expr)?]) => {{
        // The arms, and with them what they borrow, end with this statement.
        let won = match ($($arm,)+) {
            ($($name,)+) => {
                let select = ::core::pin::pin!($crate::__private::Select::new(
                    $crate::__select!(@nest $($name)+),
                    $crate::__private::Options {
                        default: $crate::__select!(@is_some $($default)?),
                        biased: $biased,
                    },
                ));
                select.await
            }
        };
        match won {
            ::core::option::Option::Some(won) => $crate::__select!(@run won [$({ ($out) ($body) })+]),
            ::core::option::Option::None => $crate::__select!(@default $($default)?),
        }
    }};

    (@nest) => { () };
    (@nest $name:ident $($rest:ident)*) => { ($name, $crate::__select!(@nest $($rest)*)) };
    (@is_some) => { false };
    (@is_some $default:expr) => { true };
    (@default $default:expr) => { $default };
    (@default) => { ::core::unreachable!("a select without a default ends with an arm") };

    (@run $won:ident [{ ($out:pat) ($body:expr) } $($rest:tt)*]) => {
        match $won {
            $crate::__private::Won::This(out) => match out {
                $out => $body,
            },
            $crate::__private::Won::Later(later) => $crate::__select!(@run later [$($rest)*]),
        }
    };
    (@run $won:ident []) => { match $won {} };
}
