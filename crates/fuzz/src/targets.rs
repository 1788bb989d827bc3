//! What is fuzzed: a reader for every format, its good inputs, and how to make an input's digests right again.

mod encrypted;
mod files;
mod specs;

use std::io;

/// Reads an input and says whether it was taken.
pub type Run = Box<dyn FnMut(&[u8]) -> bool>;

/// A reader under test.
pub struct Target {
    /// `circuit`, `ckks-upload`, ...
    pub name: &'static str,
    /// Its share of a campaign's inputs: readers that take longer have fewer.
    pub share: u64,
    /// Good inputs.
    pub seeds: Vec<Vec<u8>>,
    /// Makes digests and checksums right again, as far as an input still has places for them.
    pub repair: fn(&mut [u8]),
    /// Reads an input and says whether it was taken.
    pub run: Run,
}

impl Target {
    fn new(
        name: &'static str,
        share: u64,
        seeds: Vec<Vec<u8>>,
        run: impl FnMut(&[u8]) -> bool + 'static,
    ) -> Self {
        Self {
            name,
            share,
            seeds,
            repair: |_| {},
            run: Box::new(run),
        }
    }

    fn repaired(self, repair: fn(&mut [u8])) -> Self {
        Self { repair, ..self }
    }
}

/// All targets.
///
/// # Errors
/// If their good inputs cannot be made.
pub fn targets() -> io::Result<Vec<Target>> {
    let mut targets = specs::targets();
    targets.extend(files::targets()?);
    targets.extend(encrypted::targets()?);
    Ok(targets)
}

/// The BLAKE3 digest of everything before it at the end of an input.
fn close(input: &mut [u8]) {
    if let Some((body, digest)) = input.split_last_chunk_mut::<{ blake3::OUT_LEN }>() {
        *digest = *blake3::hash(body).as_bytes();
    }
}
