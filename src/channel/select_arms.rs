//! The expansion of `select!`: how its arms are parsed.

/// Takes one arm after the other: creates its case, and keeps it with the pattern and the
/// body to use if it is chosen. The second brackets keep the deadline and the body of the default.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_arms {
    // Each kind of arm, as a case: how it is made, how its result is taken, and the rest.
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] recv($receiver:expr $(,)?) -> $result:pat => $($rest:tt)+) => {
        $crate::__select_arms!(
            $biased; [$($done)*] [$($default)*]
            case (match &$receiver { end => end.__select_case() }) [] $result => $($rest)+
        )
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] send($sender:expr, $message:expr $(,)?) -> $result:pat => $($rest:tt)+) => {
        $crate::__select_arms!(
            $biased; [$($done)*] [$($default)*]
            case (match &$sender { end => end.__select_case($message) }) [] $result => $($rest)+
        )
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] join($handle:ident $(,)?) -> $result:pat => $($rest:tt)+) => {
        $crate::__select_arms!(
            $biased; [$($done)*] [$($default)*]
            case (match &$handle { handle => $crate::channel::__select::join(handle) }) [$handle.join()] $result => $($rest)+
        )
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] join($handle:expr $(,)?) => $($rest:tt)+) => {
        $crate::__select_arms!(
            $biased; [$($done)*] [$($default)*]
            case (match &$handle { handle => $crate::channel::__select::join(handle) }) [] () => $($rest)+
        )
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] readable($io:expr $(,)?) => $($rest:tt)+) => {
        $crate::__select_arms!(
            $biased; [$($done)*] [$($default)*]
            case (match &$io { io => $crate::channel::__select::readable(io) }) [] () => $($rest)+
        )
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] writable($io:expr $(,)?) => $($rest:tt)+) => {
        $crate::__select_arms!(
            $biased; [$($done)*] [$($default)*]
            case (match &$io { io => $crate::channel::__select::writable(io) }) [] () => $($rest)+
        )
    };
    // The body of a case.
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] case $case:tt $take:tt $result:pat => $body:block, $($rest:tt)*) => {
        match $case {
            case => $crate::__select_arms!($biased; [$($done)* (case, $take, $result, $body)] [$($default)*] $($rest)*),
        }
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] case $case:tt $take:tt $result:pat => $body:block $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] [$($default)*] case $case $take $result => $body, $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] case $case:tt $take:tt $result:pat => $body:expr, $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] [$($default)*] case $case $take $result => { $body }, $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] case $case:tt $take:tt $result:pat => $body:expr) => {
        $crate::__select_arms!($biased; [$($done)*] [$($default)*] case $case $take $result => { $body },)
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] case $case:tt $take:tt $result:pat => $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "expected a body, and a comma before the next arm, found: ",
            ::core::stringify!($($rest)*)
        ))
    };
    // default
    ($biased:expr; [$($done:tt)*] [$($default:tt)+] default $($rest:tt)*) => {
        ::core::compile_error!("a select has one `default` at most")
    };
    ($biased:expr; [$($done:tt)*] [] default $(())? => $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] [] by $crate::channel::__select::Deadline::Now; $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] [] default($timeout:expr $(,)?) => $($rest:tt)*) => {
        $crate::__select_arms!(
            $biased;
            [$($done)*] [] by $crate::channel::__select::IntoDeadline::into_deadline($timeout); $($rest)*
        )
    };
    ($biased:expr; [$($done:tt)*] [] by $deadline:expr; $body:block, $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] [$deadline, $body] $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] [] by $deadline:expr; $body:block $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] [$deadline, $body] $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] [] by $deadline:expr; $body:expr, $($rest:tt)*) => {
        $crate::__select_arms!($biased; [$($done)*] [$deadline, { $body }] $($rest)*)
    };
    ($biased:expr; [$($done:tt)*] [] by $deadline:expr; $body:expr) => {
        $crate::__select_arms!($biased; [$($done)*] [$deadline, { $body }])
    };
    // the end
    ($biased:expr; [$($done:tt)*] [$deadline:expr, $body:block]) => {
        $crate::__select_run!($biased, $deadline, $body; $($done)*)
    };
    ($biased:expr; [$($done:tt)+] []) => {
        $crate::__select_run!(
            $biased,
            $crate::channel::__select::Deadline::Never,
            { ::core::unreachable!("a select without a deadline ends with one of its cases") };
            $($done)*
        )
    };
    ($biased:expr; [$($done:tt)*] [$($default:tt)*] $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "expected `recv(receiver) -> result => body`, `send(sender, message) -> result => body`, ",
            "`join(handle) -> result => body`, `readable(socket) => body`, `writable(socket) => body`, ",
            "`default => body` or `default(timeout) => body`, found: ",
            ::core::stringify!($($rest)*)
        ))
    };
}

/// Waits, and runs the body of the chosen case.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_run {
    ($biased:expr, $deadline:expr, $default:block; $(($case:ident, $take:tt, $result:pat, $body:block))*) => {{
        $crate::channel::__select::select(
            &[$(&$case as &dyn $crate::channel::__select::Case),*],
            $deadline,
            $biased,
        );
        $crate::__select_bodies!($default; $(($case, $take, $result, $body))*)
    }};
}

/// Runs the body of the chosen case.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_bodies {
    ($default:block;) => { $default };
    ($default:block; ($case:ident, [$take:expr], $result:pat, $body:block) $($rest:tt)*) => {
        match $case.take() {
            ::core::option::Option::Some(()) => {
                let $result = $take;
                $body
            }
            ::core::option::Option::None => $crate::__select_bodies!($default; $($rest)*),
        }
    };
    ($default:block; ($case:ident, [], $result:pat, $body:block) $($rest:tt)*) => {
        match $case.take() {
            ::core::option::Option::Some(result) => {
                let $result = result;
                $body
            }
            ::core::option::Option::None => $crate::__select_bodies!($default; $($rest)*),
        }
    };
}
