//! Primes for number-theoretic transforms: the largest of a size, deterministically.

use crate::modulus::{multiply_modulo, power_modulo};

/// Deciding bases for every 64-bit integer (Sorenson and Webster, Math. Comp. 2017: the first
/// twelve primes suffice up to 3.18e23).
const WITNESSES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// Whether `n` is prime (Miller-Rabin, deterministic).
pub fn is_prime(n: u64) -> bool {
    if n < 2 {
        return false;
    }
    if let Some(&factor) = WITNESSES.iter().find(|&&w| n.is_multiple_of(w)) {
        return n == factor;
    }
    let twos = (n - 1).trailing_zeros();
    let odd = (n - 1) >> twos;
    WITNESSES.iter().all(|&base| {
        let mut x = power_modulo(base, odd, n);
        if x == 1 || x == n - 1 {
            return true;
        }
        (1..twos).any(|_| {
            x = multiply_modulo(x, x, n);
            x == n - 1
        })
    })
}

/// The largest primes below `2^bits` and above `2^(bits - 1)` that are 1 modulo `modulo`, in
/// falling order.
pub fn primes_below(bits: u32, modulo: u64) -> impl Iterator<Item = u64> {
    let (low, high) = (1u64 << (bits - 1), 1u64 << bits);
    let largest = (high - 2) / modulo * modulo + 1;
    let steps = (0..).map(move |k| k * modulo);
    steps
        .map_while(move |step| largest.checked_sub(step))
        .take_while(move |&candidate| candidate > low)
        .filter(|&candidate| is_prime(candidate))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_trial_division() {
        let slow = |n: u64| {
            n > 1
                && (2..)
                    .take_while(|d| d * d <= n)
                    .all(|d| !n.is_multiple_of(d))
        };
        for n in 0..5000 {
            assert_eq!(is_prime(n), slow(n), "{n}");
        }
        // strong pseudoprimes to the first bases, and a known 50-bit prime
        for composite in [3_215_031_751, 3_474_749_660_383, 341_550_071_728_321] {
            assert!(!is_prime(composite));
        }
        assert!(is_prime(1_125_899_906_826_241));
    }

    #[test]
    fn the_largest_of_the_form_comes_first() {
        let found: Vec<u64> = primes_below(30, 1 << 14).take(3).collect();
        let high = 1u64 << 30;
        let slow: Vec<u64> = (0..high)
            .rev()
            .filter(|p| p % (1 << 14) == 1 && is_prime(*p))
            .take(3)
            .collect();
        assert_eq!(found, slow);
    }

    #[test]
    fn a_size_without_primes_of_the_form_ends() {
        assert_eq!(primes_below(14, 1 << 17).next(), None);
    }
}
