//! The side that computes: it owns the circuit and evaluation keys, and no secret.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use tfhe::core_crypto::prelude::*;

use super::bootstrap::Bootstrapper;
use super::keys::ServerKey;
use super::package::circuit_digest;
use super::parameters::{Typed, set_digest};
use super::wire::{self, Reply, Upload};
use crate::EncryptedError;
use crate::sealed::{Digest, FileKind, Label, UploadId};
use ckks::LinearMap;
use cryptodl_circuit::pbs::{IntegerSum, PbsCircuit};

/// The owner of the network.
#[derive(Debug)]
pub struct Server {
    key: ServerKey,
    circuit: PbsCircuit,
    /// Which circuit it is.
    digest: Digest,
    /// Core-nanoseconds: a sum and its look-ups in turn, the logits last.
    spent: Vec<AtomicU64>,
}

/// Coefficients that a sum works on at a time: those of a thousand inputs stay in a core's cache.
const BLOCK: usize = 128;

impl Server {
    /// A server for one circuit and one client's evaluation keys.
    ///
    /// # Errors
    /// [`EncryptedError::Mismatch`] where the keys have fewer message bits than the circuit.
    pub fn new(key: ServerKey, circuit: PbsCircuit) -> Result<Self, EncryptedError> {
        circuit
            .check()
            .map_err(cryptodl_circuit::CircuitError::from)?;
        if key.set.message_bits < circuit.message_bits {
            return Err(EncryptedError::Mismatch {
                what: "the message space of the keys",
                found: format!("{} bits", key.set.message_bits),
                wanted: format!("{} bits", circuit.message_bits),
            });
        }
        let spent = (0..2 * circuit.layers.len() + 1)
            .map(|_| AtomicU64::new(0))
            .collect();
        Ok(Self {
            digest: circuit_digest(&circuit, key.set),
            key,
            circuit,
            spent,
        })
    }

    /// The images of an upload, the file `path`, and its name.
    ///
    /// # Errors
    /// [`EncryptedError::File`] for what is not a whole upload, [`EncryptedError::Stranger`] for one of another key, parameter set or
    /// circuit.
    pub fn receive(
        &self,
        path: &Path,
        bytes: &[u8],
    ) -> Result<(Vec<Upload>, Option<UploadId>), EncryptedError> {
        let parameters = set_digest(self.key.set);
        let (label, _) = Label::read(path, bytes, FileKind::Upload, parameters)?;
        label.of_key(path, self.key.id, &self.key.origin)?;
        label.of_circuit(path, self.digest)?;
        let images = wire::read_uploads(path, bytes, self.circuit.input.len())?;
        Ok((images, label.upload))
    }

    /// Bootstraps of one image.
    pub fn bootstraps(&self) -> usize {
        self.circuit.bootstraps()
    }

    /// The bytes of a reply to the upload of that name.
    pub fn reply(&self, replies: &[Reply], upload: Option<UploadId>) -> Vec<u8> {
        let label = Label {
            kind: FileKind::Reply,
            parameters: set_digest(self.key.set),
            key: self.key.id,
            circuit: Some(self.digest),
            upload,
        };
        wire::reply_bytes(label, replies)
    }

    /// Evaluates images side by side, their neurons too. `done` hears of bootstraps that are done and says whether to go on.
    ///
    /// # Errors
    /// [`EncryptedError::Interrupted`] where `done` says no; [`EncryptedError::Mismatch`] for uploads of other images.
    pub fn evaluate(
        &self,
        uploads: &[Upload],
        done: &(dyn Fn(u64) -> bool + Sync),
    ) -> Result<Vec<Reply>, EncryptedError> {
        uploads
            .par_iter()
            .map(|upload| self.evaluate_one(upload, done))
            .collect()
    }

    /// Core-time of every layer so far.
    pub fn spent(&self) -> Vec<Duration> {
        self.spent
            .iter()
            .map(|nanoseconds| Duration::from_nanos(nanoseconds.load(Ordering::Relaxed)))
            .collect()
    }

