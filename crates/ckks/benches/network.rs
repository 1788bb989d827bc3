//! Whole networks, from the bytes of an upload to the bytes of the reply, with random weights: those of the three reference specs, each
//! with the parameters that the planner chose for them.
//!
//! `cargo bench -p ckks --bench network` times each with criterion, on all cores, and prints its rate and its ratio to the port limit: the
//! time that the linear layers alone would take at that limit, over the time that everything takes.
//!
//! `cargo bench -p ckks --bench network -- --table DIR` compares one thread with two, and the instruction sets that the machine has (see
//! `CKKS_ISA`; transforms are a library's and choose for themselves), and writes `networks.csv` and `networks.md` there.

#![allow(missing_docs, clippy::expect_used)]

mod limit;

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ckks::{
    CiphertextSet, Convolution, EvaluationKey, Evaluator, FusedStep, HomomorphicOps, LinearMap,
    Parameters, ParametersLiteral, Ring, SecretKey, SeededSet, instruction_set,
};
use criterion::{Criterion, Throughput};
use limit::{lanes, port_limit};

/// Scales at which no rescaling runs out of bits; how large values are changes no time.
const SCALE: f64 = (1u64 << 18) as f64;
const WEIGHT_SCALE: f64 = 256.0;

/// One network: linear maps with squares between, brought back to two components before each square but the first.
struct Network {
    name: &'static str,
    parameters: Parameters,
    maps: Vec<LinearMap>,
    evaluator: Evaluator,
    upload: Vec<u8>,
}

fn weights(count: usize, largest: i16) -> Vec<i16> {
    let sizes = 2 * largest as usize + 1;
    let weight = |at: usize| (at * 193 % sizes) as i16 - largest;
    (0..count).map(weight).collect()
}

fn dense(inputs: usize, outputs: usize, largest: i16) -> LinearMap {
    LinearMap::dense(inputs, outputs, weights(inputs * outputs, largest)).expect("a map")
}

fn convolution(shape: Convolution, largest: i16) -> LinearMap {
    let taps = shape.in_channels * shape.kernel * shape.kernel;
    let weights = weights(shape.out_channels * taps, largest);
    LinearMap::convolution(&shape, weights).expect("a map")
}

/// 5 x 5 with a stride of two.
fn strided(in_channels: usize, out_channels: usize, side: usize, padding: usize) -> Convolution {
    Convolution {
        in_channels,
        out_channels,
        kernel: 5,
        stride: 2,
        padding,
        height: side,
        width: side,
    }
}

impl Network {
    fn new(
        name: &'static str,
        log_n: u32,
        prime_bits: &[u32],
        special_bits: &[u32],
        maps: Vec<LinearMap>,
    ) -> Self {
        let parameters = Parameters::new(ParametersLiteral {
            ring: Ring::ConjugateInvariant,
            log_n,
            prime_bits: prime_bits.to_vec(),
            special_bits: special_bits.to_vec(),
        })
        .expect("a secure set");
        let secret = SecretKey::generate(&parameters).expect("entropy");
        let key = (!special_bits.is_empty())
            .then(|| Arc::new(EvaluationKey::generate(&secret).expect("an evaluation key")));
        let evaluator = Evaluator::new(parameters.clone(), key).expect("an evaluator");
        let inputs = maps.first().map_or(0, LinearMap::inputs);
        let values = vec![0.5; inputs * parameters.slots()];
        let seeded = secret.encrypt(&values, inputs, SCALE).expect("a set");
        let mut upload = Vec::new();
        seeded.write(&mut upload).expect("memory");
        Self {
            name,
            parameters,
            maps,
            evaluator,
            upload,
        }
    }

