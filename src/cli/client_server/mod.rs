//! Client and server as separate processes on files: `export`, `keygen`, `encrypt`, `evaluate`, `decrypt`.

mod batched;
#[cfg(feature = "tfhe")]
mod lookups;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::Failure;
use super::signals::Stop;
use crate::backends::{EncryptedError, Side};
use crate::data::{self, DataDirs, Images};
use crate::pipeline::PipelineError;
use crate::results::Evaluation;
use crate::spec::{BackendName, DatasetSpec, Shape};

const SECRET_KEY: &str = "secret.key";
const EVALUATION_KEY: &str = "evaluation.key";

/// Arguments of `cryptodl export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// A finished run (a folder under results/runs/)
    run: PathBuf,
    /// Where client/ and server/ are written
    folder: PathBuf,
}

/// Arguments of `cryptodl keygen`.
#[derive(Debug, Args)]
pub struct KeygenArguments {
    /// The exported client folder
    #[arg(long, value_name = "DIR")]
    client: PathBuf,
    /// Where secret.key and, apart, server/evaluation.key are written
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Arguments of `cryptodl encrypt`.
#[derive(Debug, Args)]
pub struct EncryptArguments {
    /// The exported client folder
    #[arg(long, value_name = "DIR")]
    client: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Images: PNG files, or one IDX file (raw or .gz)
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "dataset", conflicts_with = "dataset")]
    images: Vec<PathBuf>,
    /// Take the test images of this data set instead
    #[arg(long, value_name = "NAME", value_parser = super::data::parse_name)]
    dataset: Option<crate::spec::DatasetName>,
    /// Seed of the built-in digits
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only these images, as in 0..100 [default: as many as fit]
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    range: Option<(usize, usize)>,
    /// The upload
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `cryptodl evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// The exported server folder
    #[arg(long, value_name = "DIR")]
    server: PathBuf,
    /// The folder with the client's evaluation.key
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// The upload
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// The reply
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `cryptodl decrypt`.
#[derive(Debug, Args)]
pub struct DecryptArguments {
    /// The exported client folder
    #[arg(long, value_name = "DIR")]
    client: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The reply
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// How many images the upload held [default: a full batch; with look-ups, all]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Where labels and logits are written (CSV) [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What one backend does for each command.
struct Commands {
    export: fn(&ExportArguments) -> Result<(), Failure>,
    keygen: fn(&KeygenArguments) -> Result<(), Failure>,
    encrypt: fn(&EncryptArguments, Option<&Path>) -> Result<(), Failure>,
    evaluate: fn(&EvaluateArguments, &Stop) -> Result<(), Failure>,
    decrypt: fn(&DecryptArguments) -> Result<(), Failure>,
}

fn commands(backend: BackendName) -> Result<Commands, Failure> {
    match backend {
        BackendName::Ckks | BackendName::Clear => Ok(batched::COMMANDS),
        #[cfg(feature = "tfhe")]
        BackendName::Tfhe => Ok(lookups::COMMANDS),
        #[cfg(not(feature = "tfhe"))]
        BackendName::Tfhe => {
            Err(PipelineError::from(EncryptedError::BackendMissing("tfhe")).into())
        }
    }
}

/// What the backend of an exported folder does.
fn commands_of(side: Side, folder: &Path) -> Result<Commands, Failure> {
    if side == Side::Client && side.is_other(folder) {
        return Err(Failure::Usage(format!(
            "{} is a server's folder: a server holds no secret and cannot encrypt or decrypt\nhint: give the client's folder, written beside it by `cryptodl export`",
            folder.display()
        )));
    }
    commands(side.backend(folder).map_err(PipelineError::from)?)
}

/// Writes a run's circuit as a client's and a server's folder.
pub fn export(arguments: &ExportArguments) -> Result<(), Failure> {
    let backend = if crate::pipeline::holds_lookups(&arguments.run) {
        BackendName::Tfhe
    } else {
        BackendName::Ckks
    };
    (commands(backend)?.export)(arguments)?;
    println!(
        "wrote {0}/client and {0}/server",
        arguments.folder.display()
    );
    Ok(())
}

/// Makes a fresh key pair.
pub fn keygen(arguments: &KeygenArguments) -> Result<(), Failure> {
    let commands = commands_of(Side::Client, &arguments.client)?;
    let server = arguments.out.join("server");
    fs::create_dir_all(&server)
        .map_err(|error| Failure::io(format!("create {}", server.display()), error))?;
    (commands.keygen)(arguments)
}

/// Encrypts images into one upload.
pub fn encrypt(arguments: &EncryptArguments, data_dir: Option<&Path>) -> Result<(), Failure> {
    (commands_of(Side::Client, &arguments.client)?.encrypt)(arguments, data_dir)
}

/// Evaluates one upload.
pub fn evaluate(arguments: &EvaluateArguments, stop: &Stop) -> Result<(), Failure> {
    (commands_of(Side::Server, &arguments.server)?.evaluate)(arguments, stop)
}

/// Decrypts one reply.
pub fn decrypt(arguments: &DecryptArguments) -> Result<(), Failure> {
    (commands_of(Side::Client, &arguments.client)?.decrypt)(arguments)
}

impl KeygenArguments {
    fn secret(&self) -> PathBuf {
        self.out.join(SECRET_KEY)
    }

    fn evaluation(&self) -> PathBuf {
        self.out.join("server").join(EVALUATION_KEY)
    }
}

impl EncryptArguments {
    /// The images that were asked for, and which of them: at most `most`.
    fn images(
        &self,
        data_dir: Option<&Path>,
        input: Shape,
        most: usize,
    ) -> Result<(Images, usize, usize), Failure> {
        let images = match self.dataset {
            Some(name) => {
                let spec = DatasetSpec::whole(name);
                data::load(&spec, self.seed, &DataDirs::resolve(data_dir))
                    .map_err(PipelineError::from)?
                    .test
            }
            None => data::read_pictures(&self.images, input).map_err(PipelineError::from)?,
        };
        let (from, to) = self.range.unwrap_or((0, images.len().min(most)));
        if to > images.len() || to - from > most {
            return Err(Failure::Usage(format!(
                "images {from}..{to} were asked for: there are {}, and one upload holds {most}\nhint: give `--range FROM..TO` and make several uploads",
                images.len()
            )));
        }
        Ok((images, from, to))
    }

    /// Writes the upload and says so.
    fn finish(&self, bytes: &[u8], images: usize) -> Result<(), Failure> {
        write(&self.out, bytes)?;
        println!(
            "wrote {}: {images} images, {}; decrypt the reply with --count {images}",
            self.out.display(),
            size(bytes.len() as u64)
        );
        Ok(())
    }
}

impl EvaluateArguments {
    fn evaluation(&self) -> PathBuf {
        self.keys.join(EVALUATION_KEY)
    }

    /// Writes the reply and says so.
    fn finish(&self, bytes: &[u8], seconds: f64) -> Result<(), Failure> {
        write(&self.out, bytes)?;
        println!(
            "wrote {}: {}, evaluated in {seconds:.2} s",
            self.out.display(),
            size(bytes.len() as u64)
        );
        Ok(())
    }
}

impl DecryptArguments {
    /// How many images to write, of at most `most`.
    fn count(&self, most: usize) -> Result<usize, Failure> {
        match self.count.unwrap_or(most) {
            count if (1..=most).contains(&count) => Ok(count),
            count => Err(Failure::Usage(format!(
                "--count {count}: a batch holds 1 to {most} images"
            ))),
        }
    }

    /// Writes labels and logits.
    fn finish(&self, evaluation: &Evaluation) -> Result<(), Failure> {
        let mut table = String::from("image,label");
        for class in 0..evaluation.classes {
            table.push_str(&format!(",logit_{class}"));
        }
        let rows = evaluation.logits.chunks(evaluation.classes);
        for (image, (label, row)) in evaluation.predicted().iter().zip(rows).enumerate() {
            table.push_str(&format!("\n{image},{label}"));
            for value in row {
                table.push_str(&format!(",{value}"));
            }
        }
        table.push('\n');
        match &self.out {
            Some(path) => write(path, table.as_bytes()),
            None => io::stdout()
                .write_all(table.as_bytes())
                .map_err(|error| Failure::io("write to standard output", error)),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::io(format!("read {}", path.display()), error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    cryptodl_runtime::write_whole(path, bytes)
        .map_err(|error| Failure::io(format!("write {}", path.display()), error))
}

/// The plan of a run.
fn read_plan<T: serde::de::DeserializeOwned>(run: &Path) -> Result<T, Failure> {
    read_json(&run.join("plan.json"))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    serde_json::from_slice(&read(path)?).map_err(|error| {
        let (path, what) = (path.to_path_buf(), error.to_string());
        PipelineError::Malformed { path, what }.into()
    })
}

/// `96.3 MB`, `6.3 kB`.
fn size(bytes: u64) -> String {
    match bytes as f64 {
        small if small < 1e6 => format!("{:.1} kB", small / 1e3),
        large => format!("{:.1} MB", large / 1e6),
    }
}

fn failed(error: impl Into<EncryptedError>) -> Failure {
    PipelineError::from(error.into()).into()
}

fn parse_range(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("`{text}` is not a range like 0..100");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (
        from.parse().map_err(|_| wrong())?,
        to.parse().map_err(|_| wrong())?,
    );
    if from < to {
        Ok((from, to))
    } else {
        Err(format!("the range `{text}` is empty"))
    }
}
