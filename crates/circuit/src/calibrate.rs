//! The inner loops of the engine, timed on this machine.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cost::{CostModel, CostTable, TIMED_BITS, butterflies};
use super::error::CircuitError;
use super::map_facts::MapFacts;
use ckks::{
    CiphertextSet, Convolution, EvaluationKey, Evaluator, FusedStep, HomomorphicOps, LinearMap,
    Parameters, ParametersLiteral, Ring, SecretKey, SeededSet, SumPool,
};

const FILE: &str = "costs.json";
/// Raised when what is measured, or how, changes.
const VERSION: u32 = 6;
/// How far a cost may be from the fixed table's, either way, before it is taken for a disturbed measurement: on the instruction set of the
/// fixed table, and on narrower ones, whose multiply-accumulates take up to fifteen times as long.
const REACH: (f64, f64) = (5.0, 40.0);
/// How far costs may be off that are the smaller part of everything that is timed.
const MINOR_REACH: f64 = 2.0;
/// One measurement at a time: two would disturb each other.
static MEASURING: Mutex<()> = Mutex::new(());
/// Every loop runs at least so often, and then until it has had its time.
const REPEATS: usize = 5;
const TIME: Duration = Duration::from_millis(60);

/// What the file in the cache holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cached {
    /// Of what the table is.
    key: String,
    table: CostTable,
}

impl CostTable {
    /// The costs of this machine: read from `folder`, or measured (a few seconds) and written there. Where neither works, or where what is
    /// measured cannot be (another program had the cores), the fixed table, with a warning: a plan never fails for want of a calibration.
    pub fn calibrated(folder: &Path) -> Self {
        let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
        Self::calibrated_by(folder, &Self::measure)
    }

    fn calibrated_by(folder: &Path, measure: &dyn Fn() -> Result<Self, CircuitError>) -> Self {
        if let Some(table) = Self::kept(folder) {
            return table;
        }
        tracing::info!("measuring what the engine's inner loops cost on this machine, once");
        let start = Instant::now();
        let measured = measure().and_then(|table| match table.implausible() {
            // Whoever disturbed it may be gone.
            Some(_) => Ok(table.least(&measure()?)),
            None => Ok(table),
        });
        let table = match measured {
            Ok(table) => table,
            Err(error) => {
                tracing::warn!(
                    "the costs of this machine could not be measured: {error}; plans go by a reference machine's"
                );
                return Self::default();
            }
        };
        if let Some(implausible) = table.implausible() {
            tracing::warn!(
                "the costs measured on this machine are not credible: {implausible}; plans go by a reference machine's\n\
                 hint: nothing else should be running while they are measured; the next run measures again"
            );
            return Self::default();
        }
        tracing::info!(
            seconds = start.elapsed().as_secs_f64(),
            folder = %folder.display(),
            "costs of this machine measured and kept"
        );
        let cached = Cached {
            key: machine_key(),
            table,
        };
        if let Ok(text) = serde_json::to_vec_pretty(&cached) {
            // A cache that cannot be written is made again the next time.
            let _ = std::fs::create_dir_all(folder)
                .and_then(|()| cryptodl_runtime::write_whole(&path(folder), &text));
        }
        table
    }

    /// The costs of this machine that [`CostTable::calibrated`] left in `folder`.
    pub fn kept(folder: &Path) -> Option<Self> {
        let bytes = std::fs::read(path(folder)).ok()?;
        let cached = serde_json::from_slice::<Cached>(&bytes).ok()?;
        let right = cached.key == machine_key() && cached.table.implausible().is_none();
        right.then_some(cached.table)
    }

