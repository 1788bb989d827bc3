//! The inner loops of the engine, timed on this machine.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cost::{CostModel, CostTable, TIMED_BITS, butterflies};
use super::error::CircuitError;
use super::planning::MapFacts;
use crate::files;
use ckks::{
    CiphertextSet, Convolution, EvaluationKey, Evaluator, LinearMap, Machine, Parameters,
    ParametersLiteral, Ring, SecretKey, SeededSet, SumPool,
};

const FILE: &str = "costs.json";
/// Raised when what is measured, or how, changes.
const VERSION: u32 = 1;
/// Every loop runs at least so often, and then until it has had its time; the shortest run counts, for others disturb it only upwards.
const REPEATS: usize = 3;
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
    /// The costs of this machine: read from `folder`, or measured (one to three seconds) and written there. Where neither works, the
    /// fixed table: a plan never fails for want of a calibration.
    pub fn calibrated(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let key = machine_key();
        let cached = std::fs::read(&path).ok();
        let cached = cached.and_then(|bytes| serde_json::from_slice::<Cached>(&bytes).ok());
        if let Some(cached) = cached.filter(|cached| cached.key == key && cached.table.is_sound()) {
            return cached.table;
        }
        let Ok(table) = Self::measure() else {
            return Self::default();
        };
        if !table.is_sound() {
            return Self::default();
        }
        let cached = Cached { key, table };
        if let Ok(text) = serde_json::to_vec_pretty(&cached) {
            // A cache that cannot be written is made again the next time.
            let _ = std::fs::create_dir_all(folder).and_then(|()| files::write_whole(&path, &text));
        }
        table
    }

    /// Times the engine's inner loops on one core.
    ///
    /// # Errors
    /// The engine's, or [`CircuitError::Threads`].
    pub fn measure() -> Result<Self, CircuitError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|source| CircuitError::Threads { source })?;
        pool.install(measure)
    }

    /// Whether every cost is a positive number.
    fn is_sound(&self) -> bool {
        self.values()
            .iter()
            .all(|value| value.is_finite() && *value > 0.0)
    }
}

/// The processor and the program.
fn machine_key() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    format!("{model}; {} {VERSION}", env!("CARGO_PKG_VERSION"))
}

/// Nanoseconds of the shortest run of `work` on inputs that `prepare` makes, outside the time.
fn shortest<T, O>(
    mut prepare: impl FnMut() -> T,
    mut work: impl FnMut(T) -> Result<O, ckks::Error>,
) -> Result<f64, CircuitError> {
    let mut least = f64::INFINITY;
    let mut spent = Duration::ZERO;
    let mut runs = 0;
    while runs < REPEATS || (spent < TIME && runs < 100) {
        let input = prepare();
        let start = Instant::now();
        let output = work(input)?;
        let time = start.elapsed();
        drop(black_box(output));
        least = least.min(time.as_secs_f64() * 1e9);
        (spent, runs) = (spent + time, runs + 1);
    }
    Ok(least)
}

