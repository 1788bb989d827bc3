//! Progress of long work: a bar with rate and time left on a terminal, nothing elsewhere.

use indicatif::ProgressStyle;
use tracing::Span;
use tracing_indicatif::span_ext::IndicatifSpanExt;

/// One running bar. It ends when it is dropped.
#[derive(Debug)]
pub struct Progress {
    span: Span,
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
        Self { span }
    }

    /// Moves on by `steps`.
    pub fn advance(&self, steps: u64) {
        self.span.pb_inc(steps);
    }

    /// Changes the text in front of the bar.
    pub fn message(&self, text: &str) {
        self.span.pb_set_message(text);
    }
}
