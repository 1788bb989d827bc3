//! The five commands for bootstrapped look-ups under TFHE.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::{
    Commands, DecryptArguments, EncryptArguments, EvaluateArguments, ExportArguments,
    KeygenArguments, failed, read, read_json, read_plan, size,
};
use crate::backends::tfhe::{
    self as bootstrapped, Client, ClientPackage, MAX_IMAGES, Server, ServerPackage,
};
use crate::circuit::CircuitError;
use crate::circuit::pbs::{LookupCircuit, LookupPlan};
use crate::cli::exit::Failure;
use crate::cli::signals::Stop;
use crate::results::Evaluation;
use cryptodl_runtime::Progress;

pub(super) const COMMANDS: Commands = Commands {
    export,
    keygen,
    encrypt,
    evaluate,
    decrypt,
};

fn export(arguments: &ExportArguments) -> Result<(), Failure> {
    let circuit: LookupCircuit = read_json(&arguments.run.join("lookups.json"))?;
    circuit
        .check()
        .map_err(|error| failed(CircuitError::from(error)))?;
    let plan: LookupPlan = read_plan(&arguments.run)?;
    bootstrapped::export(&circuit, &plan, &arguments.folder).map_err(failed)
}

fn keygen(arguments: &KeygenArguments) -> Result<(), Failure> {
    let (_, set) = ClientPackage::read(&arguments.client).map_err(failed)?;
    let (secret, evaluation) = (arguments.secret(), arguments.evaluation());
    bootstrapped::write_new_keys(set, &secret, &evaluation).map_err(failed)?;
    println!(
        "wrote {} (keep it: whoever has it can decrypt)",
        secret.display()
    );
    let bytes = fs::metadata(&evaluation).map_or(0, |file| file.len());
    println!(
        "wrote {} for the server, {}",
        evaluation.display(),
        size(bytes)
    );
    Ok(())
}

fn encrypt(arguments: &EncryptArguments, data_dir: Option<&Path>) -> Result<(), Failure> {
    let (package, set) = ClientPackage::read(&arguments.client).map_err(failed)?;
    let (images, from, to) = arguments.images(data_dir, package.input, MAX_IMAGES)?;
    let key = bootstrapped::read_client_key(&arguments.key, set).map_err(failed)?;
    let client = Client::new(key, package).map_err(failed)?;
    let uploads: Result<Vec<_>, _> = (from..to)
        .map(|image| client.encrypt(&images, image))
        .collect();
    let bytes = bootstrapped::upload_bytes(set, &uploads.map_err(failed)?);
    arguments.finish(&bytes, to - from)
}

fn evaluate(arguments: &EvaluateArguments, stop: &Stop) -> Result<(), Failure> {
    let (package, set) = ServerPackage::read(&arguments.server).map_err(failed)?;
    let key = bootstrapped::read_server_key(&arguments.evaluation(), set).map_err(failed)?;
    let (pixels, bootstraps) = (package.circuit.input.len(), package.circuit.bootstraps());
    let server = Server::new(key, package.circuit).map_err(failed)?;
    let upload = read(&arguments.input)?;
    let start = std::time::Instant::now();
    let images = bootstrapped::read_uploads(&arguments.input, &upload, set, pixels);
    let images = images.map_err(failed)?;
    let progress = Progress::start(
        "encrypted evaluation",
        (images.len() * bootstraps) as u64,
        "bootstraps",
    );
    let mut replies = Vec::with_capacity(images.len());
    for together in images.chunks(bootstrapped::TOGETHER) {
        let done = |bootstraps| {
            progress.advance(bootstraps);
            !stop.load(Ordering::Relaxed)
        };
        replies.extend(server.evaluate(together, &done).map_err(failed)?);
    }
    drop(progress);
    let reply = bootstrapped::reply_bytes(set, &replies);
    arguments.finish(&reply, start.elapsed().as_secs_f64())
}

fn decrypt(arguments: &DecryptArguments) -> Result<(), Failure> {
    let (package, set) = ClientPackage::read(&arguments.client).map_err(failed)?;
    let classes = package.classes;
    let key = bootstrapped::read_client_key(&arguments.key, set).map_err(failed)?;
    let client = Client::new(key, package).map_err(failed)?;
    let reply = read(&arguments.input)?;
    let replies = bootstrapped::read_replies(&arguments.input, &reply, set, classes);
    let replies = replies.map_err(failed)?;
    let count = arguments.count(replies.len())?;
    let mut logits = Vec::with_capacity(count * classes);
    for reply in &replies[..count] {
        logits.extend(client.logits(reply).map_err(failed)?);
    }
    arguments.finish(&Evaluation { classes, logits })
}
