//! Estimates with their intervals: proportions, paired proportions, means over seeds and images, and spreads of repetitions. Intervals are
//! 95 % throughout; [`Accuracy::wilson`](crate::Accuracy::wilson) is that of one proportion.

use crate::{Accuracy, PredictionTable};

/// The middle value; the mean of the two middle ones of an even number.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted.get(middle - 1)? + upper) / 2.0)
}

/// Repeated measurements of one quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many.
    pub n: usize,
}

impl Spread {
    /// Of at least one measurement.
    pub fn of(values: &[f64]) -> Option<Self> {
        Some(Self {
            median: median(values)?,
            min: values.iter().copied().reduce(f64::min)?,
            max: values.iter().copied().reduce(f64::max)?,
            n: values.len(),
        })
    }
}

/// Two classifiers on the same images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paired {
    /// Images that both classified.
    pub n: u64,
    /// Images that only the first has right.
    pub only_first: u64,
    /// Images that only the second has right.
    pub only_second: u64,
    /// Images with different predictions, right or wrong.
    pub differ: u64,
}

impl Paired {
    /// The evaluations `first` and `second` of one table of predictions; see [`Self::new`].
    pub fn of(predictions: &PredictionTable, first: &str, second: &str) -> Option<Self> {
        let (first, second) = (
            predictions.predicted(first)?,
            predictions.predicted(second)?,
        );
        Self::new(&predictions.labels, first, second)
    }

    /// Two columns of predictions, over the images that both classified; none where there is none.
    pub fn new(labels: &[u16], first: &[Option<u16>], second: &[Option<u16>]) -> Option<Self> {
        let mut pair = Self {
            n: 0,
            only_first: 0,
            only_second: 0,
            differ: 0,
        };
        for ((label, first), second) in labels.iter().zip(first).zip(second) {
            if let (Some(first), Some(second)) = (first, second) {
                pair.n += 1;
                pair.differ += u64::from(first != second);
                pair.only_first += u64::from(first == label && second != label);
                pair.only_second += u64::from(first != label && second == label);
            }
        }
        (pair.n > 0).then_some(pair)
    }

    /// Accuracy of the second minus that of the first.
    pub fn difference(&self) -> f64 {
        (self.only_second as f64 - self.only_first as f64) / self.n as f64
    }

    /// The interval of the difference: Wald's with half an image added to each of the four cells (Bonett and Price 2012, J. Educ. Behav.
    /// Stat. 37).
    pub fn interval(&self) -> (f64, f64) {
        let n = self.n as f64 + 2.0;
        let (first, second) = (self.only_first as f64 + 1.0, self.only_second as f64 + 1.0);
        let centre = (second - first) / n;
        let variance = (first + second) / n - centre * centre;
        let half = NORMAL * (variance.max(0.0) / n).sqrt();
        ((centre - half).max(-1.0), (centre + half).min(1.0))
    }

    /// The exact two-sided p-value of McNemar's test: how often a fair coin parts the images that only one has right at least as unevenly.
    pub fn p_value(&self) -> f64 {
        let (least, all) = (
            self.only_first.min(self.only_second),
            self.only_first + self.only_second,
        );
        if least * 2 == all {
            return 1.0;
        }
        // P(X <= k) of a binomial(n, 1/2) is I_(1/2)(n - k, k + 1).
        (2.0 * incomplete_beta((all - least) as f64, least as f64 + 1.0, 0.5)).min(1.0)
    }
}

/// A mean with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Networks that differ in their seed alone.
    pub seeds: usize,
    /// Images that each of them classified.
    pub n: u64,
}

impl Estimate {
    /// Of one network alone: over its images, and nothing is known of other seeds.
    pub fn of_one(accuracy: Accuracy) -> Self {
        Self {
            value: accuracy.value,
            low: accuracy.low,
            high: accuracy.high,
            seeds: 1,
            n: accuracy.n,
        }
    }

    /// The difference of two classifiers by one network.
    pub fn of_pair(pair: Paired) -> Self {
        let (low, high) = pair.interval();
        Self {
            value: pair.difference(),
            low,
            high,
            seeds: 1,
            n: pair.n,
        }
    }

