//! Polynomials for inner loops: at multiples of a cache line, and not all at the same offset.
//!
//! Large allocations begin a few bytes into a page, so that every wide load would touch two cache
//! lines, and they all begin at the same place of a page: the polynomials that a key switch reads
//! side by side would then fall into the same few sets of the caches and push each other out.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::residues::{BLOCK, Block};

/// How many places there are; each is a block further into the page.
const PLACES: usize = 16;

/// A slice on the heap that begins at a cache line.
#[derive(Clone)]
pub(crate) struct Aligned {
    blocks: Vec<Block>,
    skipped: usize,
    length: usize,
}

impl Aligned {
    /// So many zeros. Those that are read side by side should have different `place`s.
    pub fn zeros(length: usize, place: usize) -> Self {
        let skipped = place % PLACES;
        Self {
            blocks: vec![Block::ZERO; length.div_ceil(BLOCK) + skipped],
            skipped,
            length,
        }
    }

    /// A copy.
    pub fn of(words: &[u64], place: usize) -> Self {
        let mut own = Self::zeros(words.len(), place);
        own.copy_from_slice(words);
        own
    }
}

impl Deref for Aligned {
    type Target = [u64];

    #[inline(always)]
    fn deref(&self) -> &[u64] {
        let start = self.blocks[self.skipped..].as_ptr().cast();
        // SAFETY: so many words lie in the blocks from there on, initialised; every bit pattern is a
        // word, and a block's alignment is more than a word's.
        unsafe { std::slice::from_raw_parts(start, self.length) }
    }
}

impl DerefMut for Aligned {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u64] {
        let start = self.blocks[self.skipped..].as_mut_ptr().cast();
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(start, self.length) }
    }
}

impl PartialEq for Aligned {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Aligned {}

impl fmt::Debug for Aligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aligned({} words)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_holds_its_words_at_a_cache_line() {
        for place in 0..2 * PLACES {
            for length in [0, 1, 63, 64, 65, 1000] {
                let words: Vec<u64> = (0..length).map(|word| word * 7).collect();
                let mut own = Aligned::of(&words, place);
                assert_eq!(own[..], words[..]);
                assert_eq!(own.as_ptr().addr() % 64, 0);
                own.fill(1);
                assert!(own.iter().all(|word| *word == 1) && own.len() == words.len());
                assert!(own != Aligned::zeros(words.len(), 0) || words.is_empty());
            }
        }
    }
}
