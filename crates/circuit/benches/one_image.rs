//! One MNIST image in one ciphertext: latency, sizes and accuracy of trained networks, beside the batched layout on the same machine.
//!
//! `cargo bench -p cryptodl-circuit --bench one_image -- [--images N] [--table FOLDER] RUN...` takes folders of finished runs
//! (`model.safetensors`, `ranges.json`, `spec.toml`) and looks for MNIST as the program does. Every image is encrypted, written, read,
//! evaluated, written, read and decrypted on its own.

#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ckks::{
    CiphertextSet, EvaluationKey, Evaluator, GaloisKeys, Parameters, RotationOrder, SecretKey,
    SeededSet,
};
use cryptodl_circuit::{
    Circuit, CostTable, Executor, PackedExecutor, PackedPlan, Plan, compile, pack, plan_packed,
    simulate,
};
use cryptodl_data::{DataDirs, Dataset, Images};
use cryptodl_model::PreActivation;
use cryptodl_spec::{Experiment, NoFiles};
use rayon::prelude::*;
use serde::Deserialize;

/// Images that latency is measured on, one after the other.
const TIMED: usize = 101;
/// Training images on which values are traced.
const TRACED: usize = 1000;
/// Images of a stream by which threads are compared.
const STREAM: usize = 500;
const BATCHES: usize = 3;

#[derive(Deserialize)]
struct Ranges {
    train: Vec<PreActivation>,
}

/// A trained network, planned both ways.
struct Network {
    name: String,
    circuit: Circuit,
    batched: Plan,
    packed: PackedPlan,
    plan_seconds: f64,
    images: Images,
}

impl Network {
    fn read(run: &Path, count: usize) -> Self {
        let experiment =
            Experiment::from_path(run.join("spec.toml"), &[], &NoFiles).expect("a spec");
        let network = cryptodl_model::load(&run.join("model.safetensors")).expect("weights");
        let ranges = fs::read(run.join("ranges.json")).expect("ranges");
        let ranges: Ranges = serde_json::from_slice(&ranges).expect("ranges");
        let dirs = DataDirs::resolve(None);
        let Dataset { train, test, .. } =
            cryptodl_data::load(&experiment.dataset, experiment.seed, &dirs).expect("MNIST");
        let encryption = experiment.encryption;
        let (circuit, batched) = compile(&network, &ranges.train, &encryption).expect("a circuit");
        let start = Instant::now();
        let packed = plan_packed(
            &circuit,
            &train.first(TRACED),
            &encryption,
            &CostTable::default(),
        )
        .expect("a packed plan");
        Self {
            name: experiment.name,
            circuit,
            batched,
            packed,
            plan_seconds: start.elapsed().as_secs_f64(),
            images: test.first(count),
        }
    }
}

/// Both sides of the packed layout.
struct OneImage<'a> {
    circuit: &'a Circuit,
    images: &'a Images,
    scale: f64,
    executor: PackedExecutor,
    evaluator: Evaluator,
    secret: SecretKey,
    order: RotationOrder,
    key_bytes: usize,
    keygen_ms: f64,
    prepare_ms: f64,
}

/// What one image took, in milliseconds, and its logits.
struct Answer {
    encrypt_ms: f64,
    evaluate_ms: f64,
    decrypt_ms: f64,
    upload: usize,
    reply: usize,
    logits: Vec<f64>,
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

impl<'a> OneImage<'a> {
    fn new(network: &'a Network) -> Self {
        let start = Instant::now();
        let executor = PackedExecutor::new(&network.circuit, &network.packed.design);
        let executor = executor.expect("an executor");
        let prepare_ms = milliseconds(start);
        let parameters = executor.parameters().clone();
        let start = Instant::now();
        let secret = SecretKey::generate(&parameters).expect("entropy");
        let key = EvaluationKey::generate(&secret).expect("a key");
        let galois = GaloisKeys::generate(&secret, executor.rotations()).expect("keys");
        let mut bytes = Vec::new();
        key.write(&mut bytes).expect("bytes");
        galois.write(&mut bytes).expect("bytes");
        let keygen_ms = milliseconds(start);
        // The server has what travelled.
        let mut content = &bytes[..];
        let key = EvaluationKey::read(&parameters, &mut content).expect("a key");
        let galois = GaloisKeys::read(&parameters, &mut content).expect("keys");
        let evaluator = Evaluator::new(parameters.clone(), Some(Arc::new(key)));
        let evaluator = evaluator.expect("an evaluator");
        Self {
            circuit: &network.circuit,
            images: &network.images,
            scale: network.packed.design.input_scale(),
            order: RotationOrder::new(&parameters),
            executor,
            evaluator: evaluator
                .with_galois_keys(Arc::new(galois))
                .expect("the same parameters"),
            secret,
            key_bytes: bytes.len(),
            keygen_ms,
            prepare_ms,
        }
    }