    /// The mean of one value for each seed and image, where all seeds classify the same images; at least two of each.
    ///
    /// Seeds and test images are both samples: the variance is that of the means of the images plus that of the means of the seeds (crossed
    /// random effects; what is left over counts in both, which errs to the wide side), the degrees of freedom are Satterthwaite's.
    pub fn crossed(seeds: &[Vec<f64>]) -> Option<Self> {
        let images = seeds.first()?.len();
        if seeds.len() < 2 || images < 2 || seeds.iter().any(|seed| seed.len() != images) {
            return None;
        }
        let by_seed: Vec<f64> = seeds.iter().map(|seed| mean(seed)).collect();
        let by_image: Vec<f64> = (0..images)
            .map(|image| seeds.iter().map(|seed| seed[image]).sum::<f64>() / seeds.len() as f64)
            .collect();
        let (of_seeds, of_images) = (squared_error(&by_seed), squared_error(&by_image));
        let variance = of_seeds + of_images;
        let freedom = variance.powi(2)
            / (of_seeds.powi(2) / (seeds.len() - 1) as f64
                + of_images.powi(2) / (images - 1) as f64);
        let half = match variance > 0.0 {
            true => student(freedom) * variance.sqrt(),
            false => 0.0,
        };
        let value = mean(&by_seed);
        Some(Self {
            value,
            low: value - half,
            high: value + half,
            seeds: seeds.len(),
            n: images as u64,
        })
    }

    /// Whether the interval holds no difference.
    pub fn holds_zero(&self) -> bool {
        self.low <= 0.0 && 0.0 <= self.high
    }
}

/// The exact interval of a proportion (Clopper and Pearson 1934, Biometrika 26).
pub fn clopper_pearson(count: u64, n: u64) -> (f64, f64) {
    let (count, rest) = (count as f64, n.saturating_sub(count) as f64);
    let low = match count > 0.0 {
        true => inverse(|x| incomplete_beta(count, rest + 1.0, x), 0.025),
        false => 0.0,
    };
    let high = match rest > 0.0 {
        true => inverse(|x| incomplete_beta(count + 1.0, rest, x), 0.975),
        false => 1.0,
    };
    (low, high)
}

/// The interval of the difference of two independent proportions, second minus first, from their Wilson intervals (Newcombe 1998,
/// Stat. Med. 17, method 10).
pub fn difference(first: &Accuracy, second: &Accuracy) -> (f64, f64) {
    let apart = second.value - first.value;
    let below = (second.value - second.low).hypot(first.high - first.value);
    let above = (second.high - second.value).hypot(first.value - first.low);
    (apart - below, apart + above)
}

/// The 97.5 % quantile of the normal distribution.
pub(crate) const NORMAL: f64 = 1.959_963_984_540_054;

/// The 97.5 % quantile of Student's t.
fn student(freedom: f64) -> f64 {
    if freedom > 1e6 {
        return NORMAL;
    }
    // P(|T| > t) is I_x(freedom / 2, 1/2) at x = freedom / (freedom + t^2).
    let x = inverse(|x| incomplete_beta(freedom / 2.0, 0.5, x), 0.05);
    (freedom * (1.0 - x) / x).sqrt()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The variance of a mean.
fn squared_error(values: &[f64]) -> f64 {
    let (mean, n) = (mean(values), values.len() as f64);
    values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / (n - 1.0)
        / n
}

/// Where a function that grows from 0 to 1 over [0, 1] has a value.
fn inverse(of: impl Fn(f64) -> f64, value: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if of(middle) < value {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function I_x(a, b) by its continued fraction (Abramowitz and Stegun 26.5.8), evaluated by Lentz's method.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast on this side of the mean.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    let (mut c, mut d) = (1.0, 1.0 / away(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..100_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for term in [even, odd] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            fraction *= c * d;
        }
        if (fraction - before).abs() <= 1e-15 * fraction.abs() {
            break;
        }
    }
    front * fraction / a
}

