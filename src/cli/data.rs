//! `cryptodl data`.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::exit::Failure;
use super::out;
use super::signals::Stop;
use crate::data::{self, DataDirs, fetch};
use crate::pipeline::PipelineError;
use crate::spec::{DatasetName, DatasetSpec};
use cryptodl_runtime::interrupt;

/// What to do with a data set.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Download a data set from its public mirrors, resume a broken download, check the digests
    Fetch {
        /// mnist, fashion-mnist or cifar10
        #[arg(value_parser = parse_name)]
        name: DatasetName,
    },
    /// Check that a data set's files are there and are the official ones
    Verify {
        /// mnist, fashion-mnist, cifar10 or digits
        #[arg(value_parser = parse_name)]
        name: DatasetName,
    },
}

/// Reads the name of a data set.
pub fn parse_name(text: &str) -> Result<DatasetName, String> {
    DatasetName::ALL
        .into_iter()
        .find(|name| name.as_str() == text)
        .ok_or_else(|| {
            let known: Vec<&str> = DatasetName::ALL.iter().map(|name| name.as_str()).collect();
            format!("there is no data set `{text}`; known: {}", known.join(", "))
        })
}

/// Fetches or verifies.
pub fn data(command: &DataCommand, data_dir: Option<&Path>, stop: &Stop) -> Result<(), Failure> {
    let dirs = DataDirs::resolve(data_dir);
    match command {
        DataCommand::Fetch { name } => {
            let _finishing = interrupt::finishing("what the mirror is sending");
            let folder: PathBuf = fetch::fetch(*name, &dirs, stop).map_err(PipelineError::from)?;
            out::line(format_args!("{} is in {}", name.as_str(), folder.display()));
        }
        DataCommand::Verify { name } => {
            let spec = DatasetSpec::whole(*name);
            let digest = data::verify(&spec, 0, &dirs).map_err(PipelineError::from)?;
            let digest = blake3::Hash::from_bytes(digest).to_hex();
            out::line(format_args!("{}: ok, digest {digest}", name.as_str()));
        }
    }
    Ok(())
}
