//! Logs: on standard error for people, beside the progress bars; as JSON lines in the run's folder.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_indicatif::IndicatifLayer;
use tracing_indicatif::filter::IndicatifFilter;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Where the JSON lines go: nowhere until a run attaches its file.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Option<File>>>);

impl Log {
    /// Sends the JSON lines to a new file from now on.
    pub fn attach(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    /// Ends the file.
    pub fn detach(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            Some(file) => file.write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Sets up the subscriber. `RUST_LOG` wins over `-v` and `-q`; `NO_COLOR` turns colours off; bars appear on a terminal alone.
pub fn start(verbose: u8, quiet: bool) -> Log {
    let default = match (quiet, verbose) {
        (true, _) => "warn",
        (false, 0) => "warn,cryptodl=info",
        (false, 1) => "info,cryptodl=debug",
        (false, _) => "trace",
    };
    let terminal = io::stderr().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = Log::default();

    let bars = IndicatifLayer::new();
    let people = fmt::layer()
        .with_ansi(colours)
        .with_target(verbose > 0)
        .with_timer(fmt::time::uptime())
        // Of a closed standard error it would tell standard error, and panic.
        .log_internal_errors(false)
        .with_writer(bars.get_stderr_writer())
        .with_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default)));
    let machine = fmt::layer()
        .json()
        .with_writer(log.clone())
        .with_filter(EnvFilter::new("warn,cryptodl=info"));
    let bars = (terminal && !quiet).then(|| {
        bars.with_filter(IndicatifFilter::new(false))
            .with_filter(LevelFilter::INFO)
    });
    tracing_subscriber::registry()
        .with(people)
        .with(machine)
        .with(bars)
        .init();
    log
}
