use std::sync::Arc;

use super::planning::{encryption, folded};
use crate::circuit::reference::{images, small};
use crate::circuit::{Circuit, Plan, execute, plan_in, simulate};
use crate::data::Images;
use ckks::{EvaluationKey, Evaluator, Parameters, ParametersLiteral, Ring, SecretKey};

/// The logits of real ciphertexts, in a ring too small to be secure.
fn encrypted(circuit: &Circuit, plan: &Plan, images: &Images, log_n: u32) -> Vec<f64> {
    let literal = ParametersLiteral {
        log_n,
        ..plan.parameters.clone()
    };
    let parameters = Parameters::insecure_for_tests(literal).unwrap();
    let key = SecretKey::generate(&parameters).unwrap();
    let evaluation = Arc::new(EvaluationKey::generate(&key).unwrap());
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
    let machine = Evaluator::new(parameters.clone(), Some(evaluation)).unwrap();
    let mut seen = Vec::new();
    let output = execute(&machine, circuit, set.expand(), &mut |index, value, _| {
        seen.push((index, value.level(), value.features(), value.scale().log2()));
    })
    .unwrap();
    for ((index, level, features, scale_bits), row) in seen.iter().zip(&plan.layers) {
        assert_eq!(
            (*level, *features),
            (row.level, row.ciphertexts),
            "layer {index}"
        );
        assert!(
            (scale_bits - row.scale_bits).abs() < 0.5,
            "layer {index}: {scale_bits} bits"
        );
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
        let plan = plan_in(&circuit, &encryption(24, 9), ring).unwrap();
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
