//! Values that cross a switch: a small value travels in the word; a large value stays in its place
//! and the word points to it.

use std::mem::{ManuallyDrop, MaybeUninit, align_of, size_of};
use std::ptr;

use crate::arch::Word;

/// Returns `true` if a `T` fits into a word.
const fn fits<T>() -> bool {
    size_of::<T>() <= size_of::<Word>() && align_of::<T>() <= align_of::<Word>()
}

/// Encodes `value`, and moves its ownership to the word.
///
/// A value that does not fit into a word must stay in its place until the other side has decoded
/// it. Every receiver decodes the word immediately after the switch.
#[inline(always)]
pub(super) fn encode<T>(value: &mut ManuallyDrop<T>) -> Word {
    let mut word = Word::uninit();
    if fits::<T>() {
        // SAFETY: the word is at least as large as the value. Copies of MaybeUninit<u8> may be
        // uninitialised, and have no alignment.
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

/// Decodes a value, and moves its ownership to the caller.
///
/// # Safety
///
/// `word` must come from [`encode`] of a `T`, and be decoded once, while the encoded value is still
/// in its place.
#[inline(always)]
pub(super) unsafe fn decode<T>(word: Word) -> T {
    // SAFETY: a T that fits is in the word, and any other T is still at the address in the word.
    // It is read once, so ownership is not duplicated (see # Safety).
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

    /// Encodes and decodes `value`.
    fn there_and_back<T>(value: T) -> T {
        let mut value = ManuallyDrop::new(value);
        let word = encode(&mut value);
        // SAFETY: `word` is an encoded T, decoded once, while `value` is in its place.
        unsafe { decode(word) }
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(64))]
    struct AlignedNothing;

    #[test]
    fn values_of_every_shape_are_decoded_as_encoded() {
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
