//! What the first SIGINT or SIGTERM waits for, and the exit code that it leads to.
//!
//! Most work is worth nothing half done and has nothing to tidy up: a signal ends it at once. Work that looks at a stop flag (training,
//! the encrypted evaluation) says so with [`finishing`], and is left the time to come to its next checkpoint or layer.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Stopped, and the same command goes on from what was saved.
pub const SAVED: u8 = 75;
/// Stopped with nothing saved.
pub const NOTHING_SAVED: u8 = 130;

#[derive(Default)]
struct State {
    /// What is being done that must come to an end of its own, the latest last.
    finishing: Vec<(u64, String)>,
    /// Number of the next entry.
    next: u64,
    saved: bool,
}

static STATE: Mutex<State> = Mutex::new(State {
    finishing: Vec::new(),
    next: 0,
    saved: false,
});

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work that looks at the stop flag, for as long as this lives.
#[derive(Debug)]
#[must_use = "a signal ends the program at once where nothing is being finished"]
pub struct Finishing(u64);

/// Says that a signal must wait for what follows, which looks at the stop flag. `what` completes "stopping: finishing ...".
pub fn finishing(what: impl Into<String>) -> Finishing {
    let mut state = state();
    let number = state.next;
    state.next += 1;
    state.finishing.push((number, what.into()));
    Finishing(number)
}

impl Drop for Finishing {
    fn drop(&mut self) {
        state().finishing.retain(|(number, _)| *number != self.0);
    }
}

/// Says that something was saved that the same command goes on from.
pub fn saved() {
    state().saved = true;
}

/// The exit code of a command that a signal ended.
pub fn exit_code() -> u8 {
    match state().saved {
        true => SAVED,
        false => NOTHING_SAVED,
    }
}

/// What a signal has to wait for, if anything.
pub fn awaited() -> Option<String> {
    state().finishing.last().map(|(_, what)| what.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_waits_for_what_was_begun_last_and_for_nothing_once_all_is_done() {
        let outer = finishing("the step");
        let inner = finishing("the layer");
        assert_eq!(awaited().as_deref(), Some("the layer"));
        drop(outer);
        assert_eq!(awaited().as_deref(), Some("the layer"));
        drop(inner);
        assert_eq!(awaited(), None);
        assert_eq!(exit_code(), NOTHING_SAVED);
        saved();
        assert_eq!(exit_code(), SAVED);
    }
}
