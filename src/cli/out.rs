//! Standard output and standard error, whoever reads them: a reader that went away is no reason to end a command, and none to panic.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::exit::Failure;
use crate::spec::{escaped, printable};

/// The first thing that went wrong with standard output.
static TROUBLE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a text with names and values from outside to standard output: like [`error_text`], with lines of any length.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
    let mut text = Vec::new();
    // Memory takes everything.
    let _ = write(&mut text);
    print_raw(|out| out.write_all(escaped(&String::from_utf8_lossy(&text)).as_bytes()));
}

/// Writes to standard output what a program reads, or what is ours to the last character. What goes wrong is told at the end, by [`finish`];
/// nothing is written any more then.
pub fn print_raw(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
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
