//! Values that cross a switch: small ones travel in the word, large ones stay
//! where they are and the word points to them.

use std::mem::{ManuallyDrop, MaybeUninit, align_of, size_of};
use std::ptr;

use crate::arch::Word;

const fn fits<T>() -> bool {
    size_of::<T>() <= size_of::<Word>() && align_of::<T>() <= align_of::<Word>()
}

/// Encodes `value`, which is given up.
///
/// If it does not fit into a word, it must stay where it is until the other side
/// has decoded it, which every receiver does first thing after the switch.
#[inline(always)]
pub(super) fn encode<T>(value: &mut ManuallyDrop<T>) -> Word {
    let mut word = Word::uninit();
    if fits::<T>() {
        // SAFETY: it fits; bytes are copied as they are, initialised or not.
        unsafe {
            ptr::from_mut(value)
                .cast::<MaybeUninit<u8>>()
                .copy_to_nonoverlapping(word.as_mut_ptr().cast(), size_of::<T>());
        }
    } else {
        word.write(ptr::from_mut(value).expose_provenance());
    }
    word
}

/// Decodes a value, which becomes the caller's.
///
/// # Safety
///
/// `word` must come from [`encode`] of a `T`, and be decoded once, while the
/// value that was encoded is still in its place.
#[inline(always)]
pub(super) unsafe fn decode<T>(word: Word) -> T {
    // SAFETY: the caller says that it is a T, in the word or where it points.
    unsafe {
        if fits::<T>() {
            word.as_ptr().cast::<T>().read()
        } else {
            ptr::with_exposed_provenance::<T>(word.assume_init()).read()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T>(value: T) -> T {
        let mut value = ManuallyDrop::new(value);
        let word = encode(&mut value);
        // SAFETY: encoded above, and decoded once.
        unsafe { decode(word) }
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(64))]
    struct AlignedNothing;

    #[test]
    fn every_shape_comes_back() {
        there_and_back(());
        assert_eq!(there_and_back(7u8), 7);
        assert_eq!(there_and_back((1u8, 2u32)), (1, 2));
        assert_eq!(there_and_back([1u8, 2, 3]), [1, 2, 3]);
        assert_eq!(there_and_back(u128::MAX), u128::MAX);
        assert_eq!(there_and_back([9u64; 100]), [9; 100]);
        assert_eq!(there_and_back(Aligned(3)), Aligned(3));
        assert_eq!(there_and_back(AlignedNothing), AlignedNothing);
        assert_eq!(there_and_back(Some(Box::new(5))), Some(Box::new(5)));
        assert_eq!(there_and_back(String::from("text")), "text");
    }
}
