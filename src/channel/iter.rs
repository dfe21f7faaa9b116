//! Iterators over the messages of a channel.

/// Defines the iterators over the messages of a `Receiver`, by its methods `recv` and `try_recv`. The
/// examples create a channel by the function `$create`.
macro_rules! message_iterators {
    ($create:literal) => {
        /// An iterator over messages that waits for each; see [`Receiver::iter`].
        pub struct Iter<'a, T> {
            receiver: &'a Receiver<T>,
        }

        /// An iterator over the messages that are there; see [`Receiver::try_iter`].
        pub struct TryIter<'a, T> {
            receiver: &'a Receiver<T>,
        }

        /// An iterator over messages that waits for each, and owns its receiver.
        pub struct IntoIter<T> {
            receiver: Receiver<T>,
        }

        impl<T> Receiver<T> {
            /// Returns an iterator over the messages, which waits for each of them. It ends when all
            /// senders have been dropped and the channel is empty.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let (sender, receiver) = ", $create, "();")]
            /// sender.send(1).unwrap();
            /// sender.send(2).unwrap();
            /// drop(sender);
            /// assert_eq!(receiver.iter().sum::<i32>(), 3);
            /// ```
            pub fn iter(&self) -> Iter<'_, T> {
                Iter { receiver: self }
            }

            /// Returns an iterator over the messages that [`try_recv`](Receiver::try_recv) returns. It
            /// ends where that returns an error.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let (sender, receiver) = ", $create, "();")]
            /// sender.send(1).unwrap();
            /// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1]);
            /// ```
            pub fn try_iter(&self) -> TryIter<'_, T> {
                TryIter { receiver: self }
            }
        }

        impl<'a, T> IntoIterator for &'a Receiver<T> {
            type Item = T;
            type IntoIter = Iter<'a, T>;

            fn into_iter(self) -> Iter<'a, T> {
                self.iter()
            }
        }

        impl<T> IntoIterator for Receiver<T> {
            type Item = T;
            type IntoIter = IntoIter<T>;

            fn into_iter(self) -> IntoIter<T> {
                IntoIter { receiver: self }
            }
        }

        $crate::channel::message_iterators!(impl Iter<'_, T>: recv);
        $crate::channel::message_iterators!(impl TryIter<'_, T>: try_recv);
        $crate::channel::message_iterators!(impl IntoIter<T>: recv);
    };
    (impl $name:ident<$($parameter:tt),*>: $receive:ident) => {
        impl<T> Iterator for $name<$($parameter),*> {
            type Item = T;

            #[inline]
            #[track_caller]
            fn next(&mut self) -> Option<T> {
                self.receiver.$receive().ok()
            }
        }

        impl<T> std::fmt::Debug for $name<$($parameter),*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(concat!(stringify!($name), " { .. }"))
            }
        }
    };
}

pub(crate) use message_iterators;
