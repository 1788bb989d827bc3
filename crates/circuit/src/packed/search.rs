//! The search for a design: the smallest ring and the fewest transforms that give the precision that is asked for.

use rayon::prelude::*;

use super::clear::Trace;
use super::design::Design;
use super::noise::{Gains, Scales, precision};
use super::program::Program;
use ckks::{ParametersLiteral, Ring, max_log_qp};

/// Sizes of primes that are tried.
const PRIME_BITS: std::ops::RangeInclusive<u32> = 22..=50;
/// How much larger than the largest prime of the chain a special one may be.
const SPECIAL_MORE: [u32; 4] = [0, 3, 6, 9];
/// Most primes of a chain that is dropped at the end alone.
const MOST_PRIMES: u32 = 6;
/// Steps between the sizes of dropped primes that are tried.
const DROPPED_STEP: usize = 4;
/// Scales start at so many bits.
const LEAST_SCALE_BITS: u32 = 6;
/// What a smaller reply may cost of the precision, bits.
const REPLY_COST_BITS: f64 = 0.1;

/// A design and the precision of its logits.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub design: Design,
    pub precision_bits: f64,
    pub transforms: usize,
}

/// One ring's search.
pub(super) struct Search<'a> {
    pub program: &'a Program,
    pub trace: &'a Trace,
    pub gains: &'a Gains,
    pub ring: Ring,
    pub log_n: u32,
    pub security_bits: u32,
}

impl Search<'_> {
    /// The design with the fewest transforms among those that are precise enough; where there are none, the most precise one.
    pub fn run(&self, wanted_bits: f64) -> Option<Found> {
        let chains = self.chains();
        let found: Vec<Found> = chains
            .into_par_iter()
            .filter_map(|(literal, drops)| self.scales(literal, drops))
            .collect();
        let enough = found
            .iter()
            .filter(|found| found.precision_bits >= wanted_bits);
        let fastest = enough.min_by(|a, b| {
            let precise = b.precision_bits.total_cmp(&a.precision_bits);
            a.transforms.cmp(&b.transforms).then(precise)
        });
        let precise = || {
            found
                .iter()
                .max_by(|a, b| a.precision_bits.total_cmp(&b.precision_bits))
        };
        let mut best = fastest.or_else(precise)?.clone();
        self.shrink_reply(&mut best);
        Some(best)
    }

    /// Chains of primes whose modulus the table admits, and the primes that are dropped after each square.
    fn chains(&self) -> Vec<(ParametersLiteral, Vec<usize>)> {
        let Some(most) = max_log_qp(self.security_bits, self.log_n) else {
            return Vec::new();
        };
        let most = most as u32;
        let squares = self.program.squares();
        let mut chains = Vec::new();
        let mut push = |prime_bits: Vec<u32>, special: u32, drops: Vec<usize>| {
            let literal = ParametersLiteral {
                ring: self.ring,
                log_n: self.log_n,
                prime_bits,
                special_bits: vec![special],
            };
            chains.push((literal, drops));
        };
        // nothing dropped before the end: equal primes
        for count in 1..=MOST_PRIMES {
            for more in SPECIAL_MORE {
                let size = (most.saturating_sub(more) / (count + 1)).min(*PRIME_BITS.end());
                let special = (size + more).min(*PRIME_BITS.end());
                if PRIME_BITS.contains(&size) {
                    let primes = vec![size; count as usize];
                    push(primes, special, vec![0; squares]);
                }
            }
        }
        if squares == 0 {
            return chains;
        }
        // a prime after every square: the first one's size, and that of all later ones
        for special in [44, 47, 50] {
            let sizes = || (*PRIME_BITS.start()..=special).step_by(DROPPED_STEP);
            for (first, later) in sizes().flat_map(|first| sizes().map(move |later| (first, later)))
            {
                if squares == 1 && later != *PRIME_BITS.start() {
                    continue;
                }
                let dropped = first + later * (squares as u32 - 1);
                let Some(base) = most.checked_sub(special + dropped) else {
                    continue;
                };
                for count in 1..=2 {
                    let size = (base / count).min(special);
                    if !PRIME_BITS.contains(&size) {
                        continue;
                    }
                    let mut primes = vec![size; count as usize];
                    primes.extend(std::iter::repeat_n(later, squares - 1));
                    primes.push(first);
                    push(primes, special, vec![1; squares]);
                }
            }
        }
        chains
    }

    /// The scales that give a chain's logits the best precision.
    fn scales(&self, parameters: ParametersLiteral, drops: Vec<usize>) -> Option<Found> {
        let mut design = Design {
            parameters,
            input_bits: LEAST_SCALE_BITS,
            weight_bits: vec![LEAST_SCALE_BITS; self.program.linear_steps()],
            drops,
            final_drops: 0,
        };
        let mut best = self.judge(&design)?;
        let count = design.weight_bits.len() + 1;
        let steps = |i: usize| (0..count).map(move |j| (i, j));
        loop {
            // one scale larger; where none fits, one larger and another smaller
            let grown = (0..count).map(|i| moved(&design, i, None));
            let traded = (0..count)
                .flat_map(steps)
                .filter(|(i, j)| i != j)
                .map(|(i, j)| moved(&design, i, Some(j)));
            let better = |candidates: Vec<Design>| {
                candidates
                    .into_iter()
                    .filter_map(|design| Some((self.judge(&design)?, design)))
                    .filter(|(bits, _)| *bits > best + 1e-3)
                    .max_by(|(a, _), (b, _)| a.total_cmp(b))
            };
            let next = better(grown.collect()).or_else(|| better(traded.collect()));
            let Some((bits, next)) = next else { break };
            (best, design) = (bits, next);
        }
        let outcome = Scales::sketch(self.program, &design, self.trace);
        Some(Found {
            design,
            precision_bits: best,
            transforms: outcome.transforms,
        })
    }

    fn judge(&self, design: &Design) -> Option<f64> {
        let outcome = Scales::sketch(self.program, design, self.trace);
        precision(self.gains, &outcome)
    }

    /// Drops primes before the reply as long as that costs next to nothing.
    fn shrink_reply(&self, found: &mut Found) {
        let least = found.precision_bits - REPLY_COST_BITS;
        while found.design.last_level() > 0 {
            let mut design = found.design.clone();
            design.final_drops += 1;
            match self.judge(&design) {
                Some(bits) if bits >= least => {
                    found.precision_bits = bits;
                    found.design = design;
                }
                _ => break,
            }
        }
    }
}

/// A design with one scale larger, and another smaller.
fn moved(design: &Design, larger: usize, smaller: Option<usize>) -> Design {
    let mut design = design.clone();
    let mut change = |which: usize, by: i32| {
        let bits = match which.checked_sub(1) {
            None => &mut design.input_bits,
            Some(linear) => &mut design.weight_bits[linear],
        };
        *bits = bits.saturating_add_signed(by).max(1);
    };
    change(larger, 1);
    if let Some(smaller) = smaller {
        change(smaller, -1);
    }
    design
}
