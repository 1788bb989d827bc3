//! Exported folders, keys and ciphertexts of both backends.

use std::fs;
use std::io;
use std::path::Path;

use ckks::{EvaluationKey, GaloisKeys, Parameters, ParametersLiteral, Ring, SecretKey};
use cryptodl::backends::ckks::Network;
use cryptodl::backends::{CompiledNetwork, EncryptedError, Engine, backend};
use cryptodl::circuit::{self, Circuit, CostTable, Plan};
use cryptodl::data::ImageRange;
use cryptodl::spec::{BackendName, Experiment};
use cryptodl_reference::dense;

use super::{Target, close};

/// Bytes of the head of a key or ciphertext, its digest included.
const HEADER: usize = 8 + 2 + 32 + 16 + 32 + blake3::OUT_LEN;

/// Names and shares of the five targets of a backend.
type Five = [(&'static str, u64); 5];

pub(super) fn targets() -> io::Result<Vec<Target>> {
    let (circuit, plan) = compiled()?;
    let five = [
        ("ckks-client", 20),
        ("ckks-server", 20),
        ("ckks-secret-key", 20),
        ("ckks-upload", 10),
        ("ckks-reply", 10),
    ];
    let mut targets = of_backend(BackendName::Ckks, &Network { circuit, plan }, five)?;
    targets.extend(evaluator_keys()?);
    #[cfg(feature = "tfhe")]
    {
        let five = [
            ("tfhe-client", 50),
            ("tfhe-server", 20),
            ("tfhe-secret-key", 50),
            ("tfhe-upload", 50),
            ("tfhe-reply", 50),
        ];
        targets.extend(of_backend(BackendName::Tfhe, &bootstrapped()?, five)?);
    }
    Ok(targets)
}

/// A small network as a circuit, and its plan.
pub(super) fn compiled() -> io::Result<(Circuit, Plan)> {
    let network = dense::network(dense::square(), 3);
    let experiment = experiment("ckks")?;
    let images = dense::images(50);
    let interval = experiment.activation.interval;
    let ranges = cryptodl::training::pre_activations(&network, &images, interval);
    let mut ranges = ranges.map_err(io::Error::other)?;
    let logits = cryptodl::training::logits(&network, &images, 50).map_err(io::Error::other)?;
    ranges.push(circuit::output_range(&network, &logits));
    let costs = CostTable::default();
    circuit::compile_with(&network, &ranges, &experiment.encryption, &costs)
        .map_err(io::Error::other)
}

fn experiment(backend: &str) -> io::Result<Experiment> {
    let text =
        format!("name = 'fuzz'\n[dataset]\nname = 'digits'\n[encryption]\nbackend = '{backend}'\n");
    Experiment::from_str_named(&text, "fuzz.toml", &[]).map_err(io::Error::other)
}

#[cfg(feature = "tfhe")]
fn bootstrapped() -> io::Result<cryptodl::backends::tfhe::Network> {
    use cryptodl::circuit::pbs::{PbsPlan, compile};
    let mut encryption = experiment("tfhe")?.encryption;
    // With fewer, every weight of so small a network rounds to zero.
    encryption.message_bits = Some(4);
    encryption.pixel_bits = Some(1);
    let network = dense::network(dense::square(), 3);
    let compiled = compile(&network, &dense::images(60), 10, &encryption);
    let (circuit, set, choice) = compiled.map_err(io::Error::other)?;
    let plan = PbsPlan::new(&circuit, set, choice);
    Ok(cryptodl::backends::tfhe::Network { circuit, plan })
}

fn engine(name: BackendName) -> io::Result<&'static dyn Engine> {
    let backend = backend(name).map_err(io::Error::other)?;
    backend
        .engine()
        .ok_or_else(|| io::Error::other("a backend that encrypts is needed"))
}

/// Client's folder, server's folder, secret key, upload and reply.
fn of_backend(
    name: BackendName,
    network: &dyn CompiledNetwork,
    five: Five,
) -> io::Result<Vec<Target>> {
    let made = engine(name)?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    network
        .export(ImageRange::ANY, folder.path())
        .map_err(io::Error::other)?;
    let keys = made
        .generate_keys(&at("client"))
        .map_err(io::Error::other)?;
    let secret = keys.secret.to_vec();
    fs::write(at("secret.key"), &secret)?;
    if let Some(bytes) = &keys.evaluation {
        fs::write(at("evaluation.key"), bytes)?;
    }
    let client = made
        .open_client(&at("client"), &at("secret.key"))
        .map_err(io::Error::other)?;
    let server = made
        .open_server(&at("server"), &at("evaluation.key"))
        .map_err(io::Error::other)?;
    let upload = client
        .encrypt(&dense::images(1), 0, 1)
        .map_err(io::Error::other)?;
    let reply = server
        .answer(Path::new("upload"), upload.clone(), &|| true)
        .map_err(io::Error::other)?;

    let [
        client_target,
        server_target,
        key_target,
        upload_target,
        reply_target,
    ] = five;
    let mut targets = vec![
        package(name, client_target, &at("client"), "client.json", &secret)?,
        // A key that is none: opening the server must not take the time that its evaluation key takes.
        package(name, server_target, &at("server"), "server.json", b"none")?,
    ];
    let opening = engine(name)?;
    let keys = move |input: &[u8]| {
        let path = folder.path().join("fuzzed.key");
        let client = folder.path().join("client");
        fs::write(&path, input).is_ok() && opening.open_client(&client, &path).is_ok()
    };
    let uploads = move |input: &[u8]| {
        // What is taken is not evaluated: the first question whether to go on is answered by no.
        let answer = server.answer(Path::new("upload"), input.to_vec(), &|| false);
        matches!(answer, Ok(_) | Err(EncryptedError::Interrupted))
    };
    let replies = move |input: &[u8]| client.decrypt(Path::new("reply"), input, Some(1)).is_ok();
    let (name, share) = key_target;
    targets.push(Target::new(name, share, vec![secret], keys).repaired(seal));
    let (name, share) = upload_target;
    targets.push(Target::new(name, share, vec![upload], uploads).repaired(seal));
    let (name, share) = reply_target;
    targets.push(Target::new(name, share, vec![reply], replies).repaired(seal));
    Ok(targets)
}

/// The content of the JSON file of an exported folder, whose other files are as they should be.
fn package(
    backend: BackendName,
    (name, share): (&'static str, u64),
    exported: &Path,
    file: &'static str,
    key: &[u8],
) -> io::Result<Target> {
    let copy = tempfile::tempdir()?;
    for entry in fs::read_dir(exported)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        fs::copy(&path, copy.path().join(name))?;
    }
    let key_path = copy.path().join("some.key");
    fs::write(&key_path, key)?;
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(exported.join(file))?)?;
    let kind = whole["kind"].as_str().unwrap_or_default().to_owned();
    let content = serde_json::to_vec_pretty(&whole["content"])?;
    let engine = engine(backend)?;
    let run = move |input: &[u8]| {
        if fs::write(copy.path().join(file), envelope(&kind, input)).is_err() {
            return false;
        }
        let opened = match file {
            "client.json" => engine.open_client(copy.path(), &key_path).map(drop),
            _ => engine.open_server(copy.path(), &key_path).map(drop),
        };
        match opened {
            Ok(()) => true,
            // The folder was taken: what is refused is the key.
            Err(EncryptedError::File { path, .. } | EncryptedError::Stranger { path, .. }) => {
                path == key_path
            }
            Err(_) => false,
        }
    };
    Ok(Target::new(name, share, vec![content], run))
}