    /// Times the engine's inner loops, on one core but for what waits for memory that all cores share.
    ///
    /// # Errors
    /// The engine's, or [`CircuitError::Threads`].
    pub fn measure() -> Result<Self, CircuitError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|source| CircuitError::Threads { source })?;
        pool.install(measure)
    }

    /// What speaks against the table: a cost that is no positive number, or far from the fixed table's.
    fn implausible(&self) -> Option<String> {
        let reach = reach();
        let fixed = Self::default().values();
        let pairs = Self::NAMES.iter().zip(self.values().into_iter().zip(fixed));
        let strange = pairs.clone().find(|(_, (value, fixed))| {
            // Written so that no NaN passes.
            !(*value > fixed / reach && *value < fixed * reach)
        });
        let (name, (value, fixed)) = strange?;
        Some(format!(
            "`{name}` of {value:.3} ns is over {reach} times off {fixed:.3} ns"
        ))
    }

    /// The smaller of every two costs.
    fn least(mut self, other: &Self) -> Self {
        for (mine, other) in self.values_mut().into_iter().zip(other.values()) {
            *mine = mine.min(other);
        }
        self
    }
}

/// How far a cost may be from the fixed table's here.
fn reach() -> f64 {
    if ckks::instruction_set() == FIXED_ISA {
        REACH.0
    } else {
        REACH.1
    }
}

/// The instruction set that the fixed table was measured on.
const FIXED_ISA: &str = "avx512ifma";

fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// The processor, what of it is used, and the program.
fn machine_key() -> String {
    let model = cryptodl_runtime::processor().unwrap_or_else(|| "unknown processor".to_owned());
    let isa = ckks::instruction_set();
    format!("{model}; {isa}; {} {VERSION}", env!("CARGO_PKG_VERSION"))
}

/// Times of one loop, run after run.
#[derive(Default)]
struct Runs {
    nanoseconds: Vec<f64>,
    spent: Duration,
}

impl Runs {
    fn goes_on(&self) -> bool {
        self.nanoseconds.len() < REPEATS || (self.spent < TIME && self.nanoseconds.len() < 100)
    }

    /// One run, and what else was done for it.
    fn add(&mut self, run: Duration, around: Duration) {
        self.nanoseconds.push(run.as_secs_f64() * 1e9);
        self.spent += run + around;
    }

    /// The median: what a run takes, not what it takes at best.
    fn typical(mut self) -> f64 {
        self.nanoseconds.sort_by(f64::total_cmp);
        let middle = self.nanoseconds.len() / 2;
        self.nanoseconds.get(middle).copied().unwrap_or(f64::NAN)
    }
}

/// Nanoseconds of a run of `work` on inputs that `prepare` makes, outside the time.
fn typical<T, O>(
    mut prepare: impl FnMut() -> T,
    mut work: impl FnMut(T) -> Result<O, ckks::Error>,
) -> Result<f64, CircuitError> {
    let mut runs = Runs::default();
    while runs.goes_on() {
        let input = prepare();
        let start = Instant::now();
        let output = work(input)?;
        let time = start.elapsed();
        drop(black_box(output));
        runs.add(time, Duration::ZERO);
    }
    Ok(runs.typical())
}