    fn evaluate_one(
        &self,
        upload: &Upload,
        done: &(dyn Fn(u64) -> bool + Sync),
    ) -> Result<Reply, EncryptedError> {
        let circuit = &self.circuit;
        if upload.bodies.len() != circuit.input.len() {
            return Err(EncryptedError::Mismatch {
                what: "the number of pixels in the upload",
                found: upload.bodies.len().to_string(),
                wanted: circuit.input.len().to_string(),
            });
        }
        let mut values = self.expand(upload);
        for (index, layer) in circuit.layers.iter().enumerate() {
            let step_bits = circuit.step_bits(index.checked_sub(1));
            let sums = self.sum(&layer.sum, &values, step_bits, &self.spent[2 * index]);
            // The look-up reads steps of its own; what comes in finer ones is multiplied up to them.
            let up = step_bits - (circuit.message_bits + 1);
            let shift = u64::BITS - circuit.step_bits(Some(index));
            let tables: Vec<Vec<u64>> = layer
                .tables
                .iter()
                .map(|table| {
                    let entries = table.iter();
                    entries.map(|entry| (*entry as u64) << shift).collect()
                })
                .collect();
            values = sums
                .par_iter()
                .zip(&layer.table_of)
                .map_init(
                    || Bootstrapper::new(&self.key),
                    |bootstrapper, (sum, table)| {
                        let start = Instant::now();
                        let input: Vec<u64> = sum.iter().map(|value| value << up).collect();
                        let mut output = vec![0; sum.len()];
                        bootstrapper.look_up(&input, &tables[*table as usize], &mut output);
                        if layer.through != 0 {
                            for (output, sum) in output.iter_mut().zip(sum) {
                                *output =
                                    output.wrapping_add(sum.wrapping_mul(layer.through as u64));
                            }
                        }
                        add(&self.spent[2 * index + 1], start);
                        if done(1) {
                            Ok(output)
                        } else {
                            Err(EncryptedError::Interrupted)
                        }
                    },
                )
                .collect::<Result<_, _>>()?;
        }
        let last = circuit.layers.len();
        let logits = self.sum(
            &circuit.logits,
            &values,
            circuit.logit_bits,
            &self.spent[2 * last],
        );
        Ok(Reply(logits))
    }

    fn expand(&self, upload: &Upload) -> Vec<Vec<u64>> {
        let typed = Typed::from(self.key.set);
        let size = LweDimension(self.key.set.long_dimension()).to_lwe_size();
        let list = SeededLweCiphertextList::from_container(
            upload.bodies.clone(),
            size,
            tfhe::core_crypto::commons::math::random::Seed(upload.seed).into(),
            typed.modulus,
        );
        let list = list.decompress_into_lwe_ciphertext_list();
        list.as_ref()
            .chunks_exact(size.0)
            .map(<[u64]>::to_vec)
            .collect()
    }

    /// `maps(values) + constants` on raw ciphertexts.
    fn sum(
        &self,
        sum: &IntegerSum,
        values: &[Vec<u64>],
        step_bits: u32,
        spent: &AtomicU64,
    ) -> Vec<Vec<u64>> {
        let mut outputs: Option<Vec<Vec<u64>>> = None;
        for map in &sum.maps {
            outputs = Some(apply(map, outputs.as_deref().unwrap_or(values), spent));
        }
        let mut outputs = outputs.unwrap_or_else(|| values.to_vec());
        for (output, constant) in outputs.iter_mut().zip(&sum.constants) {
            if let Some(body) = output.last_mut() {
                *body = body.wrapping_add((*constant as u64) << (u64::BITS - step_bits));
            }
        }
        outputs
    }
}

fn add(spent: &AtomicU64, start: Instant) {
    spent.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
}

/// An integer map on ciphertexts, `[features][coefficients]`: block by block of coefficients, so that the inputs of a block are read from
/// memory once and not once for every output.
pub(super) fn apply(map: &LinearMap, values: &[Vec<u64>], spent: &AtomicU64) -> Vec<Vec<u64>> {
    let size = values.first().map_or(0, Vec::len);
    let blocks: Vec<Vec<u64>> = (0..size.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let start = Instant::now();
            let range = block * BLOCK..size.min((block + 1) * BLOCK);
            let width = range.len();
            let mut out = vec![0_u64; map.outputs() * width];
            for group in map.groups() {
                let positions = group.positions();
                for (position, gather) in group.gather().chunks_exact(group.taps()).enumerate() {
                    for (row, weights) in group.weights().chunks_exact(group.taps()).enumerate() {
                        let output = group.out_start() + row * positions + position;
                        let out = &mut out[output * width..][..width];
                        for (weight, input) in weights.iter().zip(gather) {
                            // The padding's index is none of the inputs: it reads zero.
                            if let (true, Some(value)) = (*weight != 0, values.get(*input as usize))
                            {
                                multiply_add(out, &value[range.clone()], *weight);
                            }
                        }
                    }
                }
            }
            add(spent, start);
            out
        })
        .collect();
    let mut outputs = vec![Vec::with_capacity(size); map.outputs()];
    for (block, values) in blocks.iter().enumerate() {
        let width = size.min((block + 1) * BLOCK) - block * BLOCK;
        for (output, values) in outputs.iter_mut().zip(values.chunks_exact(width)) {
            output.extend_from_slice(values);
        }
    }
    outputs
}

/// `out += weight value` on the torus. Most weights are one step: no product is needed.
fn multiply_add(out: &mut [u64], value: &[u64], weight: i16) {
    let pairs = out.iter_mut().zip(value);
    match weight {
        1 => pairs.for_each(|(out, value)| *out = out.wrapping_add(*value)),
        -1 => pairs.for_each(|(out, value)| *out = out.wrapping_sub(*value)),
        weight => {
            let weight = i64::from(weight) as u64;
            pairs.for_each(|(out, value)| *out = out.wrapping_add(value.wrapping_mul(weight)));
        }
    }
}
