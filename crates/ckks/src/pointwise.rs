//! Loops over residues, compiled for every instruction set.
//!
//! All slices of a call have the same length; where they do not, the shortest one ends the loop.

use crate::isa::per_isa;
use crate::modulus::Modulus;
use crate::residues::{BLOCK, Block};

per_isa! {
    /// `acc += x * y`.
    fn multiply_accumulate(p: Modulus, acc: &mut [u64], x: &[u64], y: &[u64]) {
        for ((acc, &x), &y) in acc.iter_mut().zip(x).zip(y) {
            *acc = p.add(*acc, p.multiply(x, y));
        }
    }

    /// `x *= y`.
    fn multiply_assign(p: Modulus, x: &mut [u64], y: &[u64]) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = p.multiply(*x, y);
        }
    }

    /// `x *= factor`.
    fn scale_assign(p: Modulus, x: &mut [u64], factor: u64) {
        for x in x {
            *x = p.multiply(*x, factor);
        }
    }

    /// `out = x * factor`.
    fn scale_into(p: Modulus, out: &mut [u64], x: &[u64], factor: u64) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = p.multiply(x, factor);
        }
    }

    /// `x += y`.
    fn add_assign(p: Modulus, x: &mut [u64], y: &[u64]) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = p.add(*x, y);
        }
    }

    /// `x += constant`.
    fn add_constant(p: Modulus, x: &mut [u64], constant: u64) {
        for x in x {
            *x = p.add(*x, constant);
        }
    }

    /// `x = (x - y) * factor`: the end of a division by a prime.
    fn subtract_scale(p: Modulus, x: &mut [u64], y: &[u64], factor: u64) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = p.multiply(p.subtract(*x, y), factor);
        }
    }

    /// `x = (x - y) * factor + z`.
    fn subtract_scale_add(p: Modulus, x: &mut [u64], y: &[u64], factor: u64, z: &[u64]) {
        for ((x, &y), &z) in x.iter_mut().zip(y).zip(z) {
            *x = p.add(p.multiply(p.subtract(*x, y), factor), z);
        }
    }

    /// `x = x * factor + z`.
    fn scale_add(p: Modulus, x: &mut [u64], factor: u64, z: &[u64]) {
        for (x, &z) in x.iter_mut().zip(z) {
            *x = p.add(p.multiply(*x, factor), z);
        }
    }

    /// `x -= y * factor` of words.
    fn subtract_scaled(p: Modulus, x: &mut [u64], y: &[u64], factor: u64) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = p.word(p.subtract(p.of_word(*x), p.multiply(p.of_word(y), factor)));
        }
    }

    /// `x += y * factor` of residues x and words y.
    fn add_scaled(p: Modulus, x: &mut [u64], y: &[u64], factor: u64) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = p.add(*x, p.multiply(p.of_word(y), factor));
        }
    }

    /// `x = (x * factor + y - z) * inverse`: the end of a division by two primes.
    fn scale_add_subtract_scale(
        p: Modulus,
        x: &mut [u64],
        factor: u64,
        y: &[u64],
        z: &[u64],
        inverse: u64,
    ) {
        for ((x, &y), &z) in x.iter_mut().zip(y).zip(z) {
            let sum = p.add(p.multiply(*x, factor), y);
            *x = p.multiply(p.subtract(sum, z), inverse);
        }
    }

    /// The components of `(c_0 + c_1 s + ...)^2`, `[component][feature]` blocks each.
    fn tensor_square(p: Modulus, components: usize, input: &[Block], out: &mut [Block]) {
        let features = input.len() / components;
        match components {
            2 => {
                let (b, a) = input.split_at(features);
                let (bb, rest) = out.split_at_mut(features);
                let (ab, aa) = rest.split_at_mut(features);
                for ((((b, a), bb), ab), aa) in b.iter().zip(a).zip(bb).zip(ab).zip(aa) {
                    for lane in 0..BLOCK {
                        let (b, a) = (b.0[lane], a.0[lane]);
                        let cross = p.multiply(b, a);
                        bb.0[lane] = p.multiply(b, b);
                        ab.0[lane] = p.add(cross, cross);
                        aa.0[lane] = p.multiply(a, a);
                    }
                }
            }
            _ => {
                for feature in 0..features {
                    for power in 0..2 * components - 1 {
                        let mut sum = [0; BLOCK];
                        // pairs (i, j) with i + j = power: twice those with i < j
                        let first = (power + 1).saturating_sub(components);
                        for i in first..=power / 2 {
                            let j = power - i;
                            let x = &input[i * features + feature].0;
                            let y = &input[j * features + feature].0;
                            for lane in 0..BLOCK {
                                let product = p.multiply(x[lane], y[lane]);
                                let both = if i < j { p.add(product, product) } else { product };
                                sum[lane] = p.add(sum[lane], both);
                            }
                        }
                        out[power * features + feature].0 = sum;
                    }
                }
            }
        }
    }

    /// Residues to words.
    fn centre(p: Modulus, residues: &mut [u64]) {
        for residue in residues {
            *residue = p.word(*residue);
        }
    }

    /// A step of Garner's algorithm: `digit = (digit - lower) * inverse` of words.
    fn garner(p: Modulus, digit: &mut [u64], lower: &[u64], inverse: u64) {
        for (digit, &lower) in digit.iter_mut().zip(lower) {
            let difference = p.subtract(p.of_word(*digit), p.of_word(lower));
            *digit = p.word(p.multiply(difference, inverse));
        }
    }

    /// The residues of words.
    fn reduce(p: Modulus, words: &[u64], out: &mut [u64]) {
        for (out, &word) in out.iter_mut().zip(words) {
            *out = p.of_word(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::modulus::CENTRE;

    #[test]
    fn squares_of_any_number_of_components() {
        for prime in [1_125_899_906_826_241, 1_099_511_480_321, 1_032_193] {
            let p = Modulus::new(prime);
            for components in 1..=4 {
                let features = 3;
                let block = |index: usize| {
                    let residue = |lane: usize| match (index + lane) % 5 {
                        0 => prime - 1 - lane as u64 % 3,
                        _ => {
                            ((index * BLOCK + lane + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
                                % prime
                        }
                    };
                    Block(std::array::from_fn(residue))
                };
                let input: Vec<Block> = (0..components * features).map(block).collect();
                let mut expected = vec![Block::ZERO; (2 * components - 1) * features];
                for feature in 0..features {
                    for (i, j) in (0..components).flat_map(|i| (0..components).map(move |j| (i, j)))
                    {
                        let x = &input[i * features + feature].0;
                        let y = &input[j * features + feature].0;
                        let sums = &mut expected[(i + j) * features + feature].0;
                        for lane in 0..BLOCK {
                            let product = i128::from(x[lane]) * i128::from(y[lane]);
                            sums[lane] = p.reduce_wide(product + i128::from(sums[lane]));
                        }
                    }
                }
                for isa in Isa::available() {
                    let mut out = vec![Block([u64::MAX; BLOCK]); expected.len()];
                    tensor_square(isa, p, components, &input, &mut out);
                    assert!(out == expected, "{isa:?}, {components} components");
                }
            }
        }
    }

    /// Odd lengths and extreme residues: every instruction set has to give the bits of the scalar
    /// arithmetic.
    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for prime in [1_125_899_906_826_241, 1_099_511_480_321, 1_032_193] {
            let p = Modulus::new(prime);
            let residues = |seed: u64| -> Vec<u64> {
                (0..203u64)
                    .map(|i| match (i + seed) % 7 {
                        0 => prime - 1,
                        1 => 0,
                        2 => prime / 2,
                        _ => (i + 1).wrapping_mul(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)) % prime,
                    })
                    .collect()
            };
            let (x, y, z, w) = (residues(1), residues(2), residues(3), residues(5));
            let f = y[3];
            let each = |op: &dyn Fn(usize) -> u64| -> Vec<u64> { (0..x.len()).map(op).collect() };
            for isa in Isa::available() {
                let run = |op: &dyn Fn(&mut [u64])| -> Vec<u64> {
                    let mut out = x.clone();
                    op(&mut out);
                    out
                };
                let m = |a, b| p.reduce_wide(i128::from(a) * i128::from(b));
                let out = run(&|o| multiply_accumulate(isa, p, o, &y, &z));
                assert_eq!(out, each(&|i| (x[i] + m(y[i], z[i])) % prime));
                assert_eq!(
                    run(&|o| multiply_assign(isa, p, o, &y)),
                    each(&|i| m(x[i], y[i]))
                );
                assert_eq!(run(&|o| scale_assign(isa, p, o, f)), each(&|i| m(x[i], f)));
                assert_eq!(
                    run(&|o| scale_into(isa, p, o, &y, f)),
                    each(&|i| m(y[i], f))
                );
                assert_eq!(
                    run(&|o| add_assign(isa, p, o, &y)),
                    each(&|i| (x[i] + y[i]) % prime)
                );
                assert_eq!(
                    run(&|o| add_constant(isa, p, o, f)),
                    each(&|i| (x[i] + f) % prime)
                );
                let difference = |i: usize| m(x[i] + prime - y[i], f);
                assert_eq!(
                    run(&|o| subtract_scale(isa, p, o, &y, f)),
                    each(&difference)
                );
                let out = run(&|o| subtract_scale_add(isa, p, o, &y, f, &z));
                assert_eq!(out, each(&|i| (difference(i) + z[i]) % prime));

                let out = run(&|o| scale_add(isa, p, o, f, &z));
                assert_eq!(out, each(&|i| (m(x[i], f) + z[i]) % prime));
                let words = |x: &[u64]| x.iter().map(|&x| p.word(x)).collect::<Vec<_>>();
                let (wy, wz) = (words(&y), words(&z));
                let mut out = wz.clone();
                subtract_scaled(isa, p, &mut out, &wy, f);
                let difference_of = each(&|i| (z[i] + prime - m(y[i], f)) % prime);
                assert_eq!(out, words(&difference_of));
                let out = run(&|o| add_scaled(isa, p, o, &wy, f));
                assert_eq!(out, each(&|i| (x[i] + m(y[i], f)) % prime));
                let out = run(&|o| scale_add_subtract_scale(isa, p, o, f, &y, &z, w[1]));
                let sum = |i: usize| (m(x[i], f) + y[i] + prime - z[i]) % prime;
                assert_eq!(out, each(&|i| m(sum(i), w[1])));

                let mut digits = wy.clone();
                garner(isa, p, &mut digits, &wz, f);
                let expected = each(&|i| m(y[i] + prime - z[i], f));
                assert_eq!(digits, words(&expected));

                let mut centred = x.clone();
                centre(isa, p, &mut centred);
                let mut back = vec![0; 203];
                reduce(isa, p, &centred, &mut back);
                assert_eq!(back, x);
                assert!(
                    centred
                        .iter()
                        .all(|word| word.abs_diff(CENTRE) <= prime / 2)
                );
            }
        }
    }
}
