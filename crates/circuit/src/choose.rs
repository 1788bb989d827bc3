//! The first run of the planner: which primes a circuit needs in one ring.

use super::error::CircuitError;
use super::map_facts::Facts;
use super::planning::{Demand, Planner, input_bound, walk};
use super::program::{Op, Operation};
use super::schedule::Schedule;
use super::types::{Circuit, CircuitLayer};
use ckks::{Parameters, ParametersLiteral, Ring};

/// Sizes of primes in bits: the transforms are right below 2^50.
const PRIME_BITS: (u32, u32) = (20, 50);
/// One way to run a circuit, before its primes are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Design<'a> {
    pub circuit: &'a Circuit,
    pub facts: &'a Facts,
    pub schedule: &'a Schedule,
    pub ring: Ring,
    /// log2 of the scale of fresh encryptions.
    pub input_bits: f64,
    /// log2 of the scale that rescaling returns to.
    pub scale_bits: f64,
    /// Bits kept free between twice the largest planned integer and the modulus, for noise and for primes slightly below their size.
    /// The margin on the measured ranges, [`super::RANGE_MARGIN`], comes on top.
    pub headroom: f64,
}

/// Whether a ring holds the circuit.
pub(super) enum Choice<'a> {
    /// With these primes and these scales (not always the ones asked for).
    Fits(Parameters, Design<'a>),
    /// log2 of the modulus that it would take.
    TooLarge(f64),
}

/// The parameters for one ring degree.
pub(super) fn choose_parameters<'a>(
    design: &Design<'a>,
    log_n: u32,
    admitted: f64,
    known: &mut ParameterCache,
) -> Result<Choice<'a>, CircuitError> {
    let smallest = smallest_prime_bits(design.ring, log_n);
    let mut log_qp = f64::INFINITY;
    // Where the choice does not settle, or there are too few primes, larger ones help: there are more of them, nearer to their size.
    for smallest in (smallest..PRIME_BITS.1).step_by(3).take(5) {
        let lifted = (smallest_scale_bits(design, smallest) - design.scale_bits).max(0.0);
        let design = Design {
            input_bits: design.input_bits + lifted,
            scale_bits: design.scale_bits + lifted,
            ..*design
        };
        match settle(&design, log_n, smallest, admitted, known)? {
            Settled::Yes(parameters) => return Ok(Choice::Fits(parameters, design)),
            Settled::No => {}
            Settled::TooLarge(bits) => {
                log_qp = bits;
                break;
            }
        }
    }
    Ok(Choice::TooLarge(log_qp))
}

/// Parameter sets that were made before: making one takes as long as many a search. `None`: there are too few primes of a size, or
/// too many in the chain.
#[derive(Default)]
pub(super) struct ParameterCache(Vec<(ParametersLiteral, Option<Parameters>)>);

