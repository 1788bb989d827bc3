//! The search: every ring, schedule and scale that the spec leaves open, each in its smallest secure ring degree; the fastest wins.
//!
//! A larger ring than needed never helps: an image costs the same in it but for the transforms, which cost more, and its noise is larger.
//! Within one ring and schedule, precision grows with the scale, and so do the modulus and with it the time; so the scales are tried
//! from the smallest precise one up for as long as they cost nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::alternative::{Reason, Sketch};
use super::choose::{Choice, Design, ParameterCache, choose_parameters};
use super::cost::{CostModel, CostTable};
use super::error::CircuitError;
use super::map_facts::Facts;
use super::memory;
use super::plan::{Plan, describe};
use super::schedule::{Placement, Schedule, Stretch};
use super::select::{Failure, Kind, PRECISION_MARGIN_BITS, TIE, better, choose};
use super::streaming::{Execution, Order, peak_bytes};
use super::types::Circuit;
use ckks::{Parameters, Ring, max_log_qp};
use cryptodl_spec::{EncryptionSpec, Relinearization};

/// log2 of the ring degrees tried, smallest first.
const LOG_N: std::ops::RangeInclusive<u32> = 11..=16;
/// log2 of the smallest and the largest scale tried.
const SCALE_BITS: (f64, f64) = (8.0, 30.0);
/// Steps between them: sizes of primes are whole bits, but where nothing is rescaled a fraction of one can decide whether a prime suffices.
const STEP: f64 = 1.0;
const KEYLESS_STEP: f64 = 0.25;
/// How many bits below the scale of rescaling a fresh encryption may start: its noise is that much smaller than a rescaling's.
const INPUT_OFFSETS: [f64; 2] = [0.0, 3.0];
/// Bits between the planned values and the modulus; more where noise or the size of the primes needs it.
const HEADROOM: [f64; 3] = [0.25, 1.0, 2.0];

/// What a plan has to meet.
struct Demands {
    precision: f64,
    memory: u64,
    security_bits: u32,
}

/// The best plan of all; the best of every other kind as its alternatives.
pub(super) fn search(
    circuit: &Circuit,
    encryption: &EncryptionSpec,
    costs: &CostTable,
) -> Result<Plan, CircuitError> {
    let rings = [Ring::Standard, Ring::ConjugateInvariant];
    let mut finder = Finder::new(circuit, encryption, costs);
    let mut kinds: Vec<Kind> = Vec::new();
    for ring in rings
        .into_iter()
        .filter(|ring| encryption.ring.is_none_or(|only| only == *ring))
    {
        for relinearization in relinearizations(circuit, encryption.relinearization) {
            let kind = Kind {
                ring,
                relinearization,
                outcome: finder.best_of_kind(ring, relinearization)?,
            };
            if !kinds.iter().any(|known| kind.repeats(known, circuit)) {
                kinds.push(kind);
            }
        }
    }
    let mut plan = choose(kinds, circuit)?;
    // What is claimed is what was asked for, though small moduli may meet a higher level.
    plan.security_bits = plan.security_bits.min(encryption.security_bits);
    plan.max_log_qp = max_log_qp(plan.security_bits, plan.parameters.log_n).unwrap_or(0.0);
    Ok(plan)
}

/// The schedules to try: the one asked for, or all that differ on this circuit. One square is lazy without a key as it is.
fn relinearizations(circuit: &Circuit, asked: Option<Relinearization>) -> Vec<Relinearization> {
    use Relinearization::{Eager, Lazy, Never, PerSquare};
    if let Some(asked) = asked {
        return vec![asked];
    }
    let mut distinct: Vec<Relinearization> = Vec::new();
    let outline = |choice| Schedule::new(choice).outline(circuit);
    for choice in [Eager, Never, Lazy] {
        let known = |other: &Relinearization| outline(*other) == outline(choice);
        if !distinct.iter().any(known) {
            distinct.push(choice);
        }
    }
    if !Stretch::all(circuit).is_empty() {
        distinct.push(PerSquare);
    }
    distinct
}

