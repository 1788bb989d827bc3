//! The learning rate: a linear rise, then a fall to zero, as a cosine (Loshchilov and Hutter 2017) or along a line.

use cryptodl_spec as spec;

/// The learning rate of every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Schedule {
    peak: f64,
    shape: spec::Schedule,
    warmup: usize,
    steps: usize,
}

impl Schedule {
    /// `peak` is reached after the share `warmup` of all `steps`.
    pub fn new(peak: f64, shape: spec::Schedule, warmup: f64, steps: usize) -> Self {
        Self {
            peak,
            shape,
            warmup: (warmup * steps as f64).ceil() as usize,
            steps,
        }
    }

    /// The learning rate of step `step`, from 0.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let rest = (self.steps - self.warmup.min(self.steps)).max(1);
        let progress = ((step - self.warmup) as f64 / rest as f64).min(1.0);
        match self.shape {
            spec::Schedule::Cosine => {
                self.peak * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            spec::Schedule::Linear => self.peak * (1.0 - progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::Schedule::{Cosine, Linear};

    #[test]
    fn rises_linearly_and_falls_as_a_cosine() {
        let schedule = Schedule::new(0.4, Cosine, 0.1, 100);
        let close = |step, value: f64| {
            assert!(
                (schedule.rate(step) - value).abs() < 1e-12,
                "{step}: {}",
                schedule.rate(step)
            )
        };
        close(0, 0.04);
        close(4, 0.2);
        close(9, 0.4);
        close(10, 0.4);
        close(55, 0.2);
        close(100, 0.0);
        close(1000, 0.0);
        assert!(schedule.rate(99) > 0.0);
        assert!((10..99).all(|step| schedule.rate(step + 1) < schedule.rate(step)));
    }

    #[test]
    fn falls_along_a_line() {
        let schedule = Schedule::new(0.4, Linear, 0.2, 100);
        assert_eq!(schedule.rate(19), 0.4);
        assert_eq!(schedule.rate(20), 0.4);
        assert!((schedule.rate(60) - 0.2).abs() < 1e-12);
        assert_eq!(schedule.rate(100), 0.0);
    }

    #[test]
    fn without_warmup_it_starts_at_the_peak_and_a_warmup_of_everything_ends_there() {
        assert_eq!(Schedule::new(0.3, Cosine, 0.0, 10).rate(0), 0.3);
        assert_eq!(Schedule::new(0.3, Cosine, 1.0, 10).rate(9), 0.3);
        assert_eq!(Schedule::new(0.3, Cosine, 1.0, 1).rate(5), 0.0);
    }
}
