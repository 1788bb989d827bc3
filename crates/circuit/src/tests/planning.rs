use crate::reference::{Builder, images, ranges, small};
use crate::{Circuit, CircuitError, CircuitLayer, Plan, Relinearization, fold, plan, plan_shape};
use ckks::{Parameters, Ring, max_log_qp};
use cryptodl_model::TrainedNetwork;
use cryptodl_reference as reference;
use cryptodl_spec::{BackendName, EncryptionSpec, Experiment, LayerSpec, Shape};

pub fn encryption(scale_bits: u32, weight_bits: u32) -> EncryptionSpec {
    EncryptionSpec {
        views: 1,
        repetitions: 1,
        backend: BackendName::Ckks,
        security_bits: 128,
        images: 0,
        threads: 0,
        ring: Some(Ring::Standard),
        relinearization: Some(Relinearization::Eager),
        weight_bits: Some(weight_bits),
        scale_bits: Some(scale_bits),
        precision_bits: Some(-20.0),
        message_bits: None,
        pixel_bits: None,
        memory_gib: Some(1e6),
    }
}

/// Everything open, in a machine of any size.
pub fn open() -> EncryptionSpec {
    EncryptionSpec {
        ring: None,
        relinearization: None,
        weight_bits: None,
        scale_bits: None,
        precision_bits: None,
        ..encryption(22, 9)
    }
}

/// In the conjugate-invariant ring.
pub fn real(encryption: EncryptionSpec) -> EncryptionSpec {
    EncryptionSpec {
        ring: Some(Ring::ConjugateInvariant),
        ..encryption
    }
}

pub fn folded(network: &TrainedNetwork, weight_bits: u32) -> Circuit {
    fold(network, &ranges(network, &images(network, 20)), weight_bits).unwrap()
}

/// 28 x 28 pixels, two convolutions with activations, two dense layers.
pub fn mnist_like(degree: usize) -> Experiment {
    let mut experiment = reference::experiment(3);
    let at = |channels, side| Shape {
        channels,
        height: side,
        width: side,
    };
    let block = [LayerSpec::BatchNorm, LayerSpec::Activation];
    experiment.network.input = at(1, 28);
    experiment.network.classes = 10;
    let conv = |channels| LayerSpec::Conv {
        channels,
        kernel: 5,
        stride: 2,
        padding: 2,
    };
    experiment.network.layers = [
        &[conv(16)],
        &block[..],
        &[conv(32)],
        &block,
        &[LayerSpec::Dense { units: 64 }],
        &block,
    ]
    .concat();
    experiment
        .network
        .layers
        .push(LayerSpec::Dense { units: 10 });
    let shapes = [at(16, 14), at(32, 7), at(64, 1)];
    experiment.network.shapes = shapes.iter().flat_map(|shape| [*shape; 3]).collect();
    experiment.network.shapes.push(at(10, 1));
    experiment.activation.degree = degree;
    experiment.encryption = encryption(22, 9);
    experiment
}

/// Every number of a plan that must hold whatever the circuit.
fn is_sound(circuit: &Circuit, plan: &Plan) {
    let parameters = Parameters::new(plan.parameters.clone()).unwrap();
    assert!(parameters.log_qp() <= max_log_qp(128, plan.parameters.log_n).unwrap());
    assert_eq!(plan.layers.len(), circuit.layers.len());
    assert_eq!(plan.multiplicative_depth, circuit.multiplicative_depth());
    let special = &plan.parameters.special_bits;
    assert!(!special.is_empty());
    for digit in plan.parameters.prime_bits.chunks(special.len()) {
        assert!(digit.iter().all(|bits| (20..=50).contains(bits)));
        assert!(digit.iter().sum::<u32>() <= special.iter().sum());
    }
    // Activations bring the scale back; levels fall by what the polynomials spend, to the bottom.
    let mut level = parameters.max_level();
    for (layer, row) in circuit.layers.iter().zip(&plan.layers) {
        if let CircuitLayer::Polynomial(polynomial) = layer {
            level -= polynomial.polynomial.depth();
            let wanted = plan.input_scale.log2();
            // Above what was wanted only where the prime for it would pass 50 bits.
            let largest = plan.parameters.prime_bits.contains(&50);
            assert!(
                row.scale_bits > wanted - 1.1 && (largest || row.scale_bits < wanted + 1.6),
                "{row:?}"
            );
        }
        assert_eq!(row.level, level);
        assert!(row.seconds > 0.0 && row.precision_bits.is_finite());
        assert_eq!(
            row.bytes,
            16 * (plan.ring_degree * row.ciphertexts * (level + 1)) as u64
        );
    }
    assert!(plan.peak_memory_bytes > plan.evaluation_key_bytes);
}

#[test]
fn two_squares_need_three_primes_of_about_forty_bits() {
    let circuit = folded(&small(2, false, 1.0), 9);
    let plan = plan(&circuit, &encryption(22, 9)).unwrap();
    is_sound(&circuit, &plan);
    assert_eq!(
        (
            plan.parameters.log_n,
            plan.slots,
            plan.parameters.prime_bits.len()
        ),
        (13, 4096, 3)
    );
    assert!(
        plan.parameters.prime_bits[1..]
            .iter()
            .all(|bits| (38..=48).contains(bits)),
        "{plan:?}"
    );
    assert_eq!(
        (plan.batches(0), plan.batches(4096), plan.batches(4097)),
        (0, 1, 2)
    );
    // 22-bit scales leave about 11.6 bits after a rescaling at N = 8192.
    assert!(
        (7.0..12.0).contains(&plan.min_precision_bits()),
        "{}",
        plan.min_precision_bits()
    );
}

