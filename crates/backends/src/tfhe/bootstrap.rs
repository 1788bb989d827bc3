//! One look-up: key switch, modulus switch, blind rotation, extraction.

use std::sync::OnceLock;
use std::time::Instant;

use tfhe::core_crypto::fft_impl::fft64::math::fft::Fft;
use tfhe::core_crypto::prelude::*;

use super::keys::ServerKey;
use super::parameters::Typed;
use crate::{EncryptedError, KeyId};
use cryptodl_circuit::pbs::ParameterSet;

/// What a thread needs for look-ups under one key, kept between them.
pub(super) struct Bootstrapper<'a> {
    key: &'a ServerKey,
    fft: Fft,
    buffers: ComputationBuffers,
    short: LweCiphertextOwned<u64>,
    accumulator: GlweCiphertextOwned<u64>,
}

impl<'a> Bootstrapper<'a> {
    pub fn new(key: &'a ServerKey) -> Self {
        let typed = Typed::from(key.set);
        let fft = Fft::new(typed.size);
        let mut buffers = ComputationBuffers::new();
        buffers.resize(
            blind_rotate_assign_mem_optimized_requirement::<u64>(
                typed.glwe.to_glwe_size(),
                typed.size,
                fft.as_view(),
            )
            .unaligned_bytes_required(),
        );
        Self {
            key,
            fft,
            buffers,
            short: LweCiphertext::new(0, typed.lwe.to_lwe_size(), typed.modulus),
            accumulator: GlweCiphertext::new(
                0,
                typed.glwe.to_glwe_size(),
                typed.size,
                typed.modulus,
            ),
        }
    }

    /// Reads `table` (a power of two of entries, already on the torus) at the message of `input`, whose steps are half as long as the
    /// share of the torus that an entry has: `2 table.len()` of them go round.
    ///
    /// # Shapes
    /// `input` and `output` are ciphertexts under the long secret, the mask before the body.
    pub fn look_up(&mut self, input: &[u64], table: &[u64], output: &mut [u64]) {
        let typed = Typed::from(self.key.set);
        let input = LweCiphertext::from_container(input, typed.modulus);
        keyswitch_lwe_ciphertext(&self.key.switch, &input, &mut self.short);
        let switched = lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(
            self.short.as_view(),
            typed.size.to_blind_rotation_input_modulus_log(),
        );
        fill(&mut self.accumulator, table);
        blind_rotate_assign_mem_optimized(
            &switched,
            &mut self.accumulator,
            &self.key.bootstrap,
            self.fft.as_view(),
            self.buffers.stack(),
        );
        let mut output = LweCiphertext::from_container(output, typed.modulus);
        extract_lwe_sample_from_glwe_ciphertext(&self.accumulator, &mut output, MonomialDegree(0));
    }
}

/// The table as a trivial ciphertext: every entry fills a box of coefficients, and the first box is centred on zero, its left half negated
/// at the far end (`X^N = -1`).
fn fill(accumulator: &mut GlweCiphertextOwned<u64>, table: &[u64]) {
    accumulator.get_mut_mask().as_mut().fill(0);
    let mut body = accumulator.get_mut_body();
    let coefficients = body.as_mut();
    let width = coefficients.len() / table.len();
    let half = width / 2;
    for (box_of, entry) in coefficients[..].chunks_exact_mut(width).zip(table) {
        box_of.fill(*entry);
    }
    for coefficient in &mut coefficients[..half] {
        *coefficient = coefficient.wrapping_neg();
    }
    coefficients.rotate_left(half);
}

/// Bootstraps that are timed.
const TIMED: usize = 5;

/// Seconds of one look-up on one core of this machine, the median of a few; a key of zeros does as much work as any.
///
/// # Errors
/// [`EncryptedError::Randomness`].
pub fn measure_bootstrap(set: &'static ParameterSet) -> Result<f64, EncryptedError> {
    static KNOWN: OnceLock<std::sync::Mutex<Vec<(&'static str, f64)>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Default::default);
    let found = known
        .lock()
        .ok()
        .and_then(|known| known.iter().find(|(name, _)| *name == set.name).copied());
    if let Some((_, seconds)) = found {
        return Ok(seconds);
    }
    let typed = Typed::from(set);
    let long = LweDimension(set.long_dimension());
    let mut switch = LweKeyswitchKey::new(
        0,
        typed.ks_base,
        typed.ks_levels,
        long,
        typed.lwe,
        typed.modulus,
    );
    // Where a coefficient of a mask is zero, a step of the rotation is left out: the switch must not give zeros.
    for (index, value) in switch.as_mut().iter_mut().enumerate() {
        *value = (index as u64).wrapping_mul(0xD134_2543_DE82_EF95);
    }
    let key = ServerKey {
        set,
        id: KeyId::new()?,
        origin: "zeros".into(),
        bootstrap: FourierLweBootstrapKey::new(
            typed.lwe,
            typed.glwe.to_glwe_size(),
            typed.size,
            typed.pbs_base,
            typed.pbs_levels,
        ),
        switch,
    };
    let mut bootstrapper = Bootstrapper::new(&key);
    let input: Vec<u64> = (1..=long.0 as u64 + 1)
        .map(|index| index.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .collect();
    let table = vec![1_u64 << 40; 1 << set.message_bits];
    let mut output = vec![0; long.0 + 1];
    let mut times: Vec<f64> = (0..=TIMED)
        .map(|_| {
            let start = Instant::now();
            bootstrapper.look_up(&input, &table, &mut output);
            start.elapsed().as_secs_f64()
        })
        .skip(1)
        .collect();
    times.sort_by(f64::total_cmp);
    let seconds = times[times.len() / 2];
    if let Ok(mut known) = known.lock() {
        known.push((set.name, seconds));
    }
    Ok(seconds)
}
