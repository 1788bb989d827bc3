//! How residues lie in memory.
//!
//! One limb (the residues modulo one prime) of a set is `[N / BLOCK][component][feature][BLOCK]`,
//! in the evaluation domain. A linear map mixes features and leaves coefficients and components
//! apart, so it reads one contiguous panel of `features x BLOCK` residues at a time and is a small
//! matrix product on it; sums, products and constants are pointwise on blocks. Only transforms want
//! a whole polynomial, which is gathered from and scattered to its blocks.

use std::sync::Arc;

use rayon::prelude::*;

use crate::memory::{Arena, Buffer};

/// Residues of one feature that lie together.
pub(crate) const BLOCK: usize = 64;

/// Neighbouring residues of one polynomial, aligned for the widest vector loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Block(pub [u64; BLOCK]);

impl Block {
    pub const ZERO: Self = Self([0; BLOCK]);
}

/// The residues of a set of ciphertexts.
#[derive(Clone, Debug)]
pub(crate) struct Residues {
    degree: usize,
    components: usize,
    features: usize,
    limbs: Vec<Buffer>,
}

/// The polynomials of one feature, to be read and written by one thread.
pub(crate) struct FeatureMut<'a> {
    /// The first block of every limb.
    limbs: &'a [SharedLimb],
    rows: usize,
    components: usize,
    features: usize,
    feature: usize,
}

/// Where a limb begins.
#[derive(Clone, Copy)]
struct SharedLimb(*mut Block);

// SAFETY: the pointer is used through `FeatureMut` alone, and values of that type that exist at the
// same time are of different features and reach different blocks.
unsafe impl Send for SharedLimb {}
// SAFETY: as above.
unsafe impl Sync for SharedLimb {}

impl FeatureMut<'_> {
    /// Which feature it is.
    pub fn index(&self) -> usize {
        self.feature
    }

    /// Address of a block: within the limb, because all three indices are checked.
    #[inline(always)]
    fn block(&self, limb: usize, component: usize, row: usize) -> *mut Block {
        assert!(component < self.components && row < self.rows && self.feature < self.features);
        let place = (row * self.components + component) * self.features + self.feature;
        // SAFETY: a limb has `rows * components * features` blocks and the place is one of them.
        unsafe { self.limbs[limb].0.add(place) }
    }

    /// Copies a polynomial to contiguous memory.
    pub fn gather(&self, limb: usize, component: usize, out: &mut [u64]) {
        for (row, chunk) in out.chunks_exact_mut(BLOCK).enumerate() {
            // SAFETY: the block is in bounds, and this feature's blocks are this value's alone.
            let block = unsafe { &*self.block(limb, component, row) };
            chunk.copy_from_slice(&block.0);
        }
    }

    /// Copies a contiguous polynomial to its blocks.
    pub fn scatter(&mut self, limb: usize, component: usize, from: &[u64]) {
        for (row, chunk) in from.chunks_exact(BLOCK).enumerate() {
            // SAFETY: as in `gather`, and `self` is borrowed mutably.
            let block = unsafe { &mut *self.block(limb, component, row) };
            block.0.copy_from_slice(chunk);
        }
    }

    /// Changes every block of a polynomial, given the part of a contiguous one that lies beside it.
    pub fn update(
        &mut self,
        limb: usize,
        component: usize,
        beside: &[u64],
        mut change: impl FnMut(&mut Block, &[u64]),
    ) {
        for (row, chunk) in beside.chunks_exact(BLOCK).enumerate() {
            // SAFETY: as in `scatter`.
            change(unsafe { &mut *self.block(limb, component, row) }, chunk);
        }
    }
}

impl Residues {
    /// Blocks of one limb.
    pub fn blocks(degree: usize, components: usize, features: usize) -> usize {
        degree / BLOCK * components * features
    }

    /// Residues of unspecified value: every one has to be written before the set is used.
    pub fn unwritten(
        arena: &Arc<Arena>,
        degree: usize,
        limbs: usize,
        components: usize,
        features: usize,
    ) -> Self {
        let blocks = Self::blocks(degree, components, features);
        let limbs = (0..limbs).map(|_| arena.take(blocks)).collect();
        Self::from_limbs(degree, components, features, limbs)
    }

    /// Residues that are written already.
    pub fn from_limbs(
        degree: usize,
        components: usize,
        features: usize,
        limbs: Vec<Buffer>,
    ) -> Self {
        let blocks = Self::blocks(degree, components, features);
        assert!(limbs.iter().all(|limb| limb.len() == blocks));
        Self {
            degree,
            components,
            features,
            limbs,
        }
    }

    /// The memory of every limb.
    pub fn into_limbs(self) -> Vec<Buffer> {
        self.limbs
    }

    pub fn components(&self) -> usize {
        self.components
    }

    pub fn features(&self) -> usize {
        self.features
    }

