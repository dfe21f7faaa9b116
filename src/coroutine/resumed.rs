//! The outcome of a resume.

#![forbid(unsafe_code)]

/// The outcome of [`Coroutine::resume`](super::Coroutine::resume).
///
/// # Examples
///
/// ```
/// use leno::coroutine::{Coroutine, Resumed};
///
/// let coroutine = Coroutine::new(|yielder, ()| {
///     yielder.suspend("warp");
///     "weft"
/// });
/// for expected in [Resumed::Yield("warp"), Resumed::Return("weft")] {
///     assert_eq!(coroutine.resume(()), expected);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resumed<Yield, Return> {
    /// The coroutine has suspended itself with this value.
    Yield(Yield),
    /// The body has returned this value, and the coroutine is done.
    Return(Return),
}

impl<Yield, Return> Resumed<Yield, Return> {
    /// Returns the yielded value, or `None` if the body has returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::Resumed;
    ///
    /// assert_eq!(Resumed::<u8, ()>::Yield(1).as_yield(), Some(1));
    /// assert_eq!(Resumed::<u8, ()>::Return(()).as_yield(), None);
    /// ```
    #[inline]
    pub fn as_yield(self) -> Option<Yield> {
        match self {
            Resumed::Yield(value) => Some(value),
            Resumed::Return(_) => None,
        }
    }

    /// Returns the returned value, or `None` if the coroutine has yielded.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::Resumed;
    ///
    /// assert_eq!(Resumed::<(), u8>::Return(1).as_return(), Some(1));
    /// assert_eq!(Resumed::<(), u8>::Yield(()).as_return(), None);
    /// ```
    #[inline]
    pub fn as_return(self) -> Option<Return> {
        match self {
            Resumed::Yield(_) => None,
            Resumed::Return(value) => Some(value),
        }
    }
}
