//! Client and server as separate processes on files: `export`, `keygen`, `encrypt`, `evaluate`, `decrypt`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ckks::{EvaluationKey, SecretKey};
use clap::Args;

use super::exit::Failure;
use super::signals::Stop;
use crate::circuit::{Circuit, Plan};
use crate::data::{self, DataDirs};
use crate::encrypted::EncryptedError;
use crate::encrypted::ckks::{self as batched, Client, ClientPackage, Server, ServerPackage};
use crate::files;
use crate::pipeline::PipelineError;
use crate::spec::DatasetSpec;

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
    /// How many images the upload held [default: a full batch]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Where labels and logits are written (CSV) [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes a run's circuit as a client's and a server's folder.
pub fn export(arguments: &ExportArguments) -> Result<(), Failure> {
    if crate::pipeline::holds_lookups(&arguments.run) {
        return Err(Failure::Usage(format!(
            "{} is a run of the backend `tfhe`; client and server as processes of their own are there for `ckks` alone",
            arguments.run.display()
        )));
    }
    let circuit = Circuit::read(&arguments.run.join("circuit.bin")).map_err(PipelineError::from)?;
    let plan_path = arguments.run.join("plan.json");
    let text = fs::read(&plan_path)
        .map_err(|error| Failure::io(format!("read {}", plan_path.display()), error))?;
    let plan: Plan = serde_json::from_slice(&text).map_err(|error| PipelineError::Malformed {
        path: plan_path,
        what: error.to_string(),
    })?;
    batched::export(&circuit, &plan, &arguments.folder).map_err(PipelineError::from)?;
    println!(
        "wrote {0}/client and {0}/server",
        arguments.folder.display()
    );
    Ok(())
}

