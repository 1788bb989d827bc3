//! The moving average of the weights (Polyak averaging), which is what is validated and kept.

/// Moves `average` towards `weights` after step `step` (from 1): `d a + (1 - d) w` with `d = min(decay, (1 + step) / (10 + step))`,
/// so that the random first weights are forgotten at once and not over `1 / (1 - decay)` steps. A decay of 0 copies.
pub(super) fn follow(average: &mut [f32], weights: &[f32], decay: f64, step: u64) {
    let early = (1.0 + step as f64) / (10.0 + step as f64);
    let keep = decay.min(early) as f32;
    for (average, weight) in average.iter_mut().zip(weights) {
        *average += (1.0 - keep) * (weight - *average);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_with_the_stated_share() {
        let mut average = [1.0, -2.0];
        follow(&mut average, &[3.0, -2.0], 0.0, 1000);
        assert_eq!(average, [3.0, -2.0]);
        follow(&mut average, &[5.0, 2.0], 0.75, 1000);
        assert_eq!(average, [3.5, -1.0]);
        // Step 2: 3/12 of the old value, whatever the decay.
        let mut average = [0.0];
        follow(&mut average, &[4.0], 0.999, 2);
        assert_eq!(average, [3.0]);
    }

    #[test]
    fn of_constant_weights_it_is_constant() {
        let mut average = [0.1_f32; 3];
        for step in 1..100 {
            follow(&mut average, &[0.1; 3], 0.99, step);
        }
        assert_eq!(average, [0.1; 3]);
    }
}
