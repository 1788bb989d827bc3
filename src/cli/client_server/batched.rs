//! The five commands for batches under CKKS.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use ckks::{EvaluationKey, SecretKey};

use super::{
    Commands, DecryptArguments, EncryptArguments, EvaluateArguments, ExportArguments,
    KeygenArguments, failed, read, read_plan, size, write,
};
use crate::backends::ckks::{self as batched, Client, ClientPackage, Server, ServerPackage};
use crate::circuit::{Circuit, Plan};
use crate::cli::exit::Failure;
use crate::cli::signals::Stop;
use crate::pipeline::PipelineError;
use crate::results::Evaluation;

pub(super) const COMMANDS: Commands = Commands {
    export,
    keygen,
    encrypt,
    evaluate,
    decrypt,
};

fn export(arguments: &ExportArguments) -> Result<(), Failure> {
    let circuit = Circuit::read(&arguments.run.join("circuit.bin")).map_err(PipelineError::from)?;
    let plan: Plan = read_plan(&arguments.run)?;
    batched::export(&circuit, &plan, &arguments.folder).map_err(failed)
}

fn keygen(arguments: &KeygenArguments) -> Result<(), Failure> {
    let package = ClientPackage::read(&arguments.client).map_err(failed)?;
    let (client, evaluation) = Client::generate(package).map_err(failed)?;
    let mut bytes = Vec::new();
    client.secret().write(&mut bytes).map_err(failed)?;
    let secret = arguments.secret();
    let written = cryptodl_runtime::write_secret(&secret, &bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    written.map_err(|error| Failure::io(format!("write {}", secret.display()), error))?;
    println!(
        "wrote {} (keep it: whoever has it can decrypt)",
        secret.display()
    );
    if let Some(key) = evaluation {
        let mut bytes = Vec::new();
        key.write(&mut bytes).map_err(failed)?;
        let path = arguments.evaluation();
        write(&path, &bytes)?;
        println!(
            "wrote {} for the server, {}",
            path.display(),
            size(bytes.len() as u64)
        );
    }
    Ok(())
}

fn encrypt(arguments: &EncryptArguments, data_dir: Option<&Path>) -> Result<(), Failure> {
    let client = open_client(&arguments.client, &arguments.key)?;
    let (images, from, to) = arguments.images(data_dir, client.input(), client.slots())?;
    let bytes = client.encrypt(&images, from, to - from).map_err(failed)?;
    arguments.finish(&bytes, to - from)
}

fn evaluate(arguments: &EvaluateArguments, stop: &Stop) -> Result<(), Failure> {
    let package = ServerPackage::read(&arguments.server).map_err(failed)?;
    let parameters = package.parameters().map_err(failed)?;
    let key = match parameters.special_primes() {
        [] => None,
        _ => {
            let mut file = open(&arguments.evaluation())?;
            Some(EvaluationKey::read(&parameters, &mut file).map_err(failed)?)
        }
    };
    let server = Server::new(package, key).map_err(failed)?;
    let upload = read(&arguments.input)?;
    let start = std::time::Instant::now();
    let received = server.receive(&upload).map_err(failed)?;
    drop(upload);
    let reply = server
        .evaluate(received, &mut |layer, time| {
            tracing::info!(layer, seconds = time.as_secs_f64(), "layer done");
            !stop.load(Ordering::Relaxed)
        })
        .map_err(failed)?;
    arguments.finish(&reply, start.elapsed().as_secs_f64())
}

fn decrypt(arguments: &DecryptArguments) -> Result<(), Failure> {
    let client = open_client(&arguments.client, &arguments.key)?;
    let count = arguments.count(client.slots())?;
    let reply = read(&arguments.input)?;
    let logits = client.decrypt(&reply, count).map_err(failed)?;
    arguments.finish(&Evaluation {
        classes: logits.len() / count,
        logits,
    })
}

fn open_client(folder: &Path, key: &Path) -> Result<Client, Failure> {
    let package = ClientPackage::read(folder).map_err(failed)?;
    let parameters = package.parameters().map_err(failed)?;
    let secret = SecretKey::read(&parameters, &mut open(key)?).map_err(failed)?;
    Client::with_key(package, secret).map_err(failed)
}

fn open(path: &Path) -> Result<io::BufReader<fs::File>, Failure> {
    let file = fs::File::open(path)
        .map_err(|error| Failure::io(format!("open {}", path.display()), error))?;
    Ok(io::BufReader::new(file))
}