    /// The reference networks. Weights have the bits that the planner chose for the trained ones.
    fn all() -> [Self; 3] {
        [
            Self::new(
                "mnist_fastest",
                11,
                &[46],
                &[],
                vec![dense(784, 100, 15), dense(100, 10, 15)],
            ),
            Self::new(
                "mnist_cryptonets",
                13,
                &[30, 30, 49],
                &[50],
                vec![
                    convolution(strided(1, 5, 28, 1), 511),
                    dense(845, 100, 511),
                    dense(100, 10, 511),
                ],
            ),
            Self::new(
                "mnist_best",
                13,
                &[28, 28, 31, 44],
                &[50],
                vec![
                    convolution(strided(1, 32, 28, 0), 255),
                    convolution(strided(32, 64, 12, 0), 255),
                    dense(1024, 128, 255),
                    dense(128, 10, 255),
                ],
            ),
        ]
    }

    /// What a server does.
    fn evaluate(&self) -> Vec<u8> {
        let seeded =
            SeededSet::read(&self.parameters, &mut self.upload.as_slice()).expect("an upload");
        let mut value: CiphertextSet = seeded.expand();
        drop(seeded);
        let mut steps = Vec::new();
        for (index, map) in self.maps.iter().enumerate() {
            if index > 0 {
                if index > 1 {
                    value = self.fused(&value, &mut steps);
                    value = self.evaluator.relinearize_rescale(value).expect("a value");
                }
                steps.push(FusedStep::TensorSquare);
            }
            steps.push(FusedStep::Linear {
                map,
                weight_scale: WEIGHT_SCALE,
            });
        }
        value = self.fused(&value, &mut steps);
        let mut reply = Vec::new();
        value.write(&mut reply).expect("memory");
        reply
    }

    fn fused(&self, value: &CiphertextSet, steps: &mut Vec<FusedStep<'_>>) -> CiphertextSet {
        let output = self.evaluator.fused(value, steps).expect("a value");
        steps.clear();
        output
    }

    /// Multiply-accumulates on residues, and lanes of multiply-adds that they take at least: squares before a map give it three components,
    /// and what was brought back to two has lost a prime.
    fn work(&self) -> (f64, f64) {
        let bits = &self.parameters.literal().prime_bits;
        let (mut macs, mut least) = (0.0, 0.0);
        for (index, map) in self.maps.iter().enumerate() {
            let components = if index == 0 { 2 } else { 3 };
            let limbs = bits.len() - index.saturating_sub(1);
            for &bits in &bits[..limbs] {
                let residues = (components * self.parameters.ring_degree()) as f64;
                let own = map.macs() as f64 * residues;
                macs += own;
                least += own * lanes(bits, map);
            }
        }
        (macs, least)
    }
}

/// One network on one instruction set and some threads.
struct Row {
    network: String,
    isa: String,
    threads: usize,
    seconds: f64,
    slots: usize,
    /// Multiply-accumulates a second and thread, 10^9.
    rate: f64,
    /// Share of the port limit.
    share: f64,
}

impl Row {
    const COLUMNS: &str = "network,isa,threads,seconds_per_batch,slots,gmacs_per_second_and_thread,share_of_port_limit";

    fn measure(network: &Network, threads: usize, limit: f64) -> Self {
        let pool = rayon_pool(threads);
        let seconds = pool.install(|| shortest(network));
        let (macs, least) = network.work();
        let thread_seconds = seconds.as_secs_f64() * threads as f64;
        Self {
            network: network.name.to_owned(),
            isa: instruction_set().to_owned(),
            threads,
            seconds: seconds.as_secs_f64(),
            slots: network.parameters.slots(),
            rate: macs / thread_seconds / 1e9,
            share: least / limit / thread_seconds,
        }
    }

    fn to_csv(&self) -> String {
        let Self {
            network,
            isa,
            threads,
            seconds,
            slots,
            rate,
            share,
        } = self;
        format!("{network},{isa},{threads},{seconds:.6},{slots},{rate:.3},{share:.4}")
    }

