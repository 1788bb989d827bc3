//! The parameter sets that a look-up circuit may use, as plain numbers.
//!
//! They are the `tfhe` crate's own (version 1.8.2, `V1_4_PARAM_MESSAGE_1_CARRY_*_KS_PBS_GAUSSIAN_2M128`): 128-bit security by its
//! authors' runs of the lattice estimator, and a look-up that fails with a probability below 2^-128. Of the sets with the same message
//! space these allow the largest sums. The engine checks every number against the crate's constants.

use serde::Serialize;

/// A set of TFHE parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ParameterSet {
    /// The crate's name for it.
    pub name: &'static str,
    /// Bits of a message below the padding bit: a look-up has `2^message_bits` entries.
    pub message_bits: u32,
    /// Length of the secret that look-ups read under.
    pub lwe_dimension: usize,
    /// Polynomials of the other secret.
    pub glwe_dimension: usize,
    /// Coefficients of each.
    pub polynomial_size: usize,
    /// log2 of the base that the bootstrap decomposes in.
    pub pbs_base_log: usize,
    /// Digits of that decomposition.
    pub pbs_levels: usize,
    /// log2 of the base that the key switch decomposes in.
    pub ks_base_log: usize,
    /// Digits of that decomposition.
    pub ks_levels: usize,
    /// Standard deviation of the noise under the short secret, as a share of the torus.
    pub lwe_noise: f64,
    /// The same under the long secret, which fresh ciphertexts are made with.
    pub glwe_noise: f64,
    /// Time of a look-up in the crate's own cost model, unit arbitrary.
    pub cost: f64,
    /// log2 of the crate's bound on the failure of one look-up, for sums of root-sum-square weight up to `2^message_bits - 1`.
    pub failure_log2: f64,
}

impl ParameterSet {
    /// Claimed security in bits.
    pub const SECURITY_BITS: u32 = 128;
    /// Where the claim comes from.
    pub const SECURITY_SOURCE: &'static str =
        "the parameter sets of the crate tfhe 1.8.2, by its authors' runs of the lattice estimator";

    /// Length of the secret that fresh ciphertexts are made with.
    pub const fn long_dimension(&self) -> usize {
        self.glwe_dimension * self.polynomial_size
    }

    /// The set of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PARAMETER_SETS.iter().find(|set| set.name == name)
    }

    /// Bytes of one ciphertext under the long secret.
    pub const fn ciphertext_bytes(&self) -> u64 {
        ((self.long_dimension() + 1) * 8) as u64
    }

    /// Bytes of both keys with their masks as seeds, as they are kept and sent.
    pub const fn seeded_key_bytes(&self) -> u64 {
        let bootstrap =
            self.lwe_dimension * (self.glwe_dimension + 1) * self.pbs_levels * self.polynomial_size;
        ((bootstrap + self.long_dimension() * self.ks_levels) * 8) as u64
    }

    /// Bytes of the bootstrapping key (in the Fourier domain) and the key-switching key.
    pub const fn evaluation_key_bytes(&self) -> u64 {
        let (size, n) = (self.glwe_dimension + 1, self.polynomial_size);
        let bootstrap = self.lwe_dimension * size * size * self.pbs_levels * n / 2 * 16;
        let switch = self.long_dimension() * self.ks_levels * (self.lwe_dimension + 1) * 8;
        (bootstrap + switch) as u64
    }
}

/// From the cheapest to the dearest.
pub const PARAMETER_SETS: [ParameterSet; 6] = [
    ParameterSet {
        name: "V1_4_PARAM_MESSAGE_1_CARRY_1_KS_PBS_GAUSSIAN_2M128",
        message_bits: 2,
        lwe_dimension: 837,
        glwe_dimension: 4,
        polynomial_size: 512,
        pbs_base_log: 23,
        pbs_levels: 1,
        ks_base_log: 5,
        ks_levels: 3,
        lwe_noise: 3.3747142481837397e-06,
        glwe_noise: 2.845267479601915e-15,
        cost: 64.0,
        failure_log2: -128.186,
    },
    ParameterSet {
        name: "V1_4_PARAM_MESSAGE_1_CARRY_2_KS_PBS_GAUSSIAN_2M128",
        message_bits: 3,
        lwe_dimension: 885,
        glwe_dimension: 2,
        polynomial_size: 1024,
        pbs_base_log: 23,
        pbs_levels: 1,
        ks_base_log: 5,
        ks_levels: 3,
        lwe_noise: 1.4742441118914234e-06,
        glwe_noise: 2.845267479601915e-15,
        cost: 79.0,
        failure_log2: -128.536,
    },
    ParameterSet {
        name: "V1_4_PARAM_MESSAGE_1_CARRY_3_KS_PBS_GAUSSIAN_2M128",
        message_bits: 4,
        lwe_dimension: 904,
        glwe_dimension: 1,
        polynomial_size: 2048,
        pbs_base_log: 23,
        pbs_levels: 1,
        ks_base_log: 3,
        ks_levels: 6,
        lwe_noise: 1.0621869847945622e-06,
        glwe_noise: 2.845267479601915e-15,
        cost: 119.0,
        failure_log2: -128.103,
    },
    ParameterSet {
        name: "V1_4_PARAM_MESSAGE_1_CARRY_4_KS_PBS_GAUSSIAN_2M128",
        message_bits: 5,
        lwe_dimension: 930,
        glwe_dimension: 1,
        polynomial_size: 4096,
        pbs_base_log: 15,
        pbs_levels: 2,
        ks_base_log: 3,
        ks_levels: 6,
        lwe_noise: 6.782362904013915e-07,
        glwe_noise: 2.168404344971009e-19,
        cost: 373.0,
        failure_log2: -128.607,
    },
    ParameterSet {
        name: "V1_4_PARAM_MESSAGE_1_CARRY_5_KS_PBS_GAUSSIAN_2M128",
        message_bits: 6,
        lwe_dimension: 1011,
        glwe_dimension: 1,
        polynomial_size: 8192,
        pbs_base_log: 15,
        pbs_levels: 2,
        ks_base_log: 3,
        ks_levels: 7,
        lwe_noise: 1.6766481861068427e-07,
        glwe_noise: 2.168404344971009e-19,
        cost: 878.0,
        failure_log2: -128.068,
    },
    ParameterSet {
        name: "V1_4_PARAM_MESSAGE_1_CARRY_6_KS_PBS_GAUSSIAN_2M128",
        message_bits: 7,
        lwe_dimension: 1060,
        glwe_dimension: 1,
        polynomial_size: 16384,
        pbs_base_log: 11,
        pbs_levels: 3,
        ks_base_log: 2,
        ks_levels: 11,
        lwe_noise: 7.199150706330062e-08,
        glwe_noise: 2.168404344971009e-19,
        cost: 2675.0,
        failure_log2: -128.147,
    },
];
