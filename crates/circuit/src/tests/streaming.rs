use std::sync::Arc;

use proptest::prelude::*;

use super::bounds::random_schedule;
use super::ciphertexts::{bytes, insecure};
use super::planning::{folded, open};
use crate::execute::execute;
use crate::reference::{Builder, Numbers};
use crate::search::search_schedule;
use crate::streaming::Order;
use crate::{Circuit, CircuitLayer, Execution, Executor, Relinearization, Schedule, plan};
use ckks::{EvaluationKey, Evaluator, Ring, SecretKey};
use cryptodl_spec::EncryptionSpec;

/// Convolutions with strides and padding, pools that fit and pools that leave pixels out, channels two by two, dense layers at the end,
/// and activations of degree 2 to 4 after any of them.
fn network(seed: u64) -> Circuit {
    let mut numbers = Numbers::new(seed);
    let mut pick =
        |from: &[usize]| from[(numbers.next().abs() * from.len() as f64) as usize % from.len()];
    let mut side = pick(&[6, 7, 8]);
    let mut network = Builder::new(pick(&[1, 2]), side);
    network.numbers = Numbers::new(seed + 1_000_000);
    let mut depth = 0;
    for _ in 0..pick(&[1, 2, 2, 3]) {
        let (kernel, stride, padding) = (pick(&[1, 2, 3]), pick(&[1, 1, 2]), pick(&[0, 1]));
        let padding = padding.min(kernel - 1);
        if side + 2 * padding < kernel {
            break;
        }
        network = network.conv(pick(&[2, 3]), kernel, stride, padding);
        side = (side + 2 * padding - kernel) / stride + 1;
        let degree = pick(&[0, 2, 2, 3, 4]);
        if degree > 0 && depth < 4 {
            depth += if degree > 2 { 2 } else { 1 };
            let sign = if pick(&[0, 1]) == 0 { 1.0 } else { -1.0 };
            network = network.polynomial(degree, pick(&[0, 1]) == 0, sign);
        }
        if side > 2 && pick(&[0, 1]) == 0 {
            let size = pick(&[2, 3]).min(side);
            network = network.pool(size);
            side /= size;
        }
    }
    if pick(&[0, 1]) == 0 {
        network = network.dense(5).polynomial(2, false, 1.0);
    }
    folded(&network.dense(3).build(), 6)
}

/// The uniform schedules that the circuit can run by, and one with a placement of its own for every square.
fn schedules(circuit: &Circuit, seed: u64) -> Vec<Schedule> {
    let uniform = [Schedule::EAGER, Schedule::LAZY, Schedule::KEYLESS];
    let mut schedules = uniform.to_vec();
    schedules.push(random_schedule(circuit, seed));
    schedules.retain(|schedule| schedule.obstacle(circuit).is_none());
    schedules
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn chunks_of_any_size_give_the_bits_of_whole_layers(
        seed in 0_u64..1_000_000,
        ring in prop::sample::select(vec![Ring::Standard, Ring::ConjugateInvariant]),
        chunks in prop::collection::vec(1_usize..200, 2),
    ) {
        let circuit = network(seed);
        for schedule in schedules(&circuit, seed) {
            let asked = EncryptionSpec { scale_bits: Some(22), ..open() };
            let Ok(plan) = search_schedule(&circuit, &asked, ring, &schedule) else { continue };
            let parameters = insecure(&plan, 7);
            let secret = SecretKey::generate(&parameters).unwrap();
            let key = plan.schedule.needs_key(&circuit);
            let key = key.then(|| Arc::new(EvaluationKey::generate(&secret).unwrap()));
            let evaluator = Evaluator::new(parameters, key).unwrap();
            let features = circuit.input.len();
            let mut numbers = Numbers::new(seed);
            let values: Vec<f64> = (0..features).map(|_| numbers.next()).collect();
            let set = secret.encrypt(&values, features, plan.input_scale).unwrap();
            let operations = plan.schedule.operations(&circuit);
            let layers = execute(&evaluator, &operations, set.expand(), &mut ());
            let wanted = bytes(&layers.unwrap());
            let sizes = [Execution::Whole, Execution::Streamed(1)].into_iter();
            for execution in sizes.chain(chunks.iter().map(|size| Execution::Streamed(*size))) {
                let executor = Executor::new(&evaluator, &circuit, &plan.schedule, execution);
                let found = executor.run(set.clone(), &mut |_, _| true).unwrap().unwrap();
                prop_assert!(bytes(&found) == wanted, "{schedule:?} {execution:?}");
            }
        }
    }
}

/// 3 x 3 convolutions of 12 x 12 pixels.
fn deep() -> Circuit {
    let mut network = Builder::new(1, 12);
    for _ in 0..3 {
        network = network.conv(4, 3, 1, 1).polynomial(2, false, 1.0);
    }
    folded(&network.pool(12).dense(3).build(), 6)
}

#[test]
fn only_the_rows_that_are_read_stay() {
    let circuit = deep();
    for schedule in [Schedule::EAGER, Schedule::LAZY] {
        let order = Order::new(&circuit, &schedule, Execution::Streamed(48));
        // one row of four channels a chunk
        assert_eq!(order.sizes[1..4], [12, 12, 12]);
        let mut held = vec![0_usize; order.stages.len() + 1];
        for task in &order.tasks {
            held[task.stage] -= task.frees.len();
            held[task.stage + 1] += usize::from(task.completes && task.wanted);
            // two rows wait for a third; the one after it is made before a new one is asked for
            assert!(held[1..].iter().all(|rows| *rows <= 3), "{held:?}");
        }
        assert_eq!(held.last(), Some(&1));
        assert!(held[1..order.stages.len()].iter().all(|rows| *rows == 0));
    }
}

#[test]
fn a_plan_that_is_too_large_runs_in_chunks_and_one_that_never_fits_says_what_it_needs() {
    let circuit = deep();
    let asked = |gib: f64| EncryptionSpec {
        relinearization: Some(Relinearization::Eager),
        ring: Some(Ring::Standard),
        memory_gib: Some(gib),
        ..open()
    };
    let whole = plan(&circuit, &asked(1e6)).unwrap();
    assert_eq!(whole.execution, Execution::Whole);
    let gib = whole.peak_memory_bytes as f64 / 1_073_741_824.0;
    let streamed = plan(&circuit, &asked(0.6 * gib)).unwrap();
    assert!(matches!(streamed.execution, Execution::Streamed(_)));
    assert!((streamed.peak_memory_bytes as f64) < 0.6 * whole.peak_memory_bytes as f64);
    assert_eq!(streamed.parameters, whole.parameters);
    let refused = plan(&circuit, &asked(0.1)).unwrap_err().to_string();
    assert!(
        refused.contains("of memory where 102 MiB are allowed"),
        "{refused}"
    );
}

#[test]
fn every_chunk_is_made_once() {
    let circuit = deep();
    for execution in Execution::ALL {
        let order = Order::new(&circuit, &Schedule::LAZY, execution);
        // every chunk of every stage is made exactly once
        for stage in 0..order.stages.len() {
            let made = order
                .tasks
                .iter()
                .filter(|task| task.stage == stage && task.completes);
            assert_eq!(made.count(), order.chunks(stage));
        }
        let linear = circuit.layers.iter();
        let linear = linear.filter(|layer| matches!(layer, CircuitLayer::Linear(_)));
        assert!(order.stages.len() <= linear.count());
    }
}
