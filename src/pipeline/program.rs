//! The program that runs, as it was built.

use crate::results::Program;

/// This program: its version, and what `build.rs` embedded when it was compiled.
pub(super) fn this_program() -> Program {
    let versions = option_env!("CRYPTODL_CRATES").unwrap_or_default();
    Program {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: option_env!("CRYPTODL_COMMIT").map(str::to_owned),
        git_dirty: option_env!("CRYPTODL_DIRTY").map(|dirty| dirty == "true"),
        rustc: option_env!("CRYPTODL_RUSTC").map(str::to_owned),
        crates: versions
            .split(';')
            .filter_map(|pair| pair.split_once(' '))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_embeds_compiler_and_versions() {
        let program = this_program();
        assert!(program.crates.contains_key("plotters"), "{program:?}");
        assert!(
            program
                .rustc
                .is_some_and(|rustc| rustc.starts_with("rustc "))
        );
    }
}
