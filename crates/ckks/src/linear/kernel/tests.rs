use proptest::prelude::*;

use super::*;
use crate::linear::{Convolution, SumPool};

/// 50, 40 and 20 bits.
const PRIMES: [u64; 3] = [1_125_899_906_826_241, 1_099_511_480_321, 1_032_193];

/// The map in wide integers.
fn reference(map: &LinearMap, p: Modulus, input: &[Block]) -> Vec<Block> {
    let mut out = vec![Block::ZERO; map.outputs()];
    for group in map.groups() {
        for (row, weights) in group.weights().chunks_exact(group.taps()).enumerate() {
            for (position, gather) in group.gather().chunks_exact(group.taps()).enumerate() {
                let target = &mut out[group.out_start() + row * group.positions() + position];
                for (slot, target) in target.0.iter_mut().enumerate() {
                    let product = |(&w, &i): (&i16, &u32)| {
                        let residue = input.get(i as usize).map_or(0, |block| block.0[slot]);
                        i128::from(w) * i128::from(residue)
                    };
                    *target = p.reduce_wide(weights.iter().zip(gather).map(product).sum());
                }
            }
        }
    }
    out
}

fn check(map: &LinearMap, prime: u64, input: &[Block]) {
    let p = Modulus::new(prime);
    let expected = reference(map, p, input);
    for isa in Isa::available() {
        let mut out = vec![Block([u64::MAX; BLOCK]); map.outputs()];
        // a dirty scratch, as a thread's second call finds it
        let mut scratch = Scratch {
            digits: vec![Lanes([f64::NAN; LANES]); 7],
            ..Scratch::default()
        };
        let prepared = PreparedMap::new(map, isa);
        prepared.modulo(p).apply(&mut scratch, input, &mut out);
        assert!(out == expected, "{isa:?} modulo {prime}");
    }
}

fn blocks(count: usize, prime: u64, residue: impl Fn(u64) -> u64) -> Vec<Block> {
    let block = |b: usize| {
        let mut block = Block::ZERO;
        for (slot, value) in block.0.iter_mut().enumerate() {
            *value = residue((b * BLOCK + slot) as u64) % prime;
        }
        block
    };
    (0..count).map(block).collect()
}

