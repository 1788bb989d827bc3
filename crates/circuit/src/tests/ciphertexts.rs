use std::sync::Arc;

use super::planning::{encryption, folded, open};
use crate::choose::Design;
use crate::execute::{Observer, execute};
use crate::map_facts::Facts;
use crate::plan::describe;
use crate::reference::{Builder, images, small};
use crate::{Circuit, CostTable, Execution, Executor, Plan, Relinearization, plan, simulate};
use ckks::{
    CiphertextSet, EvaluationKey, Evaluator, Parameters, ParametersLiteral, Ring, SecretKey,
};
use cryptodl_data::Images;
use cryptodl_spec::EncryptionSpec;

/// The plan's primes in a ring too small to be secure.
pub fn insecure(plan: &Plan, log_n: u32) -> Parameters {
    let literal = ParametersLiteral {
        log_n,
        ..plan.parameters.clone()
    };
    Parameters::insecure_for_tests(literal).unwrap()
}

/// What the planner says of the same plan in that ring.
pub fn in_ring(circuit: &Circuit, plan: &Plan, log_n: u32) -> Plan {
    let facts = Facts::default();
    let design = Design {
        circuit,
        facts: &facts,
        schedule: &plan.schedule,
        ring: plan.parameters.ring,
        input_bits: plan.input_scale.log2(),
        scale_bits: plan.scale_bits,
        headroom: 0.0,
    };
    describe(&design, &insecure(plan, log_n), &CostTable::default()).unwrap()
}

/// The logits of real ciphertexts, in a ring too small to be secure.
pub fn encrypted(circuit: &Circuit, plan: &Plan, images: &Images, log_n: u32) -> Vec<f64> {
    on(insecure(plan, log_n), circuit, plan, images)
}

pub fn bytes(set: &CiphertextSet) -> Vec<u8> {
    let mut bytes = Vec::new();
    set.write(&mut bytes).unwrap();
    bytes
}

/// What leaves every layer: level, features, components; bits of the scale.
struct Seen {
    layers: Vec<Option<(Sizes, f64)>>,
    /// The layer of every operation.
    owners: Vec<usize>,
}

type Sizes = (usize, usize, usize);

impl Observer<CiphertextSet> for Seen {
    fn after(&mut self, index: usize, value: &mut CiphertextSet) {
        let sizes = (value.level(), value.features(), value.components());
        self.layers[self.owners[index]] = Some((sizes, value.scale().log2()));
    }
}

