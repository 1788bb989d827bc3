//! Which of several plans is taken.

use super::alternative::{Alternative, Reason, Sketch};
use super::error::CircuitError;
use super::plan::Plan;
use super::types::Circuit;
use ckks::Ring;
use cryptodl_spec::Relinearization;

/// Predicted times closer than this share count as equal.
pub(super) const TIE: f64 = 0.01;
/// Bits of precision beyond those asked for that are taken where they cost nothing.
pub(super) const PRECISION_MARGIN_BITS: f64 = 3.0;

/// The best plan of one kind, or why there is none.
pub(super) struct Kind {
    pub ring: Ring,
    pub relinearization: Relinearization,
    pub outcome: Result<Plan, Failure>,
}

/// Why a candidate will not do, and the plan as far as there is one.
pub(super) struct Failure {
    pub reason: Reason,
    pub sketch: Option<Sketch>,
}

/// The fastest kind, the others as its alternatives.
pub(super) fn choose(mut kinds: Vec<Kind>, circuit: &Circuit) -> Result<Plan, CircuitError> {
    let plans = kinds.iter().enumerate();
    let plans = plans.filter_map(|(index, kind)| Some((index, kind.outcome.as_ref().ok()?)));
    let fastest = plans
        .clone()
        .map(|(_, plan)| plan.seconds_per_image())
        .fold(f64::INFINITY, f64::min);
    let best = plans
        .filter(|(_, plan)| plan.seconds_per_image() <= fastest * (1.0 + TIE))
        .min_by_key(|(index, plan)| (server_bytes(plan), *index))
        .map(|(index, _)| index);
    let Some(best) = best else {
        return Err(infeasible(kinds, circuit));
    };
    let mut plan = match kinds.swap_remove(best).outcome {
        Ok(plan) => plan,
        Err(_) => return Err(infeasible(kinds, circuit)),
    };
    let mut alternatives: Vec<Alternative> = kinds
        .into_iter()
        .map(|kind| {
            let failure = kind.outcome.map_or_else(
                |failure| failure,
                |other| Failure {
                    reason: Reason::Slower {
                        factor: other.seconds_per_image() / plan.seconds_per_image(),
                    },
                    sketch: Some(Sketch::of(&other)),
                },
            );
            Alternative {
                ring: kind.ring,
                relinearization: kind.relinearization,
                sketch: failure.sketch,
                reason: failure.reason,
            }
        })
        .collect();
    let order = |alternative: &Alternative| match alternative.reason {
        Reason::Slower { factor } => factor,
        Reason::Imprecise { .. } => 1e10,
        Reason::Memory { .. } => 1e11,
        Reason::Insecure { .. } => 1e12,
        Reason::Impossible { .. } => 1e13,
    };
    alternatives.sort_by(|a, b| order(a).total_cmp(&order(b)));
    plan.alternatives = alternatives;
    Ok(plan)
}

/// What one batch occupies of the server, for one image.
fn server_bytes(plan: &Plan) -> u64 {
    (plan.peak_memory_bytes + plan.input_bytes + plan.output_bytes) / plan.slots.max(1) as u64
}

/// The error where nothing will do: the size of the modulus where that alone is the matter.
fn infeasible(kinds: Vec<Kind>, circuit: &Circuit) -> CircuitError {
    let failures: Vec<(String, Reason)> = kinds
        .into_iter()
        .filter_map(|kind| {
            let name = format!("{}, {}", kind.ring, kind.relinearization.as_str());
            Some((name, kind.outcome.err()?.reason))
        })
        .collect();
    let smallest = failures.iter().map(|(_, reason)| match reason {
        Reason::Insecure {
            needed_log_qp,
            largest_log_qp,
            largest_log_n,
        } => Some((*needed_log_qp, *largest_log_qp, *largest_log_n)),
        Reason::Impossible { .. } => Some((f64::INFINITY, 0.0, 0)),
        _ => None,
    });
    let smallest = smallest.collect::<Option<Vec<_>>>().unwrap_or_default();
    match smallest.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((needed_log_qp, largest_log_qp, largest_log_n)) if needed_log_qp.is_finite() => {
            CircuitError::TooDeep {
                depth: circuit.multiplicative_depth(),
                needed_log_qp,
                largest_log_qp,
                largest_log_n,
            }
        }
        _ => CircuitError::NoPlan {
            reasons: failures
                .into_iter()
                .map(|(name, reason)| format!("{name}: {reason}"))
                .collect(),
        },
    }
}

/// The faster of two plans of one kind; of equally fast ones the smaller, then the more precise one (as far as that counts). Of two
/// failures the one that came further.
pub(super) fn better(
    a: Result<Plan, Failure>,
    b: Result<Plan, Failure>,
    precision: f64,
) -> Result<Plan, Failure> {
    match (a, b) {
        (Ok(a), Ok(b)) => {
            let (a_time, b_time) = (a.seconds_per_image(), b.seconds_per_image());
            if a_time.max(b_time) > a_time.min(b_time) * (1.0 + TIE) {
                return Ok(if b_time < a_time { b } else { a });
            }
            let counts = |plan: &Plan| {
                plan.logit_precision_bits()
                    .min(precision + PRECISION_MARGIN_BITS)
            };
            let prefers_b = match b.peak_memory_bytes.cmp(&a.peak_memory_bytes) {
                std::cmp::Ordering::Less => true,
                std::cmp::Ordering::Equal => counts(&b) > counts(&a),
                std::cmp::Ordering::Greater => false,
            };
            Ok(if prefers_b { b } else { a })
        }
        (Ok(plan), Err(_)) | (Err(_), Ok(plan)) => Ok(plan),
        (Err(a), Err(b)) => Err(if progress(&b.reason) > progress(&a.reason) {
            b
        } else {
            a
        }),
    }
}

/// How far a failure came: parameters, then precision (the more the better), then memory.
fn progress(reason: &Reason) -> f64 {
    match reason {
        Reason::Memory { .. } => f64::INFINITY,
        Reason::Imprecise { bits, .. } => bits.max(-1e6),
        Reason::Insecure { needed_log_qp, .. } => -1e7 - needed_log_qp.min(1e9),
        Reason::Impossible { .. } | Reason::Slower { .. } => f64::NEG_INFINITY,
    }
}
