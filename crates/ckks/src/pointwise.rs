//! Loops over residues, compiled for every instruction set.
//!
//! All slices of a call have the same length; where they do not, the shortest one ends the loop.

use crate::isa::per_isa;
use crate::modulus::Modulus;

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

    /// The components of `(b + a s)^2`: `b` becomes b^2, `a` becomes 2ab, `out` a^2.
    fn square_components(p: Modulus, b: &mut [u64], a: &mut [u64], out: &mut [u64]) {
        for ((b, a), out) in b.iter_mut().zip(a).zip(out) {
            let cross = p.multiply(*b, *a);
            *out = p.multiply(*a, *a);
            *b = p.multiply(*b, *b);
            *a = p.add(cross, cross);
        }
    }

    /// The components of `(b + a s)(d + c s)`: `b` becomes bd, `a` becomes bc + ad, `out` ac.
    fn multiply_components(
        p: Modulus,
        b: &mut [u64],
        a: &mut [u64],
        d: &[u64],
        c: &[u64],
        out: &mut [u64],
    ) {
        for ((((b, a), &d), &c), out) in b.iter_mut().zip(a).zip(d).zip(c).zip(out) {
            let cross = p.add(p.multiply(*b, c), p.multiply(*a, d));
            *out = p.multiply(*a, c);
            *b = p.multiply(*b, d);
            *a = cross;
        }
    }

    /// The representatives in [-p/2, p/2].
    fn centre(p: Modulus, residues: &[u64], out: &mut [i64]) {
        for (out, &residue) in out.iter_mut().zip(residues) {
            *out = p.centred(residue);
        }
    }

    /// `x mod p` of integers below 2^50 in magnitude.
    fn reduce(p: Modulus, integers: &[i64], out: &mut [u64]) {
        for (out, &integer) in out.iter_mut().zip(integers) {
            *out = p.reduce(integer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

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

                let (mut b, mut a, mut out) = (x.clone(), y.clone(), vec![0; 203]);
                square_components(isa, p, &mut b, &mut a, &mut out);
                assert_eq!(b, each(&|i| m(x[i], x[i])));
                assert_eq!(a, each(&|i| 2 * m(x[i], y[i]) % prime));
                assert_eq!(out, each(&|i| m(y[i], y[i])));
                let (mut b, mut a) = (x.clone(), y.clone());
                multiply_components(isa, p, &mut b, &mut a, &z, &w, &mut out);
                assert_eq!(b, each(&|i| m(x[i], z[i])));
                assert_eq!(a, each(&|i| (m(x[i], w[i]) + m(y[i], z[i])) % prime));
                assert_eq!(out, each(&|i| m(y[i], w[i])));

                let mut centred = vec![0; 203];
                centre(isa, p, &x, &mut centred);
                let mut back = vec![0; 203];
                reduce(isa, p, &centred, &mut back);
                assert_eq!(back, x);
                assert!(centred.iter().all(|c| c.unsigned_abs() <= prime / 2));
            }
        }
    }
}