/// What the kinds of plans share.
struct Finder<'a> {
    circuit: &'a Circuit,
    costs: &'a CostTable,
    demands: Demands,
    facts: Facts,
    /// The only scale, where the spec says one.
    scales: Option<u32>,
    cache: ParameterCache,
    orders: RefCell<HashMap<(Schedule, Execution), Rc<Order<'a>>>>,
}

impl Kind {
    /// Whether the search over the squares ended in the schedule of another kind.
    fn repeats(&self, other: &Self, circuit: &Circuit) -> bool {
        self.ring == other.ring
            && self.outcome.as_ref().is_ok_and(|plan| {
                let uniform = Schedule::new(other.relinearization);
                plan.schedule.outline(circuit) == uniform.outline(circuit)
            })
    }
}

/// The best plan of one ring and one schedule.
///
/// # Errors
/// As [`search`].
#[cfg(test)]
pub(super) fn search_schedule(
    circuit: &Circuit,
    encryption: &EncryptionSpec,
    ring: Ring,
    schedule: &Schedule,
) -> Result<Plan, CircuitError> {
    let costs = CostTable::default();
    let found = Finder::new(circuit, encryption, &costs).best_of(ring, schedule)?;
    let kind = Kind {
        ring,
        relinearization: schedule.relinearization,
        outcome: found,
    };
    choose(vec![kind], circuit)
}

impl<'a> Finder<'a> {
    fn new(circuit: &'a Circuit, encryption: &EncryptionSpec, costs: &'a CostTable) -> Self {
        Self {
            circuit,
            costs,
            demands: Demands {
                precision: encryption
                    .precision_bits
                    .unwrap_or(EncryptionSpec::DEFAULT_PRECISION_BITS),
                // The simulator holds no ciphertexts.
                memory: if encryption.backend.encrypts() {
                    memory::limit(encryption.memory_gib)
                } else {
                    u64::MAX
                },
                security_bits: encryption.security_bits,
            },
            facts: Facts::default(),
            scales: encryption.scale_bits,
            cache: ParameterCache::default(),
            orders: RefCell::default(),
        }
    }
}