    fn answer(&self, index: usize) -> Answer {
        let parameters = self.executor.parameters();
        let start = Instant::now();
        let mut features = Vec::new();
        self.circuit
            .normalise(self.images.image(index), &mut features);
        let slots = self.order.arrange(&pack(self.executor.input(), &features));
        let set = self.secret.encrypt(&slots, 1, self.scale).expect("a set");
        let mut upload = Vec::new();
        set.write(&mut upload).expect("bytes");
        let encrypt_ms = milliseconds(start);

        let start = Instant::now();
        let set = SeededSet::read(parameters, &mut &upload[..]).expect("an upload");
        let output = self
            .executor
            .run(&self.evaluator, set.expand(), &mut |_, _| true)
            .expect("a result")
            .expect("nobody stops it");
        let mut reply = Vec::new();
        output.write(&mut reply).expect("bytes");
        let evaluate_ms = milliseconds(start);

        let start = Instant::now();
        let output = CiphertextSet::read(parameters, &mut &reply[..]).expect("a reply");
        let slots = self
            .order
            .restore(&self.secret.decrypt(&output).expect("slots"));
        let logits = self.executor.output().iter().map(|&slot| slots[slot]);
        let logits = logits.collect();
        Answer {
            encrypt_ms,
            evaluate_ms,
            decrypt_ms: milliseconds(start),
            upload: upload.len(),
            reply: reply.len(),
            logits,
        }
    }

    /// Images a second of a stream, every thread with an image of its own.
    fn rate(&self, threads: usize) -> f64 {
        let count = STREAM.min(self.images.len());
        let start = Instant::now();
        pool(threads).install(|| {
            (0..count)
                .into_par_iter()
                .for_each(|index| drop(self.answer(index)));
        });
        count as f64 / start.elapsed().as_secs_f64()
    }
}

fn pool(threads: usize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().expect("threads")
}

fn argmax(logits: &[f64]) -> usize {
    let places = logits.iter().enumerate();
    places
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map_or(0, |(place, _)| place)
}

/// Median and quartiles.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[quarter * (values.len() - 1) / 4])
}

/// Seconds of a full batch on all threads, from the upload's bytes to the reply's, and the size of both.
fn batch(network: &Network, threads: usize) -> (Vec<f64>, usize, usize) {
    let plan = &network.batched;
    let parameters = Parameters::new(plan.parameters.clone()).expect("parameters");
    let secret = SecretKey::generate(&parameters).expect("entropy");
    let key = (!parameters.special_primes().is_empty())
        .then(|| Arc::new(EvaluationKey::generate(&secret).expect("a key")));
    let evaluator = Evaluator::new(parameters.clone(), key).expect("an evaluator");
    let count = parameters.slots().min(network.images.len());
    let rows: Vec<Vec<f64>> = (0..count)
        .map(|index| {
            let mut features = Vec::new();
            network
                .circuit
                .normalise(network.images.image(index), &mut features);
            features
        })
        .collect();
    let inputs = network.circuit.input.len();
    let values: Vec<f64> = (0..inputs)
        .flat_map(|feature| rows.iter().map(move |row| row[feature]))
        .collect();
    let set = secret
        .encrypt(&values, inputs, plan.input_scale)
        .expect("a set");
    let mut upload = Vec::new();
    set.write(&mut upload).expect("bytes");
    drop(set);
    let mut reply = Vec::new();
    let times = (0..BATCHES).map(|_| {
        let start = Instant::now();
        pool(threads).install(|| {
            let set = SeededSet::read(&parameters, &mut &upload[..]).expect("an upload");
            let executor =
                Executor::new(&evaluator, &network.circuit, &plan.schedule, plan.execution);
            let output = executor.run(set, &mut |_, _| true).expect("a result");
            reply.clear();
            output
                .expect("nobody stops it")
                .write(&mut reply)
                .expect("bytes");
        });
        start.elapsed().as_secs_f64()
    });
    (times.collect(), upload.len(), reply.len())
}

