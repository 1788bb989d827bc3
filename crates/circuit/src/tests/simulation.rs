use super::planning::{encryption, folded};
use crate::reference::{images, small};
use crate::{CircuitError, CircuitLayer, Plan, plan, simulate, simulate_checked};
use cryptodl_data::Images;
use cryptodl_model::TrainedNetwork;
use cryptodl_records::Evaluation;
use cryptodl_reference as reference;
use cryptodl_spec::Shape;

/// Root mean square difference of the logits, relative to their own size.
fn distance(found: &Evaluation, network: &TrainedNetwork, images: &Images) -> f64 {
    let wanted: Vec<f64> = (0..images.len())
        .flat_map(|index| reference::forward(network, images.image(index)))
        .collect();
    assert_eq!(found.logits.len(), wanted.len());
    let square = |value: f64| value * value;
    let error: f64 = found
        .logits
        .iter()
        .zip(&wanted)
        .map(|(a, b)| square(f64::from(*a) - b))
        .sum();
    (error / wanted.iter().map(|value| square(*value)).sum::<f64>()).sqrt()
}

#[test]
fn the_integer_circuit_approaches_the_network_as_weight_bits_grow() {
    for degree in 2..=9 {
        let network = small(degree, true, if degree % 2 == 0 { 1.0 } else { -1.0 });
        let images = images(&network, 20);
        let at = |bits| {
            let circuit = folded(&network, bits);
            let plan = plan(&circuit, &encryption(28, bits)).unwrap();
            distance(
                &simulate(&circuit, &plan, &images, None).unwrap(),
                &network,
                &images,
            )
        };
        let (coarse, middle, fine) = (at(5), at(8), at(12));
        assert!(
            coarse > 2.0 * middle && middle > 2.0 * fine,
            "degree {degree}: {coarse} {middle} {fine}"
        );
        assert!(fine < 0.02, "degree {degree}: {fine}");
    }
}

#[test]
fn sampled_noise_is_small_repeatable_and_of_the_predicted_size() {
    let network = small(2, true, 1.0);
    let images = images(&network, 200);
    let circuit = folded(&network, 9);
    let plan = plan(&circuit, &encryption(22, 9)).unwrap();
    let clear = simulate(&circuit, &plan, &images, None).unwrap();
    let noisy = simulate(&circuit, &plan, &images, Some(1)).unwrap();
    assert_eq!(noisy, simulate(&circuit, &plan, &images, Some(1)).unwrap());
    assert_ne!(noisy, simulate(&circuit, &plan, &images, Some(2)).unwrap());
    let differences = clear
        .logits
        .iter()
        .zip(&noisy.logits)
        .map(|(a, b)| f64::from(a - b).powi(2));
    let measured = (differences.sum::<f64>() / clear.logits.len() as f64).sqrt();
    let predicted = (-plan.layers.last().unwrap().precision_bits).exp2();
    // The prediction takes the noisiest output and independent noise; it may be too large, and must not be far too small.
    assert!(
        (predicted / 8.0..predicted * 2.0).contains(&measured),
        "{measured} against {predicted}"
    );
}

#[test]
fn values_past_the_modulus_are_counted() {
    let network = small(2, true, 1.0);
    let images = images(&network, 10);
    let mut circuit = folded(&network, 9);
    let plan = plan(&circuit, &encryption(22, 9)).unwrap();
    assert_eq!(
        simulate_checked(&circuit, &plan, &images, None)
            .unwrap()
            .wrapped_images,
        0
    );
    // A bias that the plan knows nothing of.
    if let Some(CircuitLayer::Linear(last)) = circuit.layers.last_mut() {
        last.bias[0] = 1e7;
    }
    assert_eq!(
        simulate_checked(&circuit, &plan, &images, None)
            .unwrap()
            .wrapped_images,
        10
    );
}

#[test]
fn integers_never_wrap() {
    let network = small(4, true, 1.0);
    let images = images(&network, 2);
    let circuit = folded(&network, 9);
    let sound = plan(&circuit, &encryption(22, 9)).unwrap();
    let huge = Plan {
        input_scale: 1e25,
        ..sound.clone()
    };
    let error = simulate(&circuit, &huge, &images, None).unwrap_err();
    assert!(matches!(error, CircuitError::Overflow { .. }), "{error}");
    let other = Images {
        shape: Shape {
            channels: 1,
            height: 4,
            width: 16,
        },
        ..images
    };
    assert!(matches!(
        simulate(&circuit, &sound, &other, None).unwrap_err(),
        CircuitError::Images { .. }
    ));
}