impl Finder<'_> {
    /// The best plan of one ring and one way to relinearise.
    fn best_of_kind(
        &mut self,
        ring: Ring,
        relinearization: Relinearization,
    ) -> Result<Result<Plan, Failure>, CircuitError> {
        if relinearization != Relinearization::PerSquare {
            return self.best_of(ring, &Schedule::new(relinearization));
        }
        let mut best: Option<Result<Plan, Failure>> = None;
        for start in self.starts() {
            let found = self.best_of(ring, &Schedule::per_square(start))?;
            best = Some(match best {
                None => found,
                Some(best) => better(best, found, self.demands.precision),
            });
        }
        match best {
            Some(Ok(plan)) => Ok(Ok(self.refine(plan)?)),
            Some(failure) => Ok(failure),
            None => Ok(Err(nothing_fits(self.demands.security_bits, f64::INFINITY))),
        }
    }

    /// What the search over the squares begins with: every product relinearised where it has the fewest ciphertexts before the next
    /// weights, its prime dropped at once or as late as can be.
    fn starts(&self) -> Vec<Vec<Placement>> {
        let stretches = Stretch::all(self.circuit);
        let pooled = |rescale_late: bool| {
            let of = |stretch: &Stretch| Placement {
                after: stretch.pools,
                rescale_late,
            };
            stretches.iter().map(of).collect()
        };
        vec![pooled(false), pooled(true)]
    }

    /// Square by square, the placement that makes the whole plan fastest, until none does.
    fn refine(&mut self, mut plan: Plan) -> Result<Plan, CircuitError> {
        const SWEEPS: usize = 2;
        let ring = plan.parameters.ring;
        let stretches = Stretch::all(self.circuit);
        for _ in 0..SWEEPS {
            let mut settled = true;
            for (square, stretch) in stretches.iter().enumerate() {
                for placement in stretch.placements() {
                    let mut schedule = plan.schedule.clone();
                    schedule.squares[square] = placement;
                    if schedule.outline(self.circuit) == plan.schedule.outline(self.circuit) {
                        continue;
                    }
                    let offset = plan.scale_bits - plan.input_scale.log2();
                    let found = self.candidate(ring, &schedule, plan.scale_bits, offset)?;
                    let faster = |found: &Plan| {
                        found.seconds_per_image() * (1.0 + TIE / 10.0) < plan.seconds_per_image()
                    };
                    if let Ok(found) = found
                        && faster(&found)
                    {
                        plan = found;
                        settled = false;
                    }
                }
            }
            if settled {
                break;
            }
        }
        Ok(plan)
    }

    /// The best plan of one ring and schedule.
    fn best_of(
        &mut self,
        ring: Ring,
        schedule: &Schedule,
    ) -> Result<Result<Plan, Failure>, CircuitError> {
        if let Some(why) = schedule.obstacle(self.circuit) {
            return Ok(Err(Failure {
                reason: Reason::Impossible { why },
                sketch: None,
            }));
        }
        let rescales = schedule.levels(self.circuit) > 0;
        let offsets = match self.scales {
            None if rescales => &INPUT_OFFSETS[..],
            _ => &INPUT_OFFSETS[..1],
        };
        let mut best: Option<Result<Plan, Failure>> = None;
        for &offset in offsets {
            let found = self.best_scale(ring, schedule, offset)?;
            best = Some(match best {
                None => found,
                Some(best) => better(best, found, self.demands.precision),
            });
        }
        Ok(best.unwrap_or_else(|| Err(nothing_fits(self.demands.security_bits, f64::INFINITY))))
    }

    /// The best scale of one ring and schedule whose inputs start `offset` bits below it.
    fn best_scale(
        &mut self,
        ring: Ring,
        schedule: &Schedule,
        offset: f64,
    ) -> Result<Result<Plan, Failure>, CircuitError> {
        let (mut scale_bits, last) = match self.scales {
            Some(only) => (f64::from(only), f64::from(only)),
            None => (SCALE_BITS.0 + offset, SCALE_BITS.1),
        };
        let step = if schedule.levels(self.circuit) > 0 {
            STEP
        } else {
            KEYLESS_STEP
        };
        let mut best: Result<Plan, Failure> =
            Err(nothing_fits(self.demands.security_bits, f64::INFINITY));
        while scale_bits <= last {
            let candidate = self.candidate(ring, schedule, scale_bits, offset)?;
            // A bit of scale is about a bit of precision: what is missing is skipped at once, but for one bit.
            let missing = match &candidate {
                Ok(_) => 0.0,
                Err(failure) => match failure.reason {
                    Reason::Imprecise { bits, wanted } => wanted - bits - 1.0,
                    _ => 0.0,
                },
            };
            scale_bits += step * (missing.clamp(0.0, SCALE_BITS.1) / step).floor().max(1.0);
            let over = match (&best, &candidate) {
                // Larger scales only make it worse.
                (_, Err(failure)) => !matches!(failure.reason, Reason::Imprecise { .. }),
                (Ok(best), Ok(candidate)) => {
                    candidate.seconds_per_image() > best.seconds_per_image() * (1.0 + TIE)
                        || best.logit_precision_bits()
                            >= self.demands.precision + PRECISION_MARGIN_BITS
                }
                _ => false,
            };
            best = better(best, candidate, self.demands.precision);
            if over {
                break;
            }
        }
        Ok(best)
    }

    /// One plan, in the smallest ring degree that holds it.
    fn candidate(
        &mut self,
        ring: Ring,
        schedule: &Schedule,
        scale_bits: f64,
        offset: f64,
    ) -> Result<Result<Plan, Failure>, CircuitError> {
        let mut needed = f64::INFINITY;
        let security = self.demands.security_bits;
        for (log_n, admitted) in
            LOG_N.filter_map(|log_n| Some((log_n, max_log_qp(security, log_n)?)))
        {
            for headroom in HEADROOM {
                let design = Design {
                    circuit: self.circuit,
                    facts: &self.facts,
                    schedule,
                    ring,
                    input_bits: scale_bits - offset,
                    scale_bits,
                    headroom,
                };
                let choice = choose_parameters(&design, log_n, admitted, &mut self.cache);
                if let Err(CircuitError::Overflow { limit_bits, .. }) = choice {
                    let why = format!(
                        "its integers could pass {limit_bits} bits, more than the clear simulator holds"
                    );
                    return Ok(Err(Failure {
                        reason: Reason::Impossible { why },
                        sketch: None,
                    }));
                }
                match choice? {
                    Choice::Fits(parameters, design) => {
                        match self.judge(&design, &parameters) {
                            // Noise or a prime below its size: a little more room.
                            Err(CircuitError::Wraps { .. }) => {}
                            judged => return judged,
                        }
                    }
                    Choice::TooLarge(log_qp) => {
                        needed = log_qp;
                        break;
                    }
                }
            }
        }
        Ok(Err(nothing_fits(security, needed)))
    }

    /// Whether a plan meets the demands.
    fn judge(
        &self,
        design: &Design<'_>,
        parameters: &Parameters,
    ) -> Result<Result<Plan, Failure>, CircuitError> {
        let mut plan = describe(design, parameters, self.costs)?;
        if plan.peak_memory_bytes > self.demands.memory {
            self.stream(&mut plan, parameters)?;
        }
        let (bits, wanted) = (plan.logit_precision_bits(), self.demands.precision);
        let reason = if bits.is_nan() || bits < wanted {
            Reason::Imprecise { bits, wanted }
        } else if plan.peak_memory_bytes > self.demands.memory {
            Reason::Memory {
                bytes: plan.peak_memory_bytes,
                limit: self.demands.memory,
            }
        } else {
            return Ok(Ok(plan));
        };
        Ok(Err(Failure {
            reason,
            sketch: Some(Sketch::of(&plan)),
        }))
    }
}