/// ln of the gamma function above 0 (Lanczos, g = 7, nine terms).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let t = x + 7.5;
    let sum = TERMS
        .iter()
        .enumerate()
        .skip(1)
        .fold(TERMS[0], |sum, (index, term)| {
            sum + term / (x + index as f64)
        });
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pair(only_first: u64, only_second: u64, n: u64) -> Paired {
        Paired {
            n,
            only_first,
            only_second,
            differ: only_first + only_second,
        }
    }

    #[test]
    fn the_middle_value() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            (spread.median, spread.min, spread.max, spread.n),
            (2.0, 1.0, 3.0, 3)
        );
    }

    /// Sums of binomial coefficients, exact in integers; 1 against 7 is the example of Fagerland, Lydersen and Laake 2013 (BMC Medical
    /// Research Methodology 13:91), who give 0.0703.
    #[test]
    fn mcnemar_against_sums_of_binomial_coefficients() {
        let exact = |first: u128, second: u128| {
            let (least, all) = (first.min(second), first + second);
            let mut term = 1_u128;
            let mut sum = 0_u128;
            for k in 0..=least {
                sum += term;
                term = term * (all - k) / (k + 1);
            }
            (2.0 * sum as f64 / 2_f64.powi(all as i32)).min(1.0)
        };
        for (first, second) in [
            (1, 7),
            (0, 1),
            (0, 6),
            (5, 5),
            (3, 4),
            (10, 28),
            (37, 60),
            (45, 22),
        ] {
            let p = pair(first, second, 10_000).p_value();
            let wanted = exact(u128::from(first), u128::from(second));
            assert!(
                (p - wanted).abs() < 1e-12,
                "{first}, {second}: {p} {wanted}"
            );
        }
        assert!((pair(1, 7, 21).p_value() - 0.0703).abs() < 5e-5);
        assert_eq!(pair(0, 0, 10).p_value(), 1.0);
    }

    #[test]
    fn the_interval_of_a_paired_difference_by_hand() {
        // (c - b) / (n + 2) = 10 / 1002; variance (12 + 2 + 2 - 100 / 1002 ...) in the same words.
        let (low, high) = pair(2, 12, 1_000).interval();
        let (n, d) = (1_002.0_f64, 10.0 / 1_002.0);
        let half = 1.959_964 * ((16.0 - n * d * d) / (n * n)).sqrt();
        assert!((low - (d - half)).abs() < 1e-9 && (high - (d + half)).abs() < 1e-9);
        assert!(
            pair(0, 0, 100).interval().0 < 0.0,
            "no difference seen is no proof of none"
        );
    }

    /// Newcombe 1998 (Statistics in Medicine 17:857, method 5) gives four digits.
    #[test]
    fn clopper_pearson_against_known_values() {
        for (count, n, low, high) in [
            (81, 263, 0.2527, 0.3676),
            (15, 148, 0.0578, 0.1617),
            (0, 20, 0.0, 0.1684),
            (1, 29, 0.0009, 0.1776),
        ] {
            let found = clopper_pearson(count, n);
            assert!((found.0 - low).abs() < 5.1e-5, "{count}/{n}: {found:?}");
            assert!((found.1 - high).abs() < 5.1e-5, "{count}/{n}: {found:?}");
        }
        // (1 - x)^n = 0.025 for none of n.
        assert!((clopper_pearson(100, 100).0 - 0.025_f64.powf(0.01)).abs() < 1e-12);
    }

    /// Newcombe 1998 (Statistics in Medicine 17:873, method 10): 56/70 against 48/80 is 0.0524 to 0.3339.
    #[test]
    fn the_difference_of_independent_proportions_against_a_known_value() {
        let (low, high) = difference(&Accuracy::wilson(48, 80), &Accuracy::wilson(56, 70));
        assert!(
            (low - 0.0524).abs() < 5e-5 && (high - 0.3339).abs() < 5e-5,
            "{low} {high}"
        );
    }

    /// Any table of Student's t.
    #[test]
    fn quantiles_of_students_t() {
        for (freedom, wanted) in [
            (1.0, 12.706),
            (2.0, 4.303),
            (3.0, 3.182),
            (10.0, 2.228),
            (20.0, 2.086),
            (120.0, 1.980),
        ] {
            assert!(
                (student(freedom) - wanted).abs() < 5e-4,
                "{freedom}: {}",
                student(freedom)
            );
        }
        assert!((student(1e5) - NORMAL).abs() < 1e-4);
    }

    #[test]
    fn without_one_of_the_two_the_crossed_interval_is_students() {
        // Seeds alone: deviations -1, 0, 1, standard error 1 / sqrt(3), t(2) = 4.303.
        let seeds = Estimate::crossed(&[vec![1.0; 9], vec![2.0; 9], vec![3.0; 9]]).unwrap();
        assert!(
            (seeds.high - 2.0 - 4.3027 / 3_f64.sqrt()).abs() < 1e-3,
            "{seeds:?}"
        );
        // Images alone: the same three values for both seeds.
        let images = Estimate::crossed(&[vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 3.0]]).unwrap();
        assert!(
            (images.high - 2.0 - 4.3027 / 3_f64.sqrt()).abs() < 1e-3,
            "{images:?}"
        );
        assert_eq!(Estimate::crossed(&[vec![1.0, 2.0]]), None);
        assert_eq!(Estimate::crossed(&[vec![1.0, 2.0], vec![1.0]]), None);
    }

    /// Drawn with both effects, the interval holds the true mean in about 95 of 100 draws, where one over the seeds alone would not.
    #[test]
    fn the_crossed_interval_covers() {
        let mut state = 1_u64;
        let mut normal = || {
            let mut uniform = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64
            };
            (0..12).map(|_| uniform()).sum::<f64>() - 6.0
        };
        let covered = (0..1_000)
            .filter(|_| {
                let images: Vec<f64> = (0..60).map(|_| normal()).collect();
                let seeds: Vec<Vec<f64>> = (0..3)
                    .map(|_| {
                        let seed = 0.1 * normal();
                        images
                            .iter()
                            .map(|image| image + seed + 0.3 * normal())
                            .collect()
                    })
                    .collect();
                let estimate = Estimate::crossed(&seeds).unwrap();
                estimate.holds_zero()
            })
            .count();
        assert!((930..=985).contains(&covered), "{covered} of 1000");
    }
}