/// Makes a fresh key pair.
pub fn keygen(arguments: &KeygenArguments) -> Result<(), Failure> {
    let package = ClientPackage::read(&arguments.client).map_err(PipelineError::from)?;
    let (client, evaluation) = Client::generate(package).map_err(PipelineError::from)?;
    let server = arguments.out.join("server");
    fs::create_dir_all(&server)
        .map_err(|error| Failure::io(format!("create {}", server.display()), error))?;
    let mut bytes = Vec::new();
    client.secret().write(&mut bytes).map_err(scheme)?;
    let secret = arguments.out.join(SECRET_KEY);
    let written = files::write_secret(&secret, &bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    written.map_err(|error| Failure::io(format!("write {}", secret.display()), error))?;
    println!(
        "wrote {} (keep it: whoever has it can decrypt)",
        secret.display()
    );
    if let Some(key) = evaluation {
        let mut bytes = Vec::new();
        key.write(&mut bytes).map_err(scheme)?;
        let path = server.join(EVALUATION_KEY);
        write(&path, &bytes)?;
        println!(
            "wrote {} for the server, {:.1} MB",
            path.display(),
            bytes.len() as f64 / 1e6
        );
    }
    Ok(())
}

/// Encrypts images into one upload.
pub fn encrypt(arguments: &EncryptArguments, data_dir: Option<&Path>) -> Result<(), Failure> {
    let client = open_client(&arguments.client, &arguments.key)?;
    let images = match arguments.dataset {
        Some(name) => {
            let spec = DatasetSpec {
                name,
                train: None,
                test: None,
            };
            data::load(&spec, arguments.seed, &DataDirs::resolve(data_dir))
                .map_err(PipelineError::from)?
                .test
        }
        None => {
            data::read_pictures(&arguments.images, client.input()).map_err(PipelineError::from)?
        }
    };
    let (from, to) = arguments
        .range
        .unwrap_or((0, images.len().min(client.slots())));
    if to > images.len() || to - from > client.slots() {
        return Err(Failure::Usage(format!(
            "images {from}..{to} were asked for: there are {}, and one upload holds {}\nhint: give `--range FROM..TO` and make several uploads",
            images.len(),
            client.slots()
        )));
    }
    let bytes = client
        .encrypt(&images, from, to - from)
        .map_err(PipelineError::from)?;
    write(&arguments.out, &bytes)?;
    println!(
        "wrote {}: {} images, {:.1} MB; decrypt the reply with --count {}",
        arguments.out.display(),
        to - from,
        bytes.len() as f64 / 1e6,
        to - from
    );
    Ok(())
}

/// Evaluates one upload.
pub fn evaluate(arguments: &EvaluateArguments, stop: &Stop) -> Result<(), Failure> {
    let package = ServerPackage::read(&arguments.server).map_err(PipelineError::from)?;
    let parameters = package.parameters().map_err(PipelineError::from)?;
    let key = match parameters.special_prime() {
        Some(_) => {
            let mut file = open(&arguments.keys.join(EVALUATION_KEY))?;
            Some(EvaluationKey::read(&parameters, &mut file).map_err(scheme)?)
        }
        None => None,
    };
    let server = Server::new(package, key).map_err(PipelineError::from)?;
    let upload = fs::read(&arguments.input)
        .map_err(|error| Failure::io(format!("read {}", arguments.input.display()), error))?;
    let start = std::time::Instant::now();
    let received = server.receive(&upload).map_err(PipelineError::from)?;
    drop(upload);
    let reply = server
        .evaluate(received, &mut |layer, time| {
            tracing::info!(layer, seconds = time.as_secs_f64(), "layer done");
            !stop.load(Ordering::Relaxed)
        })
        .map_err(PipelineError::from)?;
    let seconds = start.elapsed().as_secs_f64();
    write(&arguments.out, &reply)?;
    println!(
        "wrote {}: {:.1} MB, evaluated in {seconds:.2} s",
        arguments.out.display(),
        reply.len() as f64 / 1e6
    );
    Ok(())
}

/// Decrypts one reply.
pub fn decrypt(arguments: &DecryptArguments) -> Result<(), Failure> {
    let client = open_client(&arguments.client, &arguments.key)?;
    let count = arguments.count.unwrap_or(client.slots());
    if count == 0 || count > client.slots() {
        return Err(Failure::Usage(format!(
            "--count {count}: a batch holds 1 to {} images",
            client.slots()
        )));
    }
    let reply = fs::read(&arguments.input)
        .map_err(|error| Failure::io(format!("read {}", arguments.input.display()), error))?;
    let logits = client.decrypt(&reply, count).map_err(PipelineError::from)?;
    let evaluation = crate::results::Evaluation {
        classes: logits.len() / count,
        logits,
    };
    let mut table = String::from("image,label");
    for class in 0..evaluation.classes {
        table.push_str(&format!(",logit_{class}"));
    }
    for (image, (label, row)) in evaluation
        .predicted()
        .iter()
        .zip(evaluation.logits.chunks(evaluation.classes))
        .enumerate()
    {
        table.push_str(&format!("\n{image},{label}"));
        for value in row {
            table.push_str(&format!(",{value}"));
        }
    }
    table.push('\n');
    match &arguments.out {
        Some(path) => write(path, table.as_bytes()),
        None => io::stdout()
            .write_all(table.as_bytes())
            .map_err(|error| Failure::io("write to standard output", error)),
    }
}

fn open_client(folder: &Path, key: &Path) -> Result<Client, Failure> {
    if !folder.join("client.json").exists() && folder.join("server.json").exists() {
        return Err(Failure::Usage(format!(
            "{} is a server's folder: a server holds no secret and cannot encrypt or decrypt\nhint: give the client's folder, written beside it by `cryptodl export`",
            folder.display()
        )));
    }
    let package = ClientPackage::read(folder).map_err(PipelineError::from)?;
    let parameters = package.parameters().map_err(PipelineError::from)?;
    let secret = SecretKey::read(&parameters, &mut open(key)?).map_err(scheme)?;
    Ok(Client::with_key(package, secret).map_err(PipelineError::from)?)
}

fn scheme(error: ckks::Error) -> Failure {
    PipelineError::from(EncryptedError::from(error)).into()
}

fn open(path: &Path) -> Result<io::BufReader<fs::File>, Failure> {
    let file = fs::File::open(path)
        .map_err(|error| Failure::io(format!("open {}", path.display()), error))?;
    Ok(io::BufReader::new(file))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files::write_whole(path, bytes)
        .map_err(|error| Failure::io(format!("write {}", path.display()), error))
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