fn measure() -> Result<CostTable, CircuitError> {
    let bench = Bench::new(13, vec![TIMED_BITS[0], TIMED_BITS[1], 42])?;
    let mut table = CostTable::default();
    bench.uploads(&mut table)?;
    bench.products(&mut table)?;
    (table.switch, table.switch_far) = (1.0, 1.0);
    let near = bench.switch(&table, FEATURES)?;
    let deep = Bench::new(14, [vec![TIMED_BITS[0]], vec![45; 6]].concat())?;
    // The last caches and the memory behind them are shared, and so is what they give.
    let pool = rayon::ThreadPoolBuilder::new().build();
    let pool = pool.map_err(|source| CircuitError::Threads { source })?;
    let far = pool.install(|| deep.switch(&table, FEATURES / 2))?;
    let far = far * pool.current_num_threads() as f64;
    (table.switch, table.switch_far) = (near, far);
    let convolution = |out: usize, largest| {
        let shape = Convolution {
            in_channels: 8,
            out_channels: out,
            kernel: 3,
            stride: 1,
            padding: 1,
            height: 10,
            width: 10,
        };
        LinearMap::convolution(&shape, weights(out * 72, largest))
    };
    let dense = |out, largest| LinearMap::dense(200, out, weights(out * 200, largest));
    let few = dense(16, 255).map_err(ckks::Error::from)?;
    let many = dense(80, 255).map_err(ckks::Error::from)?;
    let light = dense(80, 15).map_err(ckks::Error::from)?;
    (table.dense_mac, table.dense_gather) = bench.linear(&few, &many, table.dense_gather)?;
    table.small_weights = (bench.time(&light)?[0] / bench.time(&many)?[0]).clamp(0.2, 1.0);
    let few = convolution(4, 255).map_err(ckks::Error::from)?;
    let many = convolution(16, 255).map_err(ckks::Error::from)?;
    let light = convolution(16, 15).map_err(ckks::Error::from)?;
    (table.conv_mac, table.conv_gather) = bench.linear(&few, &many, table.conv_gather)?;
    table.conv_small_weights = (bench.time(&light)?[0] / bench.time(&many)?[0]).clamp(0.2, 1.0);
    let pool = LinearMap::sum_pool(&SumPool {
        channels: 2,
        window: 2,
        stride: 2,
        height: 10,
        width: 10,
    });
    table.pool_mac = bench.pool(&pool.map_err(ckks::Error::from)?)?;
    Ok(table)
}

/// Weights of both signs up to `largest`.
fn weights(count: usize, largest: i16) -> Vec<i16> {
    let sizes = 2 * largest as usize + 1;
    (0..count)
        .map(|at| (at * 37 % sizes) as i16 - largest)
        .collect()
}

/// Ciphertexts of the timed sets: more than the caches hold, as in a circuit.
const FEATURES: usize = 96;
/// Ciphertexts of a set that is hardly any work to read.
const FEW: usize = 4;

struct Bench {
    parameters: Parameters,
    secret: SecretKey,
    evaluator: Evaluator,
}

impl Bench {
    fn new(log_n: u32, prime_bits: Vec<u32>) -> Result<Self, CircuitError> {
        let parameters = Parameters::new(ParametersLiteral {
            ring: Ring::Standard,
            log_n,
            prime_bits,
            special_bits: vec![50],
        })?;
        let secret = SecretKey::generate(&parameters)?;
        let key = Arc::new(EvaluationKey::generate(&secret)?);
        Ok(Self {
            evaluator: Evaluator::new(parameters.clone(), Some(key))?,
            parameters,
            secret,
        })
    }

    fn seeded(&self, features: usize) -> Result<SeededSet, CircuitError> {
        let values: Vec<f64> = (0..features)
            .map(|at| at as f64 / features as f64)
            .collect();
        Ok(self.secret.encrypt(&values, features, 44_f64.exp2())?)
    }

    fn set(&self, features: usize) -> Result<CiphertextSet, CircuitError> {
        Ok(self.seeded(features)?.expand())
    }

    /// Residues of one component of a set at the top level.
    fn residues(&self, features: usize) -> f64 {
        (self.parameters.ring_degree() * self.parameters.primes().len() * features) as f64
    }

    fn uploads(&self, table: &mut CostTable) -> Result<(), CircuitError> {
        let seeded = self.seeded(FEATURES)?;
        let mut bytes = Vec::new();
        seeded.write(&mut bytes)?;
        let read = typical(
            || (),
            |()| SeededSet::read(&self.parameters, &mut bytes.as_slice()),
        )?;
        let expand = typical(|| (), |()| Ok(seeded.expand()))?;
        table.read = read / self.residues(FEATURES);
        table.mask = expand / self.residues(FEATURES);
        Ok(())
    }