    fn from_csv(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.split(',').collect();
        let [network, isa, threads, seconds, slots, rate, share] = cells[..] else {
            return None;
        };
        Some(Self {
            network: network.to_owned(),
            isa: isa.to_owned(),
            threads: threads.parse().ok()?,
            seconds: seconds.parse().ok()?,
            slots: slots.parse().ok()?,
            rate: rate.parse().ok()?,
            share: share.parse().ok()?,
        })
    }

    fn to_text(&self) -> String {
        format!(
            "{}: {:.1} ms a batch of {} on {} threads ({}): {:.1} million predictions an hour, {:.1} G multiply-accumulates a second and \
             thread, {:.0} % of the port limit",
            self.network,
            1e3 * self.seconds,
            self.slots,
            self.threads,
            self.isa,
            self.slots as f64 * 3600.0 / self.seconds / 1e6,
            self.rate,
            100.0 * self.share,
        )
    }
}

/// The shortest evaluation of three, or of more where they take no time.
fn shortest(network: &Network) -> Duration {
    let (mut least, mut spent, mut runs) = (Duration::MAX, Duration::ZERO, 0);
    while runs < 3 || (runs < 20 && spent < Duration::from_secs(1)) {
        let start = Instant::now();
        drop(black_box(network.evaluate()));
        let time = start.elapsed();
        (least, spent, runs) = (least.min(time), spent + time, runs + 1);
    }
    least
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().expect("threads")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Every network on this process's instruction set, as lines of the table.
fn rows() {
    let limit = port_limit();
    let mut threads = vec![1, cores()];
    threads.dedup();
    for network in Network::all() {
        for &threads in &threads {
            println!("{}", Row::measure(&network, threads, limit).to_csv());
        }
    }
}

/// The table, one process for each instruction set.
fn table(folder: &Path) {
    let program = std::env::current_exe().expect("this program");
    let mut rows: Vec<Row> = Vec::new();
    for isa in ["portable", "avx2", "avx512", "avx512ifma"] {
        let mut command = Command::new(&program);
        command.arg("--rows").env("CKKS_ISA", isa);
        let output = command.output().expect("this program again");
        assert!(output.status.success(), "{isa} failed");
        let text = String::from_utf8(output.stdout).expect("text");
        // What the machine does not have falls back to another.
        rows.extend(
            text.lines()
                .filter_map(Row::from_csv)
                .filter(|row| row.isa == isa),
        );
    }
    let mut csv = format!("{}\n", Row::COLUMNS);
    let mut text = String::from(
        "| network | instruction set | threads | a batch | against one thread | against the widest set | G multiply-accumulates a second and \
         thread | of the port limit |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let widest = rows.last().map(|row| row.isa.clone()).unwrap_or_default();
    for row in &rows {
        let same = |isa: &str, threads: usize| {
            let mut rows = rows.iter();
            let found = rows
                .find(|r| r.network == row.network && r.isa == isa && r.threads == threads)
                .map_or(f64::NAN, |found| found.seconds);
            row.seconds / found
        };
        let _ = writeln!(csv, "{}", row.to_csv());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} ms | {:.2}x as fast | {:.2}x as long | {:.1} | {:.0} % |",
            row.network,
            row.isa,
            row.threads,
            1e3 * row.seconds,
            1.0 / same(&row.isa, 1),
            same(&widest, row.threads),
            row.rate,
            100.0 * row.share,
        );
    }
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("networks.csv"), csv).expect("a file");
    fs::write(folder.join("networks.md"), &text).expect("a file");
    print!("{text}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--rows") {
        return rows();
    }
    if let Some(at) = arguments.iter().position(|argument| argument == "--table") {
        let folder = arguments.get(at + 1).expect("--table takes a folder");
        return table(Path::new(folder));
    }
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let limit = port_limit();
    let mut group = criterion.benchmark_group("network");
    for network in Network::all() {
        println!("{}", Row::measure(&network, cores(), limit).to_text());
        group.throughput(Throughput::Elements(network.parameters.slots() as u64));
        group.bench_function(network.name, |b| b.iter(|| black_box(network.evaluate())));
    }
    group.finish();
    criterion.final_summary();
}
