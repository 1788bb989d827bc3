//! Progress of long work: a bar with rate and time left on a terminal, a line a minute elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::ProgressStyle;
use tracing::Span;
use tracing_indicatif::span_ext::IndicatifSpanExt;

/// One running bar. It ends when it is dropped.
#[derive(Debug)]
pub struct Progress {
    span: Span,
    /// Where there is no bar.
    lines: Option<Lines>,
}

/// Seconds between two lines.
const EVERY: u64 = 60;

/// What lines tell.
#[derive(Debug)]
struct Lines {
    what: String,
    unit: String,
    total: u64,
    done: AtomicU64,
    start: Instant,
    /// Seconds after the start at which the next line is due.
    due: AtomicU64,
}

impl Lines {
    fn advance(&self, steps: u64) {
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        let seconds = self.start.elapsed().as_secs();
        let due = self.due.load(Ordering::Relaxed);
        let next = seconds + EVERY;
        let mine = seconds >= due
            && self
                .due
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            let left_s = seconds_left(seconds, done, self.total);
            let of = self.total;
            tracing::info!(done, of, unit = self.unit, left_s, "{}", self.what);
        }
    }
}

/// What the rest takes if it goes on as before.
fn seconds_left(seconds: u64, done: u64, total: u64) -> u64 {
    let rest = u128::from(total.saturating_sub(done)) * u128::from(seconds);
    u64::try_from(rest / u128::from(done.max(1))).unwrap_or(u64::MAX)
}

impl Progress {
    /// Starts a bar of `total` steps, each called `unit` (`images`, `ciphertexts`, ...).
    pub fn start(what: &str, total: u64, unit: &str) -> Self {
        let span = tracing::info_span!("progress", what, indicatif.pb_show = tracing::field::Empty);
        let template =
            format!("{{msg:24}} {{bar:32}} {{pos}}/{{len}} {unit} {{per_sec}} {{eta}} left");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            span.pb_set_style(&style);
        }
        span.pb_set_message(what);
        span.pb_set_length(total);
        span.pb_start();
        let lines = (!std::io::stderr().is_terminal()).then(|| Lines {
            what: what.to_owned(),
            unit: unit.to_owned(),
            total,
            done: AtomicU64::new(0),
            start: Instant::now(),
            due: AtomicU64::new(EVERY),
        });
        Self { span, lines }
    }

    /// Moves on by `steps`.
    pub fn advance(&self, steps: u64) {
        self.span.pb_inc(steps);
        if let Some(lines) = &self.lines {
            lines.advance(steps);
        }
    }

    /// Changes the text in front of the bar.
    pub fn message(&self, text: &str) {
        self.span.pb_set_message(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        assert_eq!(seconds_left(60, 25, 100), 180);
        assert_eq!(seconds_left(60, 100, 100), 0);
        assert_eq!(seconds_left(60, 0, 2), 120);
        assert_eq!(seconds_left(u64::MAX, 1, u64::MAX), u64::MAX);
    }
}
