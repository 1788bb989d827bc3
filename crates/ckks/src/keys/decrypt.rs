//! Decryption.

use rayon::prelude::*;
use zeroize::Zeroizing;

use super::SecretKey;
use crate::encoding::Encoder;
use crate::error::Result;
use crate::isa::Isa;
use crate::modulus::CENTRE;
use crate::params::Parameters;
use crate::pointwise;
use crate::set::CiphertextSet;

impl SecretKey {
    /// Decrypts to real values, `[features, slots]` row by row.
    ///
    /// What comes out contains the noise. Values together with their ciphertexts must not be given
    /// to anybody who lacks the key: the noise gives the key away (Li and Micciancio, eprint
    /// 2020/1533).
    ///
    /// # Errors
    /// If the ciphertexts were made with another parameter set.
    pub fn decrypt(&self, set: &CiphertextSet) -> Result<Vec<f64>> {
        let parameters = self.parameters();
        parameters.check_same(set.parameters(), "decrypt")?;
        let slots = parameters.slots();
        let mut values = vec![0.0; set.features() * slots];
        let rows = values.par_chunks_exact_mut(slots).enumerate();
        rows.for_each_init(
            || Workspace::new(parameters, set.level() + 1),
            |work, (feature, row)| {
                for limb in 0..=set.level() {
                    work.phase(self, set, limb, feature);
                }
                work.compose(parameters);
                work.encoder.decode(&work.coefficients, set.scale(), row);
            },
        );
        Ok(values)
    }
}

/// One thread's buffers. What is decrypted is wiped with them.
struct Workspace {
    isa: Isa,
    encoder: Encoder,
    /// The decrypted polynomial modulo every prime, as words.
    limbs: Vec<Zeroizing<Vec<u64>>>,
    phase: Zeroizing<Vec<u64>>,
    component: Vec<u64>,
    coefficients: Zeroizing<Vec<f64>>,
}

impl Workspace {
    fn new(parameters: &Parameters, limbs: usize) -> Self {
        let degree = parameters.ring_degree();
        Self {
            isa: Isa::detect(),
            encoder: Encoder::new(parameters.ring(), degree),
            limbs: vec![Zeroizing::new(vec![0; degree]); limbs],
            phase: Zeroizing::new(vec![0; degree]),
            component: vec![0; degree],
            coefficients: Zeroizing::new(vec![0.0; degree]),
        }
    }

    /// `c_0 + c_1 s + c_2 s^2 + ...` modulo one prime, by Horner's rule.
    fn phase(&mut self, key: &SecretKey, set: &CiphertextSet, limb: usize, feature: usize) {
        let transform = key.parameters().transform(limb);
        let p = transform.modulus();
        let last = set.components() - 1;
        set.residues.gather(limb, last, feature, &mut self.phase);
        for component in (0..last).rev() {
            set.residues
                .gather(limb, component, feature, &mut self.component);
            pointwise::multiply_assign(self.isa, p, &mut self.phase, key.values(limb));
            pointwise::add_assign(self.isa, p, &mut self.phase, &self.component);
        }
        transform.inverse(&self.phase, &mut self.limbs[limb]);
    }

    /// Coefficients from their residues.
    ///
    /// Garner's mixed radix with digits centred on zero: `d_0 + d_1 q_0 + d_2 q_0 q_1 + ...`, |d_i|
    /// < q_i / 2, is the representative of least magnitude itself, and a small one has zeros for
    /// its upper digits, so nothing cancels.
    fn compose(&mut self, parameters: &Parameters) {
        for upper in 1..self.limbs.len() {
            let p = parameters.modulus(upper);
            let (done, rest) = self.limbs.split_at_mut(upper);
            let digit = &mut rest[0];
            for (lower, done) in done.iter().enumerate() {
                let inverse = parameters.inverse(lower, upper);
                pointwise::garner(self.isa, p, digit, done, inverse);
            }
        }
        self.coefficients.fill(0.0);
        for (limb, digits) in self.limbs.iter().enumerate().rev() {
            let prime = parameters.primes()[limb] as f64;
            for (coefficient, &digit) in self.coefficients.iter_mut().zip(digits.iter()) {
                *coefficient = *coefficient * prime + (digit.wrapping_sub(CENTRE) as i64) as f64;
            }
        }
    }
}