#[test]
fn every_degree_and_scale_is_planned_soundly() {
    for degree in 2..=9 {
        for scale_bits in [18, 22, 26, 30] {
            let circuit = folded(&small(degree, true, 1.0), 8);
            match plan(&circuit, &encryption(scale_bits, 8)) {
                Ok(plan) => {
                    assert!(
                        scale_bits == 30 || plan.parameters.log_n <= 14,
                        "{degree} {scale_bits}"
                    );
                    if scale_bits < 30 {
                        is_sound(&circuit, &plan);
                    }
                }
                Err(error) => panic!("degree {degree}, {scale_bits} bits: {error}"),
            }
        }
    }
}

#[test]
fn more_scale_is_more_precision_and_the_conjugate_invariant_ring_holds_twice_the_images() {
    let circuit = folded(&small(2, false, 1.0), 9);
    let precision = |bits| {
        plan(&circuit, &encryption(bits, 9))
            .unwrap()
            .min_precision_bits()
    };
    assert!(precision(26) > precision(22) + 3.0);
    let real = plan(&circuit, &real(encryption(22, 9))).unwrap();
    is_sound(&circuit, &real);
    assert_eq!(real.slots, real.ring_degree);
}

#[test]
fn a_shallow_circuit_with_small_numbers_takes_a_small_ring() {
    let network = Builder::new(1, 6)
        .dense(8)
        .norm()
        .polynomial(2, false, 1.0)
        .dense(3)
        .build();
    let circuit = folded(&network, 5);
    let plan = plan(&circuit, &encryption(14, 5)).unwrap();
    assert_eq!(plan.parameters.log_n, 12, "{:?}", plan.parameters);
}

#[test]
fn linear_layers_in_a_row_and_pools_before_activations_are_planned() {
    let network = Builder::new(1, 8)
        .conv(2, 3, 1, 1)
        .pool(2)
        .polynomial(2, true, 1.0);
    let circuit = folded(
        &network
            .dense(6)
            .dense(5)
            .polynomial(3, true, 1.0)
            .dense(3)
            .build(),
        9,
    );
    let plan = plan(&circuit, &encryption(22, 9)).unwrap();
    assert_eq!(plan.layers.len(), circuit.layers.len());
}

#[test]
fn a_circuit_too_deep_for_any_secure_ring_says_what_it_needs() {
    let mut network = Builder::new(1, 4).dense(3);
    for _ in 0..60 {
        network = network.norm().polynomial(2, false, 1.0).dense(3);
    }
    let circuit = folded(&network.build(), 9);
    let Err(CircuitError::TooDeep {
        depth,
        needed_log_qp,
        largest_log_qp,
        largest_log_n,
    }) = plan(&circuit, &encryption(22, 9))
    else {
        panic!("60 squares were planned");
    };
    assert_eq!((depth, largest_log_qp, largest_log_n), (60, 1747.0, 16));
    assert!(needed_log_qp > largest_log_qp);
    let error = plan(
        &circuit,
        &EncryptionSpec {
            security_bits: 100,
            ..encryption(22, 9)
        },
    )
    .unwrap_err();
    assert!(matches!(error, CircuitError::Security { asked: 100 }));
}

#[test]
fn a_spec_is_planned_before_training() {
    let eager = plan_shape(&mnist_like(2)).unwrap();
    // What the spec says is kept: 22 bits need the larger ring, though 21 would do in half of it.
    assert_eq!(
        (
            eager.multiplicative_depth,
            eager.parameters.log_n,
            eager.input_scale
        ),
        (3, 14, 22_f64.exp2())
    );
    let mut free = mnist_like(2);
    free.encryption = open();
    let chosen = plan_shape(&free).unwrap();
    assert!(
        chosen.parameters.log_n <= 13 && chosen.seconds_per_image() < eager.seconds_per_image()
    );
    // A trained leading coefficient counts even where the method finds zero for it.
    assert_eq!(plan_shape(&mnist_like(3)).unwrap().multiplicative_depth, 6);
    assert_eq!(plan_shape(&mnist_like(9)).unwrap().multiplicative_depth, 12);
}

#[test]
fn the_choice_of_primes_settles_for_any_degree_scale_and_weights() {
    for degree in [2, 3, 5, 9, 12, 15] {
        for (scale_bits, weight_bits) in [(12, 4), (12, 12), (22, 4), (22, 9), (30, 12)] {
            let mut network = Builder::new(1, 6).dense(8);
            for _ in 0..3 {
                network = network.norm().polynomial(degree, true, -1.0).dense(6);
            }
            let circuit = folded(&network.build(), weight_bits);
            let asked = encryption(scale_bits, weight_bits);
            let asked = if scale_bits == 12 { real(asked) } else { asked };
            let planned = plan(&circuit, &asked);
            let planned = planned
                .unwrap_or_else(|error| panic!("{degree} {scale_bits} {weight_bits}: {error}"));
            is_sound(&circuit, &planned);
            assert!(
                scale_bits < 22 || planned.min_precision_bits() > 2.0,
                "{degree} {weight_bits}"
            );
        }
    }
}