    fn products(&self, table: &mut CostTable) -> Result<(), CircuitError> {
        let set = self.set(FEATURES)?;
        let residues = self.residues(FEATURES);
        // One constant: read, changed, written.
        let constant = [FusedStep::AddConstants(&[0.5])];
        let pass = typical(|| (), |()| self.evaluator.fused(&set, &constant))?;
        table.step = pass / (2.0 * residues);
        let spread = LinearMap::dense(FEW, FEATURES, weights(FEW * FEATURES, 15));
        let few = self.set(FEW)?;
        let tensor = self.in_cache(
            &few,
            &spread.map_err(ckks::Error::from)?,
            FusedStep::TensorSquare,
        )?;
        table.product = tensor / (3.0 * residues);
        let rescale = typical(|| set.clone(), |copy| self.evaluator.rescale(copy))?;
        let limbs = self.parameters.primes().len();
        let degree = self.parameters.ring_degree() as u64;
        let transforms =
            (2 * limbs * FEATURES) as f64 * butterflies(self.parameters.ring(), degree);
        let passes = 2.0 * residues * table.step;
        // A transform is never free, whatever disturbed the other measurement.
        table.butterfly = (rescale - passes).max(0.3 * rescale) / transforms;
        Ok(())
    }

    /// What switching keys takes, in what `table` says of it.
    fn switch(&self, table: &CostTable, features: usize) -> Result<f64, CircuitError> {
        let squared = self.evaluator.tensor_square(&self.set(features)?)?;
        let switch = typical(|| squared.clone(), |copy| self.evaluator.relinearize(copy))?;
        let limbs = self.parameters.primes().len();
        Ok(switch / CostModel::new(&self.parameters, table).relinearize(features, limbs))
    }

    /// Nanoseconds of a step on what `spread` makes of a small set: that lies in the cache, as between the layers of a circuit.
    fn in_cache(
        &self,
        set: &CiphertextSet,
        spread: &LinearMap,
        step: FusedStep<'_>,
    ) -> Result<f64, CircuitError> {
        let weight_scale = 2.0;
        let first = FusedStep::Linear {
            map: spread,
            weight_scale,
        };
        let mut runs = Runs::default();
        while runs.goes_on() {
            let (output, times) = self.evaluator.fused_timed(set, &[first, step])?;
            drop(black_box(output));
            let own = times.last().copied().unwrap_or_default();
            let all: Duration = times.iter().sum();
            runs.add(own, all.saturating_sub(own));
        }
        Ok(runs.typical())
    }

    /// Nanoseconds of one linear map on one component, for each residue, modulo the wide prime and modulo the narrow one.
    fn time(&self, map: &LinearMap) -> Result<[f64; 2], CircuitError> {
        let inputs = map.inputs();
        let spread = LinearMap::dense(FEW, inputs, weights(FEW * inputs, 15));
        let spread = spread.map_err(ckks::Error::from)?;
        let both = self.evaluator.drop_to(&self.set(FEW)?, 1)?;
        let wide = self.evaluator.drop_to(&both, 0)?;
        let step = FusedStep::Linear {
            map,
            weight_scale: 256.0,
        };
        let run = |set: &CiphertextSet| self.in_cache(set, &spread, step);
        let (wide, both) = (run(&wide)?, run(&both)?);
        let residues = (2 * self.parameters.ring_degree()) as f64;
        // Between half and all of the wide one's time, whatever disturbed one of the two.
        let narrow = (both - wide).clamp(0.5 * wide, wide);
        Ok([wide / residues, narrow / residues])
    }

