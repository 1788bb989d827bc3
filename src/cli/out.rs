//! Standard output and standard error, whoever reads them: a reader that went away is no reason to end a command, and none to panic.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::exit::Failure;
use crate::spec::printable;

/// The first thing that went wrong with standard output.
static TROUBLE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes to standard output. What goes wrong is told at the end, by [`finish`]; nothing is written any more then.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
    let mut trouble = TROUBLE.lock().unwrap_or_else(PoisonError::into_inner);
    if trouble.is_none() {
        let mut out = io::stdout().lock();
        *trouble = write(&mut out).and_then(|()| out.flush()).err();
    }
}

/// Writes a line to standard output.
pub fn line(text: impl fmt::Display) {
    print(|out| writeln!(out, "{text}"));
}

/// Writes a line to standard error. There is nobody to tell where that is closed or full.
pub fn error_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The same for a text with names and values from outside: none of its characters moves the cursor or changes colours.
pub fn error_text(text: &str) {
    error_line(&printable(text));
}

/// What went wrong with standard output, unless its reader just went away (`cryptodl ... | head`).
pub fn finish() -> Result<(), Failure> {
    let trouble = TROUBLE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    match trouble {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::io("write to standard output", error))
        }
        _ => Ok(()),
    }
}