fn scrambled(seed: u64) -> impl Fn(u64) -> u64 {
    move |i| {
        (i + seed + 1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn random_dense_maps_are_exact(
        (inputs, outputs, weights) in (1..40usize, 1..15usize).prop_flat_map(|(inputs, outputs)| {
            let weights = prop::collection::vec(any::<i16>(), inputs * outputs);
            (Just(inputs), Just(outputs), weights)
        }),
        seed: u64,
    ) {
        let map = LinearMap::dense(inputs, outputs, weights).unwrap();
        for prime in PRIMES {
            check(&map, prime, &blocks(inputs, prime, scrambled(seed)));
        }
    }
}

/// Weights of eight bits and primes of three to seven bytes: what the integer kernel takes.
#[test]
fn dense_maps_of_small_weights_are_exact() {
    let primes = [
        1_125_899_906_826_241,
        281_474_976_694_273,
        1_099_511_480_321,
        4_294_828_033,
        1_032_193,
    ];
    for prime in primes {
        for (inputs, outputs) in [(16, 16), (17, 19), (259, 23), (784, 16), (515, 31)] {
            for weight in [-128i16, 127, 0] {
                let weights = (0..inputs * outputs).map(|i| match weight {
                    0 => (i * 37 % 256) as i16 - 128,
                    _ => weight,
                });
                let map = LinearMap::dense(inputs, outputs, weights.collect()).unwrap();
                check(&map, prime, &blocks(inputs, prime, scrambled(3)));
                check(&map, prime, &blocks(inputs, prime, |i| prime - 1 - i % 2));
                check(&map, prime, &blocks(inputs, prime, |i| prime / 2 + i % 2));
            }
        }
    }
    // the largest sums that it takes, and the smallest that it does not
    for taps in [32_768, 33_024] {
        let map = LinearMap::new(64, 16, taps, 16, vec![-128; 16 * taps], {
            (0..taps as u32).map(|i| i % 64).collect()
        });
        let map = map.unwrap();
        for prime in primes {
            check(&map, prime, &blocks(64, prime, |i| prime - 1 - i % 2));
            check(
                &map,
                prime,
                &blocks(64, prime, |i| if i % 3 == 0 { 0xFF } else { 0xFF_FFFF }),
            );
        }
    }
}

/// Channels in fours, and not: with padding, strides and any number of rows.
#[test]
fn convolutions_of_small_weights_are_exact() {
    for (in_channels, out_channels, kernel, stride, padding) in [
        (4, 6, 3, 1, 1),
        (5, 7, 3, 2, 0),
        (16, 16, 3, 1, 1),
        (8, 13, 2, 2, 1),
        (1, 8, 5, 2, 1),
        (7, 9, 1, 1, 0),
        (17, 9, 1, 1, 0),
        (6, 20, 5, 1, 2),
    ] {
        let shape = Convolution {
            in_channels,
            out_channels,
            kernel,
            stride,
            padding,
            height: 7,
            width: 6,
        };
        let count = in_channels * out_channels * kernel * kernel;
        let weights: Vec<i16> = (0..count).map(|i| (i * 37 % 256) as i16 - 128).collect();
        let map = LinearMap::convolution(&shape, weights).unwrap();
        let inputs = 42 * in_channels;
        for prime in PRIMES {
            check(&map, prime, &blocks(inputs, prime, scrambled(9)));
            check(&map, prime, &blocks(inputs, prime, |i| prime - 1 - i % 3));
        }
    }
}

#[test]
fn convolutions_and_pools_are_exact() {
    let shape = Convolution {
        in_channels: 2,
        out_channels: 7,
        kernel: 3,
        stride: 2,
        padding: 1,
        height: 7,
        width: 6,
    };
    let weights: Vec<i16> = (0..126).map(|i| (i * 37 % 511) - 255).collect();
    let convolution = LinearMap::convolution(&shape, weights).unwrap();
    let pool = LinearMap::sum_pool(&SumPool {
        channels: 3,
        window: 2,
        stride: 2,
        height: 4,
        width: 7,
    })
    .unwrap();
    for prime in PRIMES {
        check(&convolution, prime, &blocks(84, prime, scrambled(9)));
        check(&pool, prime, &blocks(84, prime, scrambled(10)));
    }
}

/// Primes and weights on both sides of what the kernel of words takes, any number of rows and positions, and the most taps.
#[test]
fn maps_of_words_are_exact() {
    let primes = [
        1_125_899_906_826_241,
        2_199_023_190_017,
        1_099_511_480_321,
        1_073_692_673,
        1_032_193,
    ];
    for (rows, positions, taps) in [
        (1, 1, 3),
        (5, 9, 25),
        (6, 8, 27),
        (13, 17, 40),
        (2, 3, 2048),
    ] {
        for (least, largest) in [
            (-1024, 1023),
            (-1024, 1024),
            (0, 2047),
            (5, 5),
            (1, 1),
            (-4096, 7),
        ] {
            let inputs = 70;
            let sizes = (largest - least + 1) as usize;
            let weights = (0..rows * taps).map(|i| (i * 193 % sizes) as i16 + least);
            let gather = (0..positions * taps).map(|i| match i % 11 {
                0 => PADDING,
                _ => (i * 7 % inputs) as u32,
            });
            let map = LinearMap::new(
                inputs,
                rows * positions,
                taps,
                rows,
                weights.collect(),
                gather.collect(),
            );
            let map = map.unwrap();
            for prime in primes {
                check(&map, prime, &blocks(inputs, prime, scrambled(5)));
                check(&map, prime, &blocks(inputs, prime, |i| prime - 1 - i % 2));
            }
        }
    }
}

/// Residues and weights that make every sum as large as the bounds allow.
#[test]
fn the_largest_sums_are_exact() {
    for prime in PRIMES {
        let extremes: [fn(u64, u64) -> u64; 4] = [
            |p, _| p / 2,
            |p, _| p / 2 + 1,
            |p, i| if i % 2 == 0 { p / 2 } else { p / 2 + 1 },
            |p, i| if i % 3 == 0 { p - 1 } else { (1 << 24) + i % 3 },
        ];
        for extreme in extremes {
            for weight in [i16::MIN, i16::MAX] {
                // 4,095 taps of the largest weight: just below the largest row sum
                let taps = 4095;
                let map = LinearMap::new(64, 2, taps, 2, vec![weight; 2 * taps], {
                    (0..taps as u32).map(|i| i % 64).collect()
                });
                check(
                    &map.unwrap(),
                    prime,
                    &blocks(64, prime, |i| extreme(prime, i)),
                );
            }
        }
    }
}

/// One digit or two is decided by prime and weights; both have to agree at the boundary.
#[test]
fn the_change_from_one_digit_to_two_is_exact() {
    let prime = PRIMES[1];
    let limit = ((1u64 << 51) / (prime / 2 + 1)) as i16;
    for sum in [limit - 1, limit, limit + 1] {
        let map = LinearMap::dense(1, 1, vec![sum]).unwrap();
        check(&map, prime, &blocks(1, prime, |i| prime / 2 + i % 2));
    }
}
