//! What helps to write specs and commands: `init`, `schema`, `completions`, `man`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use super::exit::Failure;
use super::out;
use crate::spec::{self, DatasetName};
use cryptodl_runtime::files;

/// Arguments of `cryptodl init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// Where the spec is written; what it is called without .toml is the name of the experiment [default: standard output]
    file: Option<PathBuf>,
    /// The data set
    #[arg(long, value_name = "NAME", value_parser = super::data::parse_name, default_value = "mnist", conflicts_with = "path")]
    dataset: DatasetName,
    /// Images of your own: a folder or file (see `cryptodl data show --help`)
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

/// Arguments of `cryptodl completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Arguments of `cryptodl man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Where the pages are written, one a command
    folder: PathBuf,
}

/// Writes a commented spec.
pub fn init(arguments: &InitArguments) -> Result<(), Failure> {
    let source = match &arguments.path {
        Some(path) => format!("path = {}", quoted(path)),
        None => format!("name = \"{}\"", arguments.dataset.as_str()),
    };
    let Some(file) = &arguments.file else {
        let text = spec::starting_spec("my_experiment", &source);
        out::print(|out| out.write_all(text.as_bytes()));
        return Ok(());
    };
    if file.exists() {
        return Err(Failure::Usage(format!(
            "{} is there already\nhint: name another file, or remove it",
            file.display()
        )));
    }
    let text = spec::starting_spec(&name_of(file), &source);
    files::write_whole(file, text.as_bytes())
        .map_err(|error| Failure::io(format!("write {}", file.display()), error))?;
    out::line(format_args!(
        "wrote {0}; `cryptodl check {0}` checks it, `cryptodl run {0}` runs it",
        file.display()
    ));
    Ok(())
}

/// A text as TOML: JSON escapes what TOML does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The name of an experiment from that of its file.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let letters = stem.chars().take(64);
    let name: String = letters
        .map(|letter| if legal(letter) { letter } else { '_' })
        .collect();
    match name.is_empty() {
        true => "my_experiment".to_owned(),
        false => name,
    }
}

/// Prints the JSON Schema of specs and studies.
pub fn schema() {
    out::line(format_args!("{:#}", spec::schema()));
}

/// Prints what a shell needs to complete this program's command lines.
pub fn completions(arguments: &CompletionsArguments, mut command: Command) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "cryptodl", &mut script);
    out::print(|out| out.write_all(&script));
}

/// Writes a manual page for every command.
pub fn man(arguments: &ManArguments, command: Command) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let failed =
        |error: io::Error| Failure::io(format!("write pages to {}", folder.display()), error);
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command, folder).map_err(failed)?;
    out::line(format_args!("wrote manual pages to {}", folder.display()));
    Ok(())
}
