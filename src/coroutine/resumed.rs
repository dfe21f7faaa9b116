//! What a resume comes back with.

#![forbid(unsafe_code)]

/// What [`Coroutine::resume`](super::Coroutine::resume) came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resumed<Yield, Return> {
    /// The coroutine has suspended itself, with this value.
    Yield(Yield),
    /// The coroutine's body has returned this value. It is done.
    Return(Return),
}

impl<Yield, Return> Resumed<Yield, Return> {
    /// The yielded value, if it is one.
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

    /// The returned value, if it is one.
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