fn measure(run: &Path, count: usize, text: &mut String, csv: &mut String) {
    let network = Network::read(run, count);
    let plan = &network.packed;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let side = OneImage::new(&network);
    let single = pool(1);
    let timed: Vec<Answer> = (0..TIMED.min(count))
        .map(|index| single.install(|| side.answer(index)))
        .collect();
    let of = |value: &dyn Fn(&Answer) -> f64| spread(timed.iter().map(value).collect());
    let evaluate = of(&|answer| answer.evaluate_ms);
    let all = of(&|answer| answer.encrypt_ms + answer.evaluate_ms + answer.decrypt_ms);
    let (encrypt, decrypt) = (
        of(&|answer| answer.encrypt_ms)[1],
        of(&|answer| answer.decrypt_ms)[1],
    );
    let rates = [1, threads].map(|threads| side.rate(threads));

    let clear = simulate(&network.circuit, &network.batched, &network.images, None);
    let clear = clear.expect("a simulation");
    let answers: Vec<Vec<f64>> = pool(threads).install(|| {
        let indices = (0..network.images.len()).into_par_iter();
        indices.map(|index| side.answer(index).logits).collect()
    });
    let (mut correct, mut clear_correct, mut agree) = (0, 0, 0);
    let (mut squares, mut largest) = (0.0, 0.0_f64);
    for (index, logits) in answers.iter().enumerate() {
        let wanted = &clear.logits[index * network.circuit.classes..][..network.circuit.classes];
        let wanted: Vec<f64> = wanted.iter().map(|logit| f64::from(*logit)).collect();
        let label = usize::from(network.images.labels[index]);
        correct += usize::from(argmax(logits) == label);
        clear_correct += usize::from(argmax(&wanted) == label);
        agree += usize::from(argmax(logits) == argmax(&wanted));
        for (logit, wanted) in logits.iter().zip(&wanted) {
            squares += (logit - wanted).powi(2);
            largest = largest.max((logit - wanted).abs());
        }
    }
    let total = answers.len();
    let deviation = (squares / (total * network.circuit.classes) as f64).sqrt();
    let (batches, batch_upload, batch_reply) = batch(&network, threads);
    let batch_seconds = spread(batches)[1];
    let crossover = (batch_seconds * rates[1]).ceil();
    let primes: Vec<String> = plan
        .design
        .parameters
        .prime_bits
        .iter()
        .map(u32::to_string)
        .collect();

    let percent = |part: usize| 100.0 * part as f64 / total as f64;
    let kilobytes = |bytes: usize| format!("{:.1} KB", bytes as f64 / 1e3);
    let rows = [
        (
            "parameters",
            format!(
                "{}, 2^{}, primes of {} bits, special {}, log QP {:.1} of {}",
                plan.design.parameters.ring,
                plan.design.parameters.log_n,
                primes.join(" + "),
                plan.design.parameters.special_bits[0],
                plan.log_qp,
                plan.max_log_qp
            ),
        ),
        (
            "scales",
            format!(
                "2^{} of the input, weights {:?} bits",
                plan.design.input_bits, plan.design.weight_bits
            ),
        ),
        ("key switches", plan.key_switches().to_string()),
        (
            "evaluation of one image, one thread",
            format!(
                "{:.2} ms (quartiles {:.2} to {:.2}, {} images; predicted {:.2})",
                evaluate[1],
                evaluate[0],
                evaluate[2],
                timed.len(),
                1e3 * plan.seconds
            ),
        ),
        (
            "encrypt, evaluate and decrypt, one thread",
            format!(
                "{:.2} ms (quartiles {:.2} to {:.2}); encrypt {encrypt:.2}, decrypt {decrypt:.2}",
                all[1], all[0], all[2]
            ),
        ),
        (
            "images a second, one thread and all",
            format!(
                "{:.0} and {:.0} on {threads} ({:.2} times)",
                rates[0],
                rates[1],
                rates[1] / rates[0]
            ),
        ),
        (
            "upload, reply, keys",
            format!(
                "{}, {}, {:.2} MB ({} Galois keys)",
                kilobytes(timed[0].upload),
                kilobytes(timed[0].reply),
                side.key_bytes as f64 / 1e6,
                plan.galois_keys
            ),
        ),
        (
            "keys and plaintexts made in",
            format!("{:.0} ms and {:.0} ms", side.keygen_ms, side.prepare_ms),
        ),
        ("planned in", format!("{:.1} s", network.plan_seconds)),
        (
            "accuracy encrypted, clear circuit",
            format!(
                "{:.2} % and {:.2} % of {total}",
                percent(correct),
                percent(clear_correct)
            ),
        ),
        ("agreement", format!("{:.2} %", percent(agree))),
        (
            "logit error",
            format!(
                "{deviation:.4} rms ({:.4} predicted), {largest:.3} at most (bound {:.2})",
                (-plan.precision_bits).exp2(),
                plan.error_bound
            ),
        ),
        (
            "batched layout, all threads",
            format!(
                "{:.0} ms for up to {} images (median of {BATCHES}); upload {:.1} MB, reply {}",
                1e3 * batch_seconds,
                network.batched.slots,
                batch_upload as f64 / 1e6,
                kilobytes(batch_reply)
            ),
        ),
        (
            "the batch takes less time from",
            format!("{crossover:.0} images on"),
        ),
    ];
    let _ = writeln!(text, "## {}\n\n| | |\n| --- | --- |", network.name);
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let _ = writeln!(text);
    for (index, answer) in timed.iter().enumerate() {
        let _ = writeln!(
            csv,
            "{},{index},{:.4},{:.4},{:.4}",
            network.name, answer.encrypt_ms, answer.evaluate_ms, answer.decrypt_ms
        );
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut count, mut table, mut runs) = (10_000, None, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--images" => {
                let images = arguments.next().and_then(|count| count.parse().ok());
                count = images.expect("--images takes a number");
            }
            "--table" => table = arguments.next().map(PathBuf::from),
            // cargo's own
            "--bench" => {}
            run => runs.push(PathBuf::from(run)),
        }
    }
    let mut text = String::from("# One image in one ciphertext\n\n");
    let mut csv = String::from("network,image,encrypt_ms,evaluate_ms,decrypt_ms\n");
    for run in &runs {
        measure(run, count, &mut text, &mut csv);
    }
    print!("{text}");
    if let Some(folder) = table {
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("one_image.md"), text).expect("a file");
        fs::write(folder.join("one_image.csv"), csv).expect("a file");
    }
}