/// The logits of real ciphertexts.
pub fn on(parameters: Parameters, circuit: &Circuit, plan: &Plan, images: &Images) -> Vec<f64> {
    let key = SecretKey::generate(&parameters).unwrap();
    let needed = plan.schedule.needs_key(circuit);
    let evaluation = needed.then(|| Arc::new(EvaluationKey::generate(&key).unwrap()));
    let mut pixels = Vec::new();
    for image in 0..images.len() {
        circuit.normalise(images.image(image), &mut pixels);
    }
    let (count, features) = (images.len(), circuit.input.len());
    let by_feature: Vec<f64> = (0..features * count)
        .map(|at| pixels[at % count * features + at / count])
        .collect();
    let set = key
        .encrypt(&by_feature, features, plan.input_scale)
        .unwrap();
    let evaluator = Evaluator::new(parameters.clone(), evaluation).unwrap();
    let operations = plan.schedule.operations(circuit);
    let mut seen = Seen {
        layers: vec![None; circuit.layers.len()],
        owners: operations.iter().map(|operation| operation.layer).collect(),
    };
    let output = execute(&evaluator, &operations, set.expand(), &mut seen).unwrap();
    for ((layer, seen), row) in seen.layers.into_iter().enumerate().zip(&plan.layers) {
        let (sizes, scale_bits) = seen.unwrap();
        assert_eq!(
            sizes,
            (row.level, row.ciphertexts, row.components),
            "layer {layer}"
        );
        assert!(
            (scale_bits - row.scale_bits).abs() < 0.5,
            "layer {layer}: {scale_bits} bits"
        );
    }
    // Layers that run together, or chunk by chunk, give the very bits of layers that run one by one, and every layer is told of.
    for execution in [
        Execution::Whole,
        Execution::Streamed(64),
        Execution::Streamed(1),
    ] {
        let executor = Executor::new(&evaluator, circuit, &plan.schedule, execution);
        let reports = executor.reports();
        let mut told = Vec::new();
        let found = executor.run(set.clone(), &mut |index, _| {
            told.push(index);
            true
        });
        assert_eq!(
            bytes(&found.unwrap().unwrap()),
            bytes(&output),
            "{execution:?}"
        );
        assert_eq!(told.len(), reports);
        told.sort_unstable();
        told.dedup();
        assert!(told.into_iter().eq(0..circuit.layers.len()));
    }
    let slots = parameters.slots();
    let values = key.decrypt(&output).unwrap();
    (0..count)
        .flat_map(|image| {
            values
                .chunks_exact(slots)
                .map(move |row| row[image])
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn real_ciphertexts_give_what_was_planned_and_simulated() {
    for (degree, ring) in [
        (2, Ring::Standard),
        (2, Ring::ConjugateInvariant),
        (3, Ring::Standard),
        (5, Ring::Standard),
    ] {
        let network = small(degree, true, -1.0);
        let images = images(&network, 40);
        let circuit = folded(&network, 9);
        let plan = plan(
            &circuit,
            &EncryptionSpec {
                ring: Some(ring),
                ..encryption(24, 9)
            },
        )
        .unwrap();
        let wanted = simulate(&circuit, &plan, &images, None).unwrap().logits;
        let found = encrypted(&circuit, &plan, &images, 10);
        let squares = found
            .iter()
            .zip(&wanted)
            .map(|(a, b)| (a - f64::from(*b)).powi(2));
        let measured = (squares.sum::<f64>() / wanted.len() as f64).sqrt();
        let predicted = (-plan.layers.last().unwrap().precision_bits).exp2();
        // A smaller ring has less noise than planned for.
        assert!(
            measured < predicted,
            "degree {degree}: {measured} against {predicted}"
        );
    }
}

/// The largest and the root mean square difference.
fn difference(found: &[f64], wanted: &[f32]) -> (f64, f64) {
    let errors = found
        .iter()
        .zip(wanted)
        .map(|(a, b)| (a - f64::from(*b)).abs());
    let largest = errors.clone().fold(0.0, f64::max);
    let squares: f64 = errors.map(|error| error * error).sum();
    (largest, (squares / wanted.len() as f64).sqrt())
}

#[test]
fn every_schedule_gives_the_simulators_logits_in_both_rings() {
    // Pools between, a polynomial that no schedule can leave open, and what lies around it.
    let mixed = Builder::new(1, 6)
        .conv(2, 3, 1, 1)
        .polynomial(2, true, 1.0)
        .pool(2);
    let mixed = mixed.dense(6).polynomial(3, false, 1.0);
    let mixed = mixed.dense(5).polynomial(2, false, -1.0).dense(3).build();
    for (network, choices) in [
        (small(2, false, 1.0), &Relinearization::ALL[..]),
        (mixed, &[Relinearization::Eager, Relinearization::Lazy][..]),
    ] {
        let images = images(&network, 100);
        let circuit = folded(&network, 8);
        for ring in [Ring::Standard, Ring::ConjugateInvariant] {
            for relinearization in choices {
                let asked = EncryptionSpec {
                    ring: Some(ring),
                    relinearization: Some(*relinearization),
                    ..open()
                };
                let plan = plan(&circuit, &asked).unwrap();
                let wanted = simulate(&circuit, &plan, &images, None).unwrap().logits;
                let found = encrypted(&circuit, &plan, &images, 10);
                let (largest, deviation) = difference(&found, &wanted);
                let small = in_ring(&circuit, &plan, 10);
                let predicted = (-small.logit_precision_bits()).exp2();
                let what = format!("{ring} {relinearization:?}");
                assert!(largest <= small.logit_error_bound(), "{what}: {largest}");
                assert!(
                    (0.25..4.0).contains(&(deviation / predicted)),
                    "{what}: {deviation} is not {predicted}"
                );
            }
        }
    }
}

#[test]
fn a_secure_keyless_plan_gives_the_simulators_logits() {
    let network = Builder::new(1, 8)
        .dense(12)
        .norm()
        .polynomial(2, false, 1.0)
        .dense(4)
        .build();
    let images = images(&network, 1000);
    let circuit = folded(&network, 5);
    let plan = plan(
        &circuit,
        &EncryptionSpec {
            precision_bits: Some(4.0),
            ..open()
        },
    )
    .unwrap();
    assert_eq!(
        (plan.schedule.relinearization, plan.parameters.log_n),
        (Relinearization::Never, 11),
        "{:#?}",
        plan.alternatives
    );
    let parameters = Parameters::new(plan.parameters.clone()).unwrap();
    let wanted = simulate(&circuit, &plan, &images, None).unwrap().logits;
    let found = on(parameters, &circuit, &plan, &images);
    let (largest, deviation) = difference(&found, &wanted);
    let predicted = (-plan.logit_precision_bits()).exp2();
    assert!(largest <= plan.logit_error_bound());
    assert!(
        (0.25..4.0).contains(&(deviation / predicted)),
        "{deviation} is not {predicted}"
    );
}
