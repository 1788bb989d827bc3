//! The time that this thread had a core, where the system tells it: other programs disturb it less than the time that passes.

use std::time::Instant;

/// A moment in this thread's time.
pub struct Clock {
    wall: Instant,
    running: Option<f64>,
}

impl Clock {
    pub fn now() -> Self {
        Self {
            wall: Instant::now(),
            running: Self::running(),
        }
    }

    fn running() -> Option<f64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some(nanoseconds / 1e9)
    }

    /// Seconds since then.
    pub fn seconds(&self) -> f64 {
        match (self.running, Self::running()) {
            (Some(before), Some(after)) => after - before,
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }
}