    /// Nanoseconds of a multiply-accumulate and of bringing an input into place, from a map with few outputs and one with many.
    ///
    /// The second is the smaller part of either map, what is left of a difference, and so the first to be lost in a disturbance: it is
    /// kept near `usual`, and the multiply-accumulates take the rest of the larger map, whose whole time then is as measured.
    fn linear(
        &self,
        few: &LinearMap,
        many: &LinearMap,
        usual: f64,
    ) -> Result<([f64; 2], f64), CircuitError> {
        let (less, more) = (self.time(few)?, self.time(many)?);
        let (few, many) = (MapFacts::of(few), MapFacts::of(many));
        let rest = |limb: usize| {
            let slope = (more[limb] - less[limb]) / (many.macs() - few.macs());
            (less[limb] - slope * few.macs()) / few.gathers()
        };
        let (least, most) = (usual / MINOR_REACH, usual * reach() / MINOR_REACH);
        let gather = (f64::midpoint(rest(0), rest(1))).clamp(least, most.max(usual));
        let mac = |limb: usize| {
            let whole = more[limb] / many.macs();
            // Not all of it is gathering, whatever disturbed one of the two.
            (whole - gather * many.gathers() / many.macs()).max(0.3 * whole)
        };
        Ok(([mac(0), mac(1)], gather))
    }

    fn pool(&self, map: &LinearMap) -> Result<f64, CircuitError> {
        let [wide, narrow] = self.time(map)?;
        Ok((wide + narrow) / 2.0 / MapFacts::of(map).pool_macs)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_loops_take_time() {
        let start = Instant::now();
        let table = CostTable::measure().unwrap();
        println!("{table:?} in {:?}", start.elapsed());
        for (name, value) in CostTable::NAMES.iter().zip(table.values()) {
            assert!(value.is_finite() && value > 0.0, "{name}: {value}");
        }
    }

    /// A table that is off the fixed one by a factor.
    fn off_by(factor: f64) -> CostTable {
        let mut table = CostTable::default();
        for value in table.values_mut() {
            *value *= factor;
        }
        table
    }

    #[test]
    fn a_calibration_is_measured_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let measured = off_by(1.5);
        let never = || -> Result<CostTable, CircuitError> { panic!("measured again") };
        assert_eq!(CostTable::kept(folder.path()), None);
        let first = CostTable::calibrated_by(folder.path(), &|| Ok(measured));
        assert_eq!(first, measured);
        assert_eq!(CostTable::calibrated_by(folder.path(), &never), measured);
        assert_eq!(CostTable::kept(folder.path()), Some(measured));
        // A damaged file, or one of another machine, is measured again.
        let path = path(folder.path());
        let text = std::fs::read_to_string(&path).unwrap();
        for wrong in [text.replace("\"key\": \"", "\"key\": \"other "), "{".into()] {
            std::fs::write(&path, wrong).unwrap();
            assert_eq!(CostTable::kept(folder.path()), None);
            let other = off_by(0.7);
            let again = CostTable::calibrated_by(folder.path(), &|| Ok(other));
            assert_eq!(again, other);
            assert!(
                std::fs::read_to_string(&path)
                    .unwrap()
                    .contains(&machine_key())
            );
        }
    }

    #[test]
    fn a_disturbed_measurement_is_made_again_and_then_refused() {
        let folder = tempfile::tempdir().unwrap();
        let far = off_by(1.1 * REACH.1);
        assert!(
            far.implausible()
                .is_some_and(|implausible| implausible.contains("dense_mac"))
        );
        assert!(off_by(f64::NAN).implausible().is_some() && off_by(0.0).implausible().is_some());
        assert_eq!(off_by(1.0).implausible(), None);
        let refused = CostTable::calibrated_by(folder.path(), &|| Ok(far));
        assert_eq!(refused, CostTable::default());
        assert_eq!(CostTable::kept(folder.path()), None);
        // The second one counts where it is undisturbed.
        let runs = std::cell::Cell::new(0);
        let measure = || {
            runs.set(runs.get() + 1);
            Ok(if runs.get() == 1 { far } else { off_by(1.2) })
        };
        let table = CostTable::calibrated_by(folder.path(), &measure);
        assert_eq!((table, runs.get()), (off_by(1.2), 2));
        assert_eq!(CostTable::kept(folder.path()), Some(table));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_obstacle() {
        let folder = Path::new("/proc/no/such/folder");
        let table = CostTable::calibrated_by(folder, &|| Ok(off_by(1.5)));
        assert_eq!(table, off_by(1.5));
    }
}