fn measure() -> Result<CostTable, CircuitError> {
    let parameters = Parameters::new(ParametersLiteral {
        ring: Ring::Standard,
        log_n: 13,
        prime_bits: vec![TIMED_BITS[0], TIMED_BITS[1], 42],
        special_bits: Some(50),
    })?;
    let secret = SecretKey::generate(&parameters)?;
    let key = Arc::new(EvaluationKey::generate(&secret)?);
    let bench = Bench {
        machine: Evaluator::new(parameters.clone(), Some(key))?,
        parameters,
        secret,
    };
    let mut table = CostTable::default();
    bench.uploads(&mut table)?;
    bench.products(&mut table)?;
    let convolution = |out: usize| {
        let shape = Convolution {
            in_channels: 2,
            out_channels: out,
            kernel: 5,
            stride: 1,
            padding: 2,
            height: 10,
            width: 10,
        };
        LinearMap::convolution(&shape, weights(out * 50, 255))
    };
    let dense = |out, largest| LinearMap::dense(200, out, weights(out * 200, largest));
    let few = dense(16, 255).map_err(ckks::Error::from)?;
    let many = dense(80, 255).map_err(ckks::Error::from)?;
    let light = dense(80, 15).map_err(ckks::Error::from)?;
    (table.dense_mac, table.dense_gather) = bench.linear(&few, &many)?;
    table.small_weights = (bench.time(&light)?[0] / bench.time(&many)?[0]).clamp(0.2, 1.0);
    let few = convolution(4).map_err(ckks::Error::from)?;
    let many = convolution(16).map_err(ckks::Error::from)?;
    (table.conv_mac, table.conv_gather) = bench.linear(&few, &many)?;
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

struct Bench {
    parameters: Parameters,
    secret: SecretKey,
    machine: Evaluator,
}

impl Bench {
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
        let read = shortest(
            || (),
            |()| SeededSet::read(&self.parameters, &mut bytes.as_slice()),
        )?;
        let expand = shortest(|| (), |()| Ok(seeded.expand()))?;
        table.read = read / self.residues(FEATURES);
        table.mask = expand / self.residues(FEATURES);
        Ok(())
    }

    fn products(&self, table: &mut CostTable) -> Result<(), CircuitError> {
        let set = self.set(FEATURES)?;
        let residues = self.residues(FEATURES);
        let add = shortest(|| set.clone(), |copy| self.machine.add(copy, &set))?;
        table.step = add / (2.0 * residues);
        let tensor = shortest(|| (), |()| self.machine.tensor_square(&set))?;
        table.product = tensor / (3.0 * residues);
        let squared = self.machine.tensor_square(&set)?;
        let rescale = shortest(|| set.clone(), |copy| self.machine.rescale(copy))?;
        let limbs = self.parameters.primes().len();
        let degree = self.parameters.ring_degree() as u64;
        let transforms =
            (2 * limbs * FEATURES) as f64 * butterflies(self.parameters.ring(), degree);
        let passes = 2.0 * residues * table.step;
        // A transform is never free, whatever disturbed the other measurement.
        table.butterfly = (rescale - passes).max(0.3 * rescale) / transforms;
        let switch = shortest(|| squared.clone(), |copy| self.machine.relinearize(copy))?;
        table.switch = 1.0;
        let predicted = CostModel::new(&self.parameters, table).relinearize(FEATURES, limbs);
        table.switch = switch / predicted;
        Ok(())
    }

    /// Nanoseconds of one linear map on one component, for each residue, modulo the wide prime and modulo the narrow one.
    fn time(&self, map: &LinearMap) -> Result<[f64; 2], CircuitError> {
        let input = self.machine.drop_to(&self.set(map.inputs())?, 1)?;
        let wide = self.machine.drop_to(&input, 0)?;
        let run = |set: &CiphertextSet| shortest(|| (), |()| self.machine.linear(set, map, 256.0));
        let (wide, both) = (run(&wide)?, run(&input)?);
        let residues = (2 * self.parameters.ring_degree()) as f64;
        // Between half and all of the wide one's time, whatever disturbed one of the two.
        let narrow = (both - wide).clamp(0.5 * wide, wide);
        Ok([wide / residues, narrow / residues])
    }

    /// Nanoseconds of a multiply-accumulate and of bringing an input into place, from a map with few outputs and one with many.
    fn linear(&self, few: &LinearMap, many: &LinearMap) -> Result<([f64; 2], f64), CircuitError> {
        let (less, more) = (self.time(few)?, self.time(many)?);
        let (few, many) = (MapFacts::of(few), MapFacts::of(many));
        let mut macs = [0.0; 2];
        let mut gather = 0.0;
        for (limb, mac) in macs.iter_mut().enumerate() {
            let slope = (more[limb] - less[limb]) / (many.macs() - few.macs());
            // Between nothing and all of it, whatever disturbed one of the two.
            let most = more[limb] / many.macs();
            *mac = slope.clamp(0.3 * most, most);
            let rest = (less[limb] - *mac * few.macs()).max(0.02 * less[limb]);
            gather += rest / few.gathers() / 2.0;
        }
        Ok((macs, gather))
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
    fn a_calibration_is_measured_once_and_kept() {
        let start = Instant::now();
        println!(
            "{:?} in {:?}",
            CostTable::measure().unwrap(),
            start.elapsed()
        );
        let folder = tempfile::tempdir().unwrap();
        let table = CostTable::calibrated(folder.path());
        assert!(table.is_sound() && table != CostTable::default());
        assert_eq!(CostTable::calibrated(folder.path()), table);
        // A damaged file, or one of another machine, is measured again.
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"key\": \"", "\"key\": \"other ")).unwrap();
        assert!(CostTable::calibrated(folder.path()).is_sound());
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .contains(&machine_key())
        );
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_obstacle() {
        let table = CostTable::calibrated(Path::new("/proc/no/such/folder"));
        assert!(table.is_sound());
    }
}