impl ParameterCache {
    fn get(&mut self, literal: ParametersLiteral) -> Result<Option<Parameters>, CircuitError> {
        if let Some((_, made)) = self.0.iter().find(|(known, _)| *known == literal) {
            return Ok(made.clone());
        }
        let made = match Parameters::new(literal.clone()) {
            Ok(parameters) => Some(parameters),
            Err(ckks::Error::PrimeNotFound { .. } | ckks::Error::ChainLength { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        self.0.push((literal, made.clone()));
        Ok(made)
    }
}

/// How the choice of primes ended.
enum Settled {
    Yes(Parameters),
    No,
    /// log2 of the modulus that it would take.
    TooLarge(f64),
}

/// Chooses primes until the choice stays. Small primes fall short of their size by several percent, every square doubles what a scale is
/// off, and what it is off by decides the primes after it: so the choice is made again, on the primes found.
fn settle(
    design: &Design<'_>,
    log_n: u32,
    smallest: u32,
    admitted: f64,
    known: &mut ParameterCache,
) -> Result<Settled, CircuitError> {
    const ROUNDS: usize = 10;
    let needs_key = design.schedule.needs_key(design.circuit);
    let mut found: Option<Parameters> = None;
    for _ in 0..ROUNDS {
        let sizes = (smallest, PRIME_BITS.1);
        let prime_bits = choose_primes(design, sizes, found.as_ref())?;
        let (special_bits, log_qp) = special_primes(&prime_bits, needs_key, admitted);
        if log_qp > admitted {
            return Ok(Settled::TooLarge(log_qp));
        }
        let literal = ParametersLiteral {
            ring: design.ring,
            log_n,
            prime_bits,
            special_bits,
        };
        found = match found {
            Some(found) if *found.literal() == literal => return Ok(Settled::Yes(found)),
            _ => match known.get(literal)? {
                Some(parameters) => Some(parameters),
                None => return Ok(Settled::No),
            },
        };
    }
    Ok(Settled::No)
}

/// The smallest scale, log2, that rescaling can keep up with the smallest primes there are. A square or a product of scales s and t goes down
/// by a prime to about s again, if the other factor has the bits of a prime. A linear layer before the activation gives its output three
/// bits or more; from degree 4 on, values that were brought back are multiplied with each other, and sizes are rounded.
///
/// Where a square's components stay open, the linear layer after it comes before the prime: scale s becomes 2 s and three bits or more.
fn smallest_scale_bits(design: &Design<'_>, smallest_prime: u32) -> f64 {
    let smallest_prime = f64::from(smallest_prime);
    let layers = &design.circuit.layers;
    let of = |operation: &Operation<'_>| match operation.op {
        Op::Linear(_) | Op::TensorSquare | Op::Relinearize => 0.0,
        // The linear layer that comes next is still ahead, or behind.
        Op::Rescale | Op::RelinearizeRescale => match layers.get(operation.layer) {
            Some(CircuitLayer::Linear(_)) => smallest_prime - 6.0,
            _ => smallest_prime - 3.0,
        },
        Op::Polynomial(polynomial) => match polynomial.degree() {
            2 => smallest_prime - 6.0,
            3 => smallest_prime - 3.0,
            _ => smallest_prime + 2.0,
        },
    };
    let operations = design.schedule.operations(design.circuit);
    operations.iter().map(of).fold(0.0, f64::max)
}

/// Chains of fewer primes are not worth digits of two: the second special prime costs the transforms that they save.
const LEAST_FOR_TWO: usize = 4;

/// Sizes of the special primes (none where nothing is relinearised) and the bits of the whole modulus. Together they must not be smaller than any
/// digit of the key; larger ones make less noise and take the room that is left. Two, where there is room for them, make digits of two
/// primes: a third fewer transforms in a long chain.
fn special_primes(prime_bits: &[u32], needs_key: bool, admitted: f64) -> (Vec<u32>, f64) {
    let log_q = prime_bits.iter().sum::<u32>();
    if !needs_key {
        return (Vec::new(), f64::from(log_q));
    }
    let digit = |width: usize| {
        let digits = prime_bits.chunks(width);
        digits
            .map(|bits| bits.iter().sum::<u32>())
            .max()
            .unwrap_or(0)
    };
    let room = (admitted - f64::from(log_q)).max(0.0) as u32;
    let most = PRIME_BITS.1;
    if prime_bits.len() >= LEAST_FOR_TWO && digit(2) <= room.min(2 * most) {
        let both = room.min(2 * most);
        return (vec![both.div_ceil(2), both / 2], f64::from(log_q + both));
    }
    let one = room.clamp(digit(1), most);
    (vec![one], f64::from(log_q + one))
}

/// The smallest size at which a ring has a fair number of primes: they are 1 modulo 2N (4N), and about one in `bits` of those is prime.
fn smallest_prime_bits(ring: Ring, log_n: u32) -> u32 {
    let modulo_bits = log_n
        + if ring == Ring::ConjugateInvariant {
            2
        } else {
            1
        };
    PRIME_BITS.0.max(modulo_bits + 8)
}

/// First run: sizes of the primes, the last one left first. `found`: primes of an earlier choice, to be used where the sizes agree.
fn choose_primes(
    design: &Design<'_>,
    sizes: (u32, u32),
    found: Option<&Parameters>,
) -> Result<Vec<u32>, CircuitError> {
    let circuit = design.circuit;
    let top = design.schedule.levels(circuit);
    let known = found.map_or(Vec::new(), |found| {
        let bits = found.literal().prime_bits.iter().copied();
        let chain: Vec<(u32, u64)> = bits.zip(found.primes().iter().copied()).collect();
        // The circuit's own levels are the last ones; what lies below the first of them is the bottom.
        chain
            .get(found.max_level().saturating_sub(top)..)
            .unwrap_or_default()
            .to_vec()
    });
    let planner = Planner::open(design.facts, design.scale_bits, sizes, known, top);
    let scale = design.input_bits.exp2();
    let input = planner.input(circuit.input.len(), top, scale, input_bound(circuit));
    let operations = design.schedule.operations(circuit);
    let output = walk(&planner, circuit, &operations, input, &mut |_, _| {})?;
    let (chosen, demands) = planner.chosen(output.level);
    let mut chain = bottom_primes(&chosen, output.level, &demands, sizes, design.headroom);
    chain.extend(chosen);
    Ok(chain)
}

/// The primes that stay to the end: one, or as few as hold what is demanded beyond the primes above them.
fn bottom_primes(
    chosen: &[u32],
    bottom: usize,
    demands: &[Demand],
    sizes: (u32, u32),
    headroom: f64,
) -> Vec<u32> {
    let above = |level: usize| -> f64 {
        chosen
            .iter()
            .take(level.saturating_sub(bottom))
            .map(|bits| f64::from(*bits))
            .sum()
    };
    let wanted = demands
        .iter()
        .map(|demand| demand.bits - above(demand.level))
        .fold(0.0, f64::max);
    // A hostile circuit may want any number of bits; far past every table is far enough.
    let wanted = (wanted + headroom).min(1e4);
    let count = (wanted / f64::from(sizes.1)).ceil().max(1.0);
    let size = (wanted / count).ceil().max(f64::from(sizes.0));
    vec![size as u32; count as usize]
}
