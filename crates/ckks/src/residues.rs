//! How residues lie in memory.
//!
//! One limb (the residues modulo one prime) of a set is `[N / BLOCK][component][feature][BLOCK]`,
//! in the evaluation domain. A linear map mixes features and leaves coefficients and components
//! apart, so it reads one contiguous panel of `features x BLOCK` residues at a time and is a small
//! matrix product on it; sums, products and constants are pointwise on blocks. Only transforms want
//! a whole polynomial, which is gathered from and scattered to its blocks.

use rayon::prelude::*;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Residues {
    degree: usize,
    components: usize,
    features: usize,
    limbs: Vec<Vec<Block>>,
}

/// One polynomial of a set, block by block, to be written.
pub(crate) struct PolynomialMut<'a>(Vec<&'a mut Block>);

impl PolynomialMut<'_> {
    /// Copies the polynomial to contiguous memory.
    pub fn gather(&self, out: &mut [u64]) {
        for (chunk, block) in out.chunks_exact_mut(BLOCK).zip(&self.0) {
            chunk.copy_from_slice(&block.0);
        }
    }

    /// Copies a contiguous polynomial to its blocks.
    pub fn scatter(&mut self, from: &[u64]) {
        for (chunk, block) in from.chunks_exact(BLOCK).zip(&mut self.0) {
            block.0.copy_from_slice(chunk);
        }
    }

    /// Changes every block, given the part of a contiguous polynomial that lies beside it.
    pub fn update(&mut self, beside: &[u64], mut change: impl FnMut(&mut Block, &[u64])) {
        for (chunk, block) in beside.chunks_exact(BLOCK).zip(&mut self.0) {
            change(block, chunk);
        }
    }

    /// The blocks in order.
    pub fn blocks(&mut self) -> impl Iterator<Item = &mut Block> {
        self.0.iter_mut().map(|block| &mut **block)
    }
}

impl Residues {
    /// Blocks of one limb.
    pub fn blocks(degree: usize, components: usize, features: usize) -> usize {
        degree / BLOCK * components * features
    }

    /// Zeros, first touched by the threads that will use them.
    pub fn zeroed(degree: usize, limbs: usize, components: usize, features: usize) -> Self {
        let blocks = Self::blocks(degree, components, features);
        let limb = |_| rayon::iter::repeat_n(Block::ZERO, blocks).collect();
        Self {
            degree,
            components,
            features,
            limbs: (0..limbs).map(limb).collect(),
        }
    }

    /// Residues read from elsewhere; the number of blocks of every limb is the caller's to get
    /// right.
    pub fn from_limbs(
        degree: usize,
        components: usize,
        features: usize,
        limbs: Vec<Vec<Block>>,
    ) -> Self {
        let blocks = Self::blocks(degree, components, features);
        debug_assert!(limbs.iter().all(|limb| limb.len() == blocks));
        Self {
            degree,
            components,
            features,
            limbs,
        }
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
        let limbs = self.limbs.iter().take(level + 1);
        Self {
            limbs: limbs
                .map(|limb| limb.par_iter().with_min_len(64).copied().collect())
                .collect(),
            ..*self
        }
    }

    /// Copies one polynomial to contiguous memory.
    pub fn gather(&self, limb: usize, component: usize, feature: usize, out: &mut [u64]) {
        let first = component * self.features + feature;
        let blocks = self.limbs[limb].iter().skip(first).step_by(self.row_len());
        for (chunk, block) in out.chunks_exact_mut(BLOCK).zip(blocks) {
            chunk.copy_from_slice(&block.0);
        }
    }

    /// Every polynomial for writing, `[feature][limb][component]`, so that threads can take
    /// features.
    pub fn by_feature(&mut self) -> Vec<Vec<Vec<PolynomialMut<'_>>>> {
        let (blocks, components) = (self.degree / BLOCK, self.components);
        let mut features: Vec<Vec<Vec<PolynomialMut<'_>>>> = (0..self.features)
            .map(|_| Vec::with_capacity(self.limbs.len()))
            .collect();
        for limb in &mut self.limbs {
            for polynomials in &mut features {
                let empty = |_| PolynomialMut(Vec::with_capacity(blocks));
                polynomials.push((0..components).map(empty).collect());
            }
            for row in limb.chunks_exact_mut(components * self.features) {
                for (component, row) in row.chunks_exact_mut(self.features).enumerate() {
                    for (block, polynomials) in row.iter_mut().zip(&mut features) {
                        if let Some(limb) = polynomials.last_mut() {
                            limb[component].0.push(block);
                        }
                    }
                }
            }
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_is_contiguous_and_polynomials_come_back_whole() {
        let (degree, limbs, components, features) = (256, 2, 2, 3);
        let mut residues = Residues::zeroed(degree, limbs, components, features);
        let polynomial = |limb: usize, component: usize, feature: usize| -> Vec<u64> {
            let tag = (limb * 100 + component * 10 + feature) as u64 * 1000;
            (0..degree as u64).map(|i| tag + i).collect()
        };
        for (feature, mut limbs) in residues.by_feature().into_iter().enumerate() {
            for (limb, components) in limbs.iter_mut().enumerate() {
                for (component, target) in components.iter_mut().enumerate() {
                    target.scatter(&polynomial(limb, component, feature));
                }
            }
        }
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