/// The engine's own keys of an evaluator, small.
fn evaluator_keys() -> io::Result<[Target; 2]> {
    let parameters = Parameters::new(ParametersLiteral {
        ring: Ring::Standard,
        log_n: 11,
        prime_bits: vec![26],
        special_bits: vec![26],
    })
    .map_err(io::Error::other)?;
    let secret = SecretKey::generate(&parameters).map_err(io::Error::other)?;
    let key = EvaluationKey::generate(&secret).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    key.write(&mut bytes).map_err(io::Error::other)?;
    let galois = GaloisKeys::generate(&secret, &[(1, 0), (5, 0)].into());
    let mut galois_bytes = Vec::new();
    let galois = galois.map_err(io::Error::other)?;
    galois.write(&mut galois_bytes).map_err(io::Error::other)?;
    let same = parameters.clone();
    let run = move |input: &[u8]| EvaluationKey::read(&parameters, &mut &input[..]).is_ok();
    let run_galois = move |input: &[u8]| GaloisKeys::read(&same, &mut &input[..]).is_ok();
    Ok([
        Target::new("ckks-evaluation-key", 20, vec![bytes], run).repaired(close),
        Target::new("ckks-galois-keys", 20, vec![galois_bytes], run_galois).repaired(close),
    ])
}

/// A content in its envelope, with the right digest wherever it is JSON at all.
fn envelope(kind: &str, content: &[u8]) -> Vec<u8> {
    let Ok(content) = serde_json::from_slice::<serde_json::Value>(content) else {
        return content.to_vec();
    };
    let digest = blake3::hash(content.to_string().as_bytes());
    let envelope = serde_json::json!({
        "version": 3,
        "kind": kind,
        "content": content,
        "blake3": digest.to_hex().to_string(),
    });
    envelope.to_string().into_bytes()
}

/// The digests of a key or ciphertext: that of its head, and that of an object of the engine in it or of the whole file.
fn seal(input: &mut [u8]) {
    // Version 2 has the name of an upload besides.
    let length = match input.get(8) {
        Some(2) => HEADER + 16,
        _ => HEADER,
    };
    let Some((head, content)) = input.split_at_mut_checked(length) else {
        return;
    };
    close(head);
    if content.starts_with(b"CKKS-RNS") {
        close(content);
    } else {
        close(input);
    }
}
