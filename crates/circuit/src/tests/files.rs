use super::planning::folded;
use crate::reference::{Builder, small};
use crate::{Circuit, CircuitError, CircuitLayer, LinearLayer, Placement, Schedule};
use ckks::{LinearMap, MonicPolynomial};

#[test]
fn a_circuit_survives_its_file_and_json() {
    for degree in [2, 5] {
        let circuit = folded(&small(degree, true, -1.0), 9);
        assert_eq!(Circuit::from_bytes(&circuit.to_bytes()).unwrap(), circuit);
        let json = serde_json::to_string(&circuit).unwrap();
        let back: Circuit = serde_json::from_str(&json).unwrap();
        back.check().unwrap();
        assert_eq!(back.layers.len(), circuit.layers.len());
    }
}

#[test]
fn every_flipped_byte_and_every_cut_is_refused() {
    let network = Builder::new(1, 3)
        .dense(2)
        .polynomial(2, false, 1.0)
        .dense(3)
        .build();
    let bytes = folded(&network, 6).to_bytes();
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 0x10;
        assert!(Circuit::from_bytes(&damaged).is_err(), "byte {index}");
        assert!(
            Circuit::from_bytes(&bytes[..index]).is_err(),
            "cut at {index}"
        );
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(Circuit::from_bytes(&longer).is_err());
}

/// A file whose author computed the digest anew.
fn resealed(bytes: &[u8]) -> Vec<u8> {
    let body = &bytes[..bytes.len() - 32];
    [body, blake3::hash(body).as_bytes()].concat()
}

#[test]
fn a_hostile_file_ends_in_an_error_whatever_byte_it_changed() {
    let network = Builder::new(1, 3)
        .dense(2)
        .polynomial(2, false, 1.0)
        .dense(3)
        .build();
    let bytes = folded(&network, 6).to_bytes();
    for index in 0..bytes.len() - 32 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut hostile = bytes.clone();
            hostile[index] = value;
            // Many changes still make a circuit; those that do pass the check, those that do not are an error, and nothing panics.
            if let Ok(circuit) = Circuit::from_bytes(&resealed(&hostile)) {
                circuit.check().unwrap();
            }
        }
    }
    let mut version = bytes;
    version[16] = 9;
    let error = Circuit::from_bytes(&resealed(&version)).unwrap_err();
    assert!(error.to_string().contains("version is 9"), "{error}");
}

#[test]
fn contradictions_are_refused() {
    let sound = folded(&small(3, true, 1.0), 8);
    sound.check().unwrap();
    let refused = |change: &dyn Fn(&mut Circuit)| {
        let mut circuit = sound.clone();
        change(&mut circuit);
        let error = circuit.check().unwrap_err();
        assert!(matches!(error, CircuitError::Invalid { .. }), "{error}");
        error.to_string()
    };
    let linear = |circuit: &mut Circuit, change: &dyn Fn(&mut LinearLayer)| {
        let Some(CircuitLayer::Linear(layer)) = circuit.layers.first_mut() else {
            panic!("conv1")
        };
        change(layer);
    };
    assert!(refused(&|circuit| circuit.classes = 4).contains("outputs"));
    assert!(refused(&|circuit| circuit.input.height = usize::MAX).contains("input features"));
    assert!(refused(&|circuit| circuit.mean.push(0.0)).contains("means"));
    assert!(refused(&|circuit| circuit.std[0] = 0.0).contains("deviation"));
    assert!(refused(&|circuit| drop(circuit.layers.pop())).contains("last layer"));
    assert!(refused(&|circuit| circuit.layers.clear()).contains("layers"));
    assert!(
        refused(&|circuit| linear(circuit, &|layer| layer.weight_scale = f64::NAN))
            .contains("weight scale")
    );
    assert!(refused(&|circuit| linear(circuit, &|layer| layer.bound = -1.0)).contains("bound"));
    assert!(
        refused(&|circuit| linear(circuit, &|layer| layer.bias.truncate(1))).contains("biases")
    );
    assert!(
        refused(&|circuit| linear(circuit, &|layer| layer.bias[3] = f64::INFINITY))
            .contains("bias")
    );
    assert!(
        refused(&|circuit| linear(circuit, &|layer| layer.name = "a\nb".into())).contains("name")
    );
    let other = |layer: &mut LinearLayer| layer.map = LinearMap::dense(3, 2, vec![1; 6]).unwrap();
    assert!(refused(&|circuit| linear(circuit, &other)).contains("inputs"));
    let polynomial = |degree, lower| {
        move |circuit: &mut Circuit| {
            let Some(CircuitLayer::Polynomial(layer)) = circuit.layers.get_mut(1) else {
                panic!("poly1")
            };
            layer.polynomial = MonicPolynomial::new(degree, lower).unwrap();
        }
    };
    let refused_once = |change: Box<dyn FnOnce(&mut Circuit)>| {
        let mut circuit = sound.clone();
        change(&mut circuit);
        circuit.check().unwrap_err().to_string()
    };
    assert!(refused_once(Box::new(polynomial(16, vec![vec![]; 16]))).contains("degree"));
    assert!(
        refused_once(Box::new(polynomial(2, vec![vec![], vec![1.0; 7]]))).contains("coefficients")
    );
}

#[test]
fn a_schedule_of_another_circuit_is_refused() {
    let circuit = folded(&small(2, false, 1.0), 8);
    let direct = |squares| Schedule::per_square(vec![Placement::DIRECT; squares]);
    assert!(direct(2).check(&circuit).is_ok() && Schedule::LAZY.check(&circuit).is_ok());
    let eager = Schedule {
        squares: vec![Placement::DIRECT],
        ..Schedule::EAGER
    };
    for wrong in [direct(1), direct(3), eager] {
        let error = wrong.check(&circuit).unwrap_err();
        assert!(matches!(error, CircuitError::Invalid { .. }), "{error}");
    }
}