    pub fn level(&self) -> usize {
        self.limbs.len().saturating_sub(1)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.limbs.iter().map(|limb| size_of_val(&limb[..])).sum()
    }

    /// All blocks of a limb: `[N / BLOCK][component][feature]`.
    pub fn limb(&self, limb: usize) -> &[Block] {
        &self.limbs[limb]
    }

    /// All blocks of a limb, to be written.
    pub fn limb_mut(&mut self, limb: usize) -> &mut [Block] {
        &mut self.limbs[limb]
    }

    /// The blocks of a limb that share their coefficients: `[component][feature]`.
    pub fn row(&self, limb: usize, row: usize) -> &[Block] {
        &self.limbs[limb][row * self.row_len()..][..self.row_len()]
    }

    /// Blocks that share their coefficients: `[component][feature]`.
    pub fn row_len(&self) -> usize {
        self.components * self.features
    }

    /// Gives up the limbs above a level.
    pub fn truncate(&mut self, level: usize) {
        self.limbs.truncate(level + 1);
    }

    /// Copies the limbs up to a level.
    pub fn copy_to(&self, level: usize) -> Self {
        Self {
            limbs: self.limbs.iter().take(level + 1).cloned().collect(),
            ..*self
        }
    }

    /// The blocks of one polynomial, in order.
    pub fn polynomial(
        &self,
        limb: usize,
        component: usize,
        feature: usize,
    ) -> impl Iterator<Item = &Block> {
        let first = component * self.features + feature;
        self.limbs[limb].iter().skip(first).step_by(self.row_len())
    }

    /// Copies one polynomial to contiguous memory.
    pub fn gather(&self, limb: usize, component: usize, feature: usize, out: &mut [u64]) {
        let blocks = self.polynomial(limb, component, feature);
        for (chunk, block) in out.chunks_exact_mut(BLOCK).zip(blocks) {
            chunk.copy_from_slice(&block.0);
        }
    }

    /// Runs `work` on every feature, spread over the threads; `init` makes a thread's buffers.
    pub fn for_each_feature<W>(
        &mut self,
        init: impl Fn() -> W + Sync + Send,
        work: impl Fn(&mut W, FeatureMut<'_>) + Sync + Send,
    ) {
        self.for_each_batch(1, init, |state, batch| {
            for polynomials in batch {
                work(state, polynomials);
            }
        });
    }

    /// As [`Self::for_each_feature`], up to `count` neighbouring features at a time.
    pub fn for_each_batch<W>(
        &mut self,
        count: usize,
        init: impl Fn() -> W + Sync + Send,
        work: impl Fn(&mut W, Vec<FeatureMut<'_>>) + Sync + Send,
    ) {
        let limbs: Vec<SharedLimb> = self
            .limbs
            .iter_mut()
            .map(|limb| SharedLimb(limb.as_mut_ptr()))
            .collect();
        let (rows, components, features) = (self.degree / BLOCK, self.components, self.features);
        let limbs = &limbs;
        let polynomials = |feature: usize| FeatureMut {
            limbs,
            rows,
            components,
            features,
            feature,
        };
        (0..features.div_ceil(count))
            .into_par_iter()
            .for_each_init(init, |state, batch| {
                let batch = batch * count..features.min((batch + 1) * count);
                work(state, batch.map(polynomials).collect());
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_is_contiguous_and_polynomials_come_back_whole() {
        let (degree, limbs, components, features) = (256, 2, 2, 3);
        let mut residues =
            Residues::unwritten(&Arc::default(), degree, limbs, components, features);
        let polynomial = |limb: usize, component: usize, feature: usize| -> Vec<u64> {
            let tag = (limb * 100 + component * 10 + feature) as u64 * 1000;
            (0..degree as u64).map(|i| tag + i).collect()
        };
        residues.for_each_feature(
            || (),
            |(), mut polynomials| {
                for limb in 0..limbs {
                    for component in 0..components {
                        let values = polynomial(limb, component, polynomials.index());
                        polynomials.scatter(limb, component, &values);
                        let mut back = vec![0; degree];
                        polynomials.gather(limb, component, &mut back);
                        assert_eq!(back, values);
                    }
                }
            },
        );
        let mut out = vec![0; degree];
        for limb in 0..limbs {
            for component in 0..components {
                for feature in 0..features {
                    residues.gather(limb, component, feature, &mut out);
                    assert_eq!(out, polynomial(limb, component, feature));
                    // block 2, this component: features follow each other
                    let panel =
                        &residues.limb(limb)[2 * residues.row_len() + component * features..];
                    assert_eq!(
                        panel[feature].0[5],
                        polynomial(limb, component, feature)[2 * BLOCK + 5]
                    );
                }
            }
        }
        assert_eq!(residues.bytes(), limbs * components * features * degree * 8);
        let lower = residues.copy_to(0);
        assert_eq!((lower.level(), lower.limb(0)), (0, residues.limb(0)));
    }
}
