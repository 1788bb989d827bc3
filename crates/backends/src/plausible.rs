//! What a client knows of the logits before it sees them, and what speaks against those that it decrypted.
//!
//! A value past half the modulus wraps, and since a ciphertext holds polynomials whose coefficients are made of all slots, that moves every
//! slot of its batch. The slots that hold no image hold zeros, of which the logits are known: where they are not what they should be, the
//! whole batch is spoilt.

use serde::{Deserialize, Serialize};

/// What plan and training promise of a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// Largest |logit| of an image like those of the training, margin and noise included.
    pub logit_bound: f64,
    /// Logits of a slot of zeros.
    pub idle: Vec<f64>,
    /// How far noise moves a logit of such a slot at most: in about a million batches it moves one further once.
    pub idle_error_bound: f64,
}

/// What speaks against decrypted logits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Largest distance of an idle slot's logit to what it should be, in units of what noise explains; above one the batch is spoilt. None
    /// where every slot holds an image.
    pub idle_error: Option<f64>,
    /// Images with a logit that no image like those of the training has.
    pub implausible: Vec<usize>,
}

impl Promise {
    /// What speaks against a promise read from a file.
    pub(crate) fn check(&self, classes: usize) -> Result<(), String> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !positive(self.logit_bound) || !positive(self.idle_error_bound) {
            return Err("the bounds of the logits must be positive numbers".into());
        }
        if self.idle.len() != classes || !self.idle.iter().all(|logit| logit.is_finite()) {
            return Err(format!("{classes} logits of an idle slot are needed"));
        }
        Ok(())
    }

    /// Judges the logits of images, row by row, and those of idle slots.
    pub(crate) fn judge<'a>(
        &self,
        images: &[f32],
        idle: impl Iterator<Item = &'a [f64]>,
    ) -> Verdict {
        // Written so that no NaN passes.
        let within = |logit: &f32| f64::from(logit.abs()) <= self.logit_bound;
        let rows = images.chunks(self.idle.len().max(1)).enumerate();
        let implausible = rows
            .filter(|(_, row)| !row.iter().all(within))
            .map(|(image, _)| image);
        let errors = idle.flat_map(|row| {
            let pairs = row.iter().zip(&self.idle);
            pairs.map(|(found, wanted)| (found - wanted).abs() / self.idle_error_bound)
        });
        Verdict {
            implausible: implausible.collect(),
            idle_error: errors.reduce(|a, b| if a >= b || a.is_nan() { a } else { b }),
        }
    }
}

impl Verdict {
    /// Whether no image of the batch can be trusted.
    pub fn is_spoilt(&self) -> bool {
        self.idle_error
            .is_some_and(|error| error.is_nan() || error > 1.0)
    }

    /// Whether nothing speaks against any image.
    pub fn is_good(&self) -> bool {
        !self.is_spoilt() && self.implausible.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise() -> Promise {
        Promise {
            logit_bound: 10.0,
            idle: vec![1.0, -2.0],
            idle_error_bound: 0.01,
        }
    }

    #[test]
    fn images_and_idle_slots_are_judged_apart() {
        let idle = [[1.005, -2.0], [1.0, -1.995]];
        let rows = || idle.iter().map(|row| &row[..]);
        let good = promise().judge(&[9.0, -10.0, 3.0, 4.0], rows());
        assert!(good.is_good());
        let strange = promise().judge(&[9.0, -10.1, 3.0, f32::NAN, 0.0, 0.0], rows());
        assert_eq!(strange.implausible, [0, 1]);
        assert!(!strange.is_spoilt() && !strange.is_good());
        let spoilt = [[1.0, -2.0], [1.02, -2.0]];
        let verdict = promise().judge(&[1.0, 1.0], spoilt.iter().map(|row| &row[..]));
        assert!(verdict.is_spoilt());
        let undefined = [[f64::NAN, -2.0], [1.0, -2.0]];
        assert!(
            promise()
                .judge(&[], undefined.iter().map(|row| &row[..]))
                .is_spoilt()
        );
        assert!(promise().judge(&[1.0, 1.0], std::iter::empty()).is_good());
    }
}
