//! Products of slots with diagonals of a matrix, summed over rotations.

/// `sum_g rotate(sum_b rotate(x, b) weights[g][b], giant g)`.
///
/// Rotations by 0 to `babies - 1` places are taken of the input, which shares its digits among them; those of the giant step are taken of
/// the accumulator by Horner's rule, so that they share one key.
#[derive(Clone, Debug)]
pub(super) struct Diagonals {
    pub babies: usize,
    /// Places that the accumulator is rotated by.
    pub giant: usize,
    /// `[giant][baby][slot]`.
    pub weights: Vec<Vec<Vec<f64>>>,
}

impl Diagonals {
    /// `sum_d rotate(x, step d) diagonal(d)`, by Horner's rule alone.
    pub fn horner(slots: usize, step: usize, diagonals: Vec<Vec<f64>>) -> Self {
        let before = |(count, diagonal): (usize, Vec<f64>)| {
            vec![rotated_back(&diagonal, step * count % slots)]
        };
        Self {
            babies: 1,
            giant: step,
            weights: diagonals.into_iter().enumerate().map(before).collect(),
        }
    }

    /// `sum_d rotate(x, d) diagonal(d)` for a power of two of them, in baby and giant steps.
    pub fn baby_giant(diagonals: &[Vec<f64>]) -> Self {
        let babies = 1 << diagonals.len().ilog2().div_ceil(2);
        let group = |(count, group): (usize, &[Vec<f64>])| {
            let groups = group.iter();
            groups
                .map(|diagonal| rotated_back(diagonal, count * babies))
                .collect()
        };
        let groups = diagonals.chunks(babies).enumerate();
        Self {
            babies,
            giant: babies,
            weights: groups.map(group).collect(),
        }
    }

    /// Rotations of the input and of the accumulator.
    pub fn key_switches(&self) -> usize {
        self.babies - 1 + self.weights.len().saturating_sub(1)
    }
}

/// Slot values rotated to the left.
pub(super) fn rotated(values: &[f64], places: usize) -> Vec<f64> {
    let mut values = values.to_vec();
    let length = values.len().max(1);
    values.rotate_left(places % length);
    values
}

fn rotated_back(values: &[f64], places: usize) -> Vec<f64> {
    let length = values.len().max(1);
    rotated(values, length - places % length)
}
