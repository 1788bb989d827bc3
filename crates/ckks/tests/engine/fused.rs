//! Fused programs give the bits of their steps.

use ckks::{
    CiphertextSet, Error, Evaluator, FeatureView, FusedStep, HomomorphicOps, LinearMap, Ring,
};
use proptest::prelude::*;

use crate::common::{Engine, RINGS, parameters};

fn bytes(set: &CiphertextSet) -> Vec<u8> {
    let mut bytes = Vec::new();
    set.write(&mut bytes).unwrap();
    bytes
}

fn step_by_step(
    m: &Evaluator,
    input: &CiphertextSet,
    steps: &[FusedStep<'_>],
) -> Result<CiphertextSet, Error> {
    let mut v = input.clone();
    for step in steps {
        v = match *step {
            FusedStep::Linear { map, weight_scale } => m.linear(&v, map, weight_scale)?,
            FusedStep::AddConstants(constants) => m.add_constants(v, constants)?,
            FusedStep::MultiplyConstants {
                constants,
                target_scale,
            } => m.multiply_constants(&v, constants, target_scale)?,
            FusedStep::TensorSquare => m.tensor_square(&v)?,
            _ => unreachable!("a step that this test does not know"),
        };
    }
    Ok(v)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_program(
        conjugate_invariant: bool,
        kinds in prop::collection::vec(0..4usize, 0..7),
        weights in prop::collection::vec(-300i16..300, 64),
        values in prop::collection::vec(-1.0..1.0f64, 4 * 64),
    ) {
        let engine = Engine::new(parameters(RINGS[usize::from(conjugate_invariant)], 7, &[50, 40, 30], &[]));
        let m = &engine.evaluator;
        let sizes = [4, 7, 3, 5];
        let maps: Vec<LinearMap> = (0..4).map(|i| {
            let (inputs, outputs) = (sizes[i], sizes[(i + 1) % 4]);
            LinearMap::dense(inputs, outputs, weights[..inputs * outputs].to_vec()).unwrap()
        }).collect();
        let constants = [1.5, -0.25, 3.0, 2.0, -7.5, 0.125, 9.0];
        let (mut at, mut components, mut scale) = (0, 2, 64.0);
        let mut steps = Vec::new();
        for kind in kinds {
            match kind {
                0 => {
                    steps.push(FusedStep::Linear { map: &maps[at], weight_scale: 8.0 });
                    at = (at + 1) % 4;
                    scale *= 8.0;
                }
                1 => steps.push(FusedStep::AddConstants(&constants[..sizes[at]])),
                2 => {
                    scale *= 4.0;
                    steps.push(FusedStep::MultiplyConstants { constants: &constants[..1], target_scale: scale });
                }
                _ if components <= 3 => {
                    components = 2 * components - 1;
                    scale *= scale;
                    steps.push(FusedStep::TensorSquare);
                }
                _ => {}
            }
        }
        let seeded = engine.secret.encrypt(&values, 4, 64.0).unwrap();
        let expanded = seeded.expand();
        let expected = step_by_step(m, &expanded, &steps);
        // the same features from parts that were expanded on their own, their maps prepared before
        let parts = seeded.clone().into_parts(&[vec![3, 1], vec![0, 2]]).unwrap();
        let parts: Vec<CiphertextSet> = parts.iter().map(|part| part.expand()).collect();
        let places = [(1, 0), (0, 1), (1, 1), (0, 0)];
        let gathered = FeatureView::new(parts.iter().collect(), &places).unwrap();
        let prepared: Vec<_> = maps.iter().map(|map| m.prepare(map)).collect();
        let ready: Vec<_> = steps.iter().map(|step| match *step {
            FusedStep::Linear { map, weight_scale } => {
                let at = maps.iter().position(|known| known == map).unwrap();
                FusedStep::Prepared { map: &prepared[at], weight_scale }
            }
            other => other,
        }).collect();
        let together = m.fused(&gathered, &ready);
        for fused in [m.fused(&expanded, &steps), m.fused(&seeded, &steps), together] {
            match (&fused, &expected) {
                (Ok(fused), Ok(expected)) => prop_assert!(bytes(fused) == bytes(expected)),
                (Err(fused), Err(expected)) => prop_assert_eq!(fused.to_string(), expected.to_string()),
                _ => prop_assert!(false, "{:?} and {:?}", fused.is_ok(), expected.is_ok()),
            }
        }
        // an input at a lower level
        let lower = m.drop_to(&expanded, 1).unwrap();
        if let (Ok(fused), Ok(expected)) = (m.fused(&lower, &steps), step_by_step(m, &lower, &steps)) {
            prop_assert!(bytes(&fused) == bytes(&expected));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let engine = Engine::new(parameters(Ring::Standard, 6, &[40], &[]));
    let other = Engine::new(parameters(Ring::ConjugateInvariant, 6, &[40], &[]));
    let m = &engine.evaluator;
    let x = engine.encrypt(&[1.0, 2.0], 2, 16.0);
    let map = LinearMap::dense(3, 1, vec![1; 3]).unwrap();
    let linear = FusedStep::Linear {
        map: &map,
        weight_scale: 1.0,
    };
    let features = m.fused(&x, &[linear]);
    assert!(matches!(
        features,
        Err(Error::Features {
            expected: 3,
            found: 2,
            ..
        })
    ));
    assert!(matches!(
        m.fused(&x, &[FusedStep::AddConstants(&[1.0; 3])]),
        Err(Error::Features { .. })
    ));
    assert!(matches!(
        m.fused(&x, &[FusedStep::TensorSquare; 3]),
        Err(Error::Components { .. })
    ));
    assert!(matches!(
        other.evaluator.fused(&x, &[]),
        Err(Error::ParameterMismatch { .. })
    ));
    let gather = |sets, place| FeatureView::new(sets, &[place]).map(|gathered| gathered.features());
    assert!(matches!(gather(vec![&x], (0, 1)), Ok(1)));
    for place in [(0, 2), (1, 0)] {
        let beyond = gather(vec![&x], place);
        assert!(matches!(beyond, Err(Error::Features { .. })));
    }
    assert!(matches!(
        gather(vec![], (0, 0)),
        Err(Error::Features { .. })
    ));
    let squared = m.tensor_square(&x).unwrap();
    assert!(matches!(
        gather(vec![&x, &squared], (0, 0)),
        Err(Error::Components { .. })
    ));
    let foreign = other.encrypt(&[1.0], 1, 16.0);
    assert!(matches!(
        gather(vec![&x, &foreign], (0, 0)),
        Err(Error::ParameterMismatch { .. })
    ));
    let seeded = engine.secret.encrypt(&[1.0, 2.0], 2, 16.0).unwrap();
    let parts = seeded.into_parts(&[vec![0], vec![2]]);
    assert!(matches!(
        parts,
        Err(Error::Features {
            expected: 2,
            found: 3,
            ..
        })
    ));
}