impl<'a> Finder<'a> {
    /// Lets a plan that is too large run in chunks: the largest that fit, or those that come nearest to it.
    fn stream(&self, plan: &mut Plan, parameters: &Parameters) -> Result<(), CircuitError> {
        let cost = CostModel::new(parameters, self.costs);
        let limbs = parameters.max_level() + 1;
        for execution in Execution::ALL {
            let order = self.order(&plan.schedule, execution);
            let peak = peak_bytes(&cost, &order, limbs, plan.input_bytes)?;
            if peak < plan.peak_memory_bytes {
                (plan.execution, plan.peak_memory_bytes) = (execution, peak);
            }
            if plan.peak_memory_bytes <= self.demands.memory {
                break;
            }
        }
        Ok(())
    }

    /// The order of an execution: the same for all parameter sets.
    fn order(&self, schedule: &Schedule, execution: Execution) -> Rc<Order<'a>> {
        let mut orders = self.orders.borrow_mut();
        let known = orders.entry((schedule.clone(), execution));
        let new = || Rc::new(Order::new(self.circuit, schedule, execution));
        Rc::clone(known.or_insert_with(new))
    }
}

fn nothing_fits(security_bits: u32, needed_log_qp: f64) -> Failure {
    let largest_log_n = *LOG_N.end();
    Failure {
        reason: Reason::Insecure {
            needed_log_qp,
            largest_log_qp: max_log_qp(security_bits, largest_log_n).unwrap_or(0.0),
            largest_log_n,
        },
        sketch: None,
    }
}
