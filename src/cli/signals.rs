//! The first SIGINT or SIGTERM is answered by a line that says what is being finished, or ends the program where there is nothing to
//! finish; a second one ends it at once (exit code 130).

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use super::out;
use cryptodl_runtime::{files, interrupt};

/// Set once a stop was asked for.
pub type Stop = Arc<AtomicBool>;

/// Starts to listen.
pub fn listen() -> io::Result<Stop> {
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM] {
        // Order matters: the shutdown looks at the flag before this signal sets it. Both work where the thread below cannot: while it
        // waits for a reader of standard error that does not read.
        flag::register_conditional_shutdown(
            signal,
            interrupt::NOTHING_SAVED.into(),
            Arc::clone(&stop),
        )?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(|_| answer()))?;
    Ok(stop)
}

fn answer() {
    match interrupt::awaited() {
        Some(what) => out::error_line(&format!(
            "stopping: finishing {what}; a second signal ends the program at once"
        )),
        None => {
            let code = interrupt::exit_code();
            files::abandon();
            out::error_line(if code == interrupt::SAVED {
                "stopped: what was finished is saved, and the same command goes on from there"
            } else {
                "stopped: nothing was saved"
            });
            low_level::exit(code.into());
        }
    }
}
