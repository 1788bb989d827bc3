//! Sampling by a seed that is given, so that its time can be measured for one secret and for others. Not for any other use: keys and errors
//! come from the operating system's randomness.

use crate::params::Ring;
use crate::sampling::SecretStream;

/// The uniform ternary secret of a seed.
pub fn ternary(seed: &[u8; 32], secret: &mut [i8]) {
    SecretStream::new(seed, 0).ternary(secret);
}

/// Adds the errors of a seed.
pub fn add_errors(seed: &[u8; 32], polynomial: &mut [u64]) {
    SecretStream::new(seed, 0).add_errors(Ring::Standard, polynomial);
}
