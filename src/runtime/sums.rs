//! Sums of the first values of a list, in time in proportion to the logarithm of its length.

#![forbid(unsafe_code)]

use std::ops::{Add, Sub};

/// Prefix sums that can be changed at any place (Fenwick, "A new data structure for cumulative
/// frequency tables", 1994).
#[derive(Default)]
pub(crate) struct Sums<T>(Vec<T>);

impl<T: Copy + Default + PartialOrd + Add<Output = T> + Sub<Output = T>> Sums<T> {
    /// Returns the sum of the first `count` places.
    pub(crate) fn of_first(&self, mut count: usize) -> T {
        let mut sum = T::default();
        while count > 0 {
            sum = sum + self.0[count - 1];
            count &= count - 1;
        }
        sum
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a place with this value.
    pub(crate) fn push(&mut self, value: T) {
        let count = self.0.len() + 1;
        let lowest = count & count.wrapping_neg();
        let sum = self.of_first(count - 1) - self.of_first(count - lowest);
        self.0.push(sum + value);
    }

    /// Replaces the value `from` at a place with `to`.
    pub(crate) fn change(&mut self, place: usize, from: T, to: T) {
        let mut count = place + 1;
        while count <= self.0.len() {
            self.0[count - 1] = self.0[count - 1] + to - from;
            count += count & count.wrapping_neg();
        }
    }

    /// Returns the first place with a sum up to and including it of more than `rest`.
    pub(crate) fn find(&self, mut rest: T) -> usize {
        let mut count = 0;
        let mut step = (self.0.len() + 1).next_power_of_two();
        while step > 0 {
            let next = count + step;
            if next <= self.0.len() && self.0[next - 1] <= rest {
                rest = rest - self.0[next - 1];
                count = next;
            }
            step /= 2;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::random::Random;

    #[test]
    fn sums_are_those_of_a_list() {
        let mut random = Random::new(1);
        let (mut sums, mut list) = (Sums::default(), Vec::new());
        for _ in 0..500 {
            if list.is_empty() || random.below(3) == 0 {
                let value = random.below(4) as u64;
                sums.push(value);
                list.push(value);
            } else {
                let place = random.below(list.len());
                let value = random.below(4) as u64;
                sums.change(place, list[place], value);
                list[place] = value;
            }
            let total: u64 = list.iter().sum();
            assert_eq!(sums.of_first(list.len()), total);
            for rest in 0..total {
                let mut sum = 0;
                let place = list.iter().position(|value| {
                    sum += value;
                    sum > rest
                });
                assert_eq!(Some(sums.find(rest)), place);
            }
        }
    }
}
