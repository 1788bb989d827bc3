//! Integer linear maps on ciphertexts.

use rayon::prelude::*;

use super::{Evaluator, check_scale};
use crate::error::{Error, Result};
use crate::linear::{LinearMap, PreparedMap, Scratch};
use crate::residues::Residues;
use crate::set::CiphertextSet;

impl Evaluator {
    /// A map that is applied many times: its weights are brought in order once.
    pub fn prepare(&self, map: &LinearMap) -> PreparedMap {
        PreparedMap::new(map, self.isa)
    }

    /// Every block of every component and prime is a small matrix product of its own.
    pub(super) fn linear_set(
        &self,
        v: &CiphertextSet,
        map: &LinearMap,
        weight_scale: f64,
    ) -> Result<CiphertextSet> {
        let operation = "linear map";
        self.check_parameters(v, operation)?;
        if map.inputs() != v.features() {
            return Err(Error::Features {
                operation,
                expected: map.inputs(),
                found: v.features(),
            });
        }
        let scale = check_scale(operation, v.scale * weight_scale)?;
        let prepared = self.prepare(map);
        let (limbs, components) = (v.level() + 1, v.components());
        let degree = self.parameters.ring_degree();
        let mut residues = Residues::unwritten(
            self.parameters.arena(),
            degree,
            limbs,
            components,
            map.outputs(),
        );
        for limb in 0..limbs {
            let kernel = prepared.modulo(self.parameters.modulus(limb));
            let out = residues.limb_mut(limb).par_chunks_exact_mut(map.outputs());
            let panels = v.residues.limb(limb).par_chunks_exact(map.inputs());
            out.zip(panels)
                .for_each_init(Scratch::default, |scratch, (out, panel)| {
                    kernel.apply(scratch, panel, out);
                });
        }
        Ok(CiphertextSet {
            parameters: self.parameters.clone(),
            scale,
            residues,
        })
    }
}
