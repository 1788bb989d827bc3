//! The `cryptodl` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    cryptodl::cli::main()
}
