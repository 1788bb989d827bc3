//! What the machine could do at most: the limit that benchmarks compare with.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ckks::LinearMap;

/// Lanes of a multiply-add of doubles that a multiply-accumulate takes: one or two digits of the
/// residue, or its bytes over 8 where the integer kernel takes weights of eight bits (an
/// instruction of 64 products in the place of one of 8).
pub fn lanes(bits: u32, map: &LinearMap) -> f64 {
    let groups = || map.groups().iter();
    let small = groups().all(|g| g.weights().iter().all(|&w| i8::try_from(w).is_ok()));
    let channels = groups().all(|g| g.positions() == 1 || g.taps() > 25);
    #[cfg(target_arch = "x86_64")]
    let integers = std::arch::is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    let integers = false;
    if small && channels && integers {
        return f64::from(bits.div_ceil(8)) / 8.0;
    }
    let log_sum = (map.max_abs_row_sum() as f64).log2();
    if f64::from(bits - 1) + log_sum < 51.0 {
        1.0
    } else {
        2.0
    }
}

/// The shortest of some runs.
pub fn shortest(mut run: impl FnMut()) -> Duration {
    let once = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    std::iter::repeat_with(once)
        .take(10)
        .min()
        .unwrap_or_default()
}

/// Multiply-adds of one double a second that this core starts at most.
pub fn port_limit() -> f64 {
    const STEPS: usize = 1 << 20;
    /// Sums in registers, enough to hide the latency.
    const SUMS: usize = 128;
    #[inline(always)]
    fn steps(x: f64, fused: bool) -> f64 {
        let mut sums = [0.5f64; SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = if fused {
                    sum.mul_add(x, 0.25)
                } else {
                    *sum * x + 0.25
                };
            }
        }
        sums.iter().sum()
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(x: f64) -> f64 {
        steps(x, true)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(x: f64) -> f64 {
        steps(x, true)
    }
    let time = shortest(|| {
        let x = black_box(0.5);
        #[cfg(target_arch = "x86_64")]
        let sum = if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: detected.
            unsafe { avx512(x) }
        } else if std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("fma")
        {
            // SAFETY: detected.
            unsafe { avx2(x) }
        } else {
            steps(x, false)
        };
        #[cfg(not(target_arch = "x86_64"))]
        let sum = steps(x, false);
        black_box(sum);
    });
    (STEPS * SUMS) as f64 / time.as_secs_f64()
}
