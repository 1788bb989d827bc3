//! `cryptodl data`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::exit::Failure;
use super::out;
use super::signals::Stop;
use crate::data::{self, DataDirs, Dataset, OwnData, fetch};
use crate::pipeline::PipelineError;
use crate::spec::{
    DatasetName, DatasetSource, DatasetSpec, Experiment, ImageCatalog, ImageFiles, Shape,
};
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
    /// Show what images there are: format, shape, classes, counts, mean and deviation
    #[command(after_help = SHOW_HELP)]
    Show(ShowArguments),
}

const SHOW_HELP: &str = "\
A data set of your own is one of
  a folder with one sub-folder a class (PNG, JPEG), or with train/ and test/ of such
  a folder with IDX pairs (train-images-idx3-ubyte and train-labels-idx1-ubyte, t10k-...)
  a .npz with x_train, y_train, x_test, y_test; or x and y
  a .csv or .parquet with a column of labels, or a folder with train and test of such

Examples:
  cryptodl data show faces/
  cryptodl data show letters.csv --label letter --shape 1,28,28
  cryptodl data show my_spec.toml";

/// Arguments of `cryptodl data show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// mnist, fashion-mnist, cifar10, digits; a folder or file of your own; or a spec, for its data set
    #[arg(value_name = "DATA")]
    what: String,
    /// The column of a table that holds the label
    #[arg(long, value_name = "COLUMN", default_value = ImageFiles::LABEL)]
    label: String,
    /// Shape of images whose values stand in a row [default: square, grey or of three channels]
    #[arg(long, value_name = "CHANNELS,HEIGHT,WIDTH", value_parser = parse_shape)]
    shape: Option<Shape>,
    /// Seed of the built-in digits, and of a split that the files do not have
    #[arg(long, default_value_t = 0)]
    seed: u64,
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
        DataCommand::Show(arguments) => {
            let (spec, seed) = arguments.dataset()?;
            let dataset = data::load(&spec, seed, &dirs).map_err(PipelineError::from)?;
            out::print(|out| print(out, &spec, &dataset));
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

fn parse_shape(text: &str) -> Result<Shape, String> {
    let sizes: Vec<usize> = text
        .split(',')
        .map(|size| size.trim().parse())
        .collect::<Result<_, _>>()
        .map_err(|_| "three numbers are wanted, like 1,28,28".to_owned())?;
    match sizes[..] {
        [channels, height, width] if sizes.iter().all(|size| (1..=4096).contains(size)) => {
            Ok(Shape {
                channels,
                height,
                width,
            })
        }
        _ => Err("three numbers are wanted, like 1,28,28".to_owned()),
    }
}

impl ShowArguments {
    /// What is meant, and the seed of its split.
    fn dataset(&self) -> Result<(DatasetSpec, u64), Failure> {
        if let Ok(name) = parse_name(&self.what) {
            return Ok((DatasetSpec::whole(name), self.seed));
        }
        let path = PathBuf::from(&self.what);
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let experiment = Experiment::from_path(&path, &[], &OwnData)?;
            return Ok((experiment.dataset, experiment.seed));
        }
        let files = ImageFiles {
            path,
            label: self.label.clone(),
            shape: self.shape,
            classes: None,
        };
        // The same reading as below, for an error that keeps its exit code.
        data::describe(&files).map_err(PipelineError::from)?;
        let facts = OwnData.facts(&files);
        let facts = facts.map_err(|error| Failure::Usage(error.to_string()))?;
        let spec = DatasetSpec::of(DatasetSource::Files { files, facts });
        Ok((spec, self.seed))
    }
}

fn print(out: &mut dyn Write, spec: &DatasetSpec, dataset: &Dataset) -> io::Result<()> {
    let described = match &spec.source {
        DatasetSource::Files { files, .. } => data::describe(files).ok(),
        DatasetSource::Name(_) => None,
    };
    let format = described
        .as_ref()
        .map_or("known to the program", |summary| summary.format);
    writeln!(out, "{}: {format}", spec.source.name())?;
    if described.is_some_and(|summary| !summary.is_split) {
        writeln!(out, "split       by seed, in even shares of the classes")?;
    }
    let Shape {
        channels,
        height,
        width,
    } = dataset.train.shape;
    writeln!(
        out,
        "shape       [{channels}, {height}, {width}] (channels, height, width)"
    )?;
    let numbers = |values: &[f32]| {
        let words: Vec<String> = values.iter().map(|value| format!("{value:.4}")).collect();
        words.join(", ")
    };
    writeln!(
        out,
        "mean        {} (of value / 255, training images)",
        numbers(&dataset.mean)
    )?;
    writeln!(out, "deviation   {}", numbers(&dataset.std))?;
    let digest = blake3::Hash::from_bytes(dataset.digest).to_hex();
    writeln!(out, "digest      {digest}")?;
    writeln!(
        out,
        "\n{:>5}  {:<24} {:>9} {:>9}",
        "class", "name", "training", "test"
    )?;
    for (class, name) in (0_u16..).zip(&dataset.class_names) {
        let count = |labels: &[u16]| labels.iter().filter(|label| **label == class).count();
        let (train, test) = (count(&dataset.train.labels), count(&dataset.test.labels));
        writeln!(out, "{class:>5}  {name:<24} {train:>9} {test:>9}")?;
    }
    let (train, test) = (dataset.train.len(), dataset.test.len());
    writeln!(out, "{:>5}  {:<24} {train:>9} {test:>9}", "", "all")
}
