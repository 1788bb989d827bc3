//! Real ciphertexts: look-ups, sums, a whole network, and key files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::bootstrap::Bootstrapper;
use super::server::apply;
use super::*;
use crate::Job;
use ::tfhe::core_crypto::prelude::*;
use ckks::LinearMap;
use cryptodl_circuit::pbs::{
    Bits, Noise, PARAMETER_SETS, ParameterSet, PbsPlan, compile, look_up, quantise,
};
use cryptodl_model::TrainedLayer;
use cryptodl_reference as reference;
use cryptodl_reference::dense::{images, network, square};
use polyapprox::Function;

/// The set for five message bits, and one key pair for all tests: keys take seconds.
const SET: &ParameterSet = &PARAMETER_SETS[3];

fn bits(message: u32) -> Bits {
    Bits {
        pixel: 1,
        message,
        activation: 5,
        hidden: 2,
        weight: 6,
    }
}

fn folder() -> &'static tempfile::TempDir {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().unwrap())
}

fn keys() -> (ClientKey, ServerKey) {
    // Made by the first test that asks; the others read the file.
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let folder = KeyFolder::open(Some(folder().path())).unwrap();
    let (client, server, _) = folder.load_or_generate("tests", SET).unwrap();
    (client, server)
}

fn encrypt(key: &ClientKey, message: i64, step_bits: u32) -> Vec<u64> {
    let mut seeder = super::keys::seeder();
    let mut generator =
        EncryptionRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed(), seeder.as_mut());
    let typed = super::parameters::Typed::from(SET);
    let plain = Plaintext((message as u64) << (64 - step_bits));
    let long = key.long.as_lwe_secret_key();
    allocate_and_encrypt_new_lwe_ciphertext(
        &long,
        plain,
        typed.glwe_noise,
        typed.modulus,
        &mut generator,
    )
    .into_container()
}

fn phase(key: &ClientKey, ciphertext: &[u64]) -> u64 {
    let ciphertext = LweCiphertext::from_container(ciphertext, CiphertextModulus::new_native());
    decrypt_lwe_ciphertext(&key.long.as_lwe_secret_key(), &ciphertext).0
}

#[test]
fn the_sets_are_the_crates() {
    use ::tfhe::shortint::parameters::v1_4::*;
    let theirs = [
        V1_4_PARAM_MESSAGE_1_CARRY_1_KS_PBS_GAUSSIAN_2M128,
        V1_4_PARAM_MESSAGE_1_CARRY_2_KS_PBS_GAUSSIAN_2M128,
        V1_4_PARAM_MESSAGE_1_CARRY_3_KS_PBS_GAUSSIAN_2M128,
        V1_4_PARAM_MESSAGE_1_CARRY_4_KS_PBS_GAUSSIAN_2M128,
        V1_4_PARAM_MESSAGE_1_CARRY_5_KS_PBS_GAUSSIAN_2M128,
        V1_4_PARAM_MESSAGE_1_CARRY_6_KS_PBS_GAUSSIAN_2M128,
    ];
    for (ours, theirs) in PARAMETER_SETS.iter().zip(theirs) {
        let typed = super::parameters::Typed::from(ours);
        assert_eq!(typed.lwe, theirs.lwe_dimension);
        assert_eq!(typed.glwe, theirs.glwe_dimension);
        assert_eq!(typed.size, theirs.polynomial_size);
        assert_eq!(
            (typed.pbs_base, typed.pbs_levels),
            (theirs.pbs_base_log, theirs.pbs_level)
        );
        assert_eq!(
            (typed.ks_base, typed.ks_levels),
            (theirs.ks_base_log, theirs.ks_level)
        );
        assert_eq!(typed.lwe_noise, theirs.lwe_noise_distribution);
        assert_eq!(typed.glwe_noise, theirs.glwe_noise_distribution);
        assert_eq!(typed.modulus, theirs.ciphertext_modulus);
        assert_eq!(
            1 << ours.message_bits,
            theirs.message_modulus.0 * theirs.carry_modulus.0
        );
        assert_eq!(ours.failure_log2, theirs.log2_p_fail);
        assert_eq!(
            theirs.modulus_switch_noise_reduction_params,
            ::tfhe::shortint::parameters::ModulusSwitchType::CenteredMeanNoiseReduction
        );
    }
}

#[test]
fn every_message_reads_its_entry_with_the_predicted_noise() {
    let (client, server) = keys();
    let table: Vec<i64> = (0..32).map(|index| (index * index * 7) % 61 - 30).collect();
    let step_bits = 12;
    let on_torus: Vec<u64> = table
        .iter()
        .map(|entry| (*entry as u64) << (64 - step_bits))
        .collect();
    let mut bootstrapper = Bootstrapper::new(&server);
    let mut variance = 0.0;
    // The upper half of the torus too, where the padding bit is set.
    for message in 0..64 {
        let mut output = vec![0; SET.long_dimension() + 1];
        bootstrapper.look_up(&encrypt(&client, message, 6), &on_torus, &mut output);
        let wanted = (look_up(&table, message, 5) as u64) << (64 - step_bits);
        let error = phase(&client, &output).wrapping_sub(wanted) as i64 as f64 / 2f64.powi(64);
        assert!(error.abs() < 2f64.powi(-13), "message {message}: {error}");
        variance += error * error / 64.0;
    }
    let predicted = Noise::of(SET).bootstrap;
    assert!(
        (0.3..3.0).contains(&(variance / predicted)),
        "{variance} for {predicted}"
    );
}

#[test]
fn sums_on_ciphertexts_are_those_of_the_integers_up_to_the_ends_of_the_message_space() {
    let (client, _) = keys();
    let map = LinearMap::new(
        3,
        4,
        3,
        4,
        vec![1, 2, -3, -1, -1, -1, 5, 0, 4, 3, 3, 3],
        vec![0, 1, 2],
    )
    .unwrap();
    for values in [[31, 0, 0], [0, 15, -1], [-32, 10, 7], [3, -4, 5]] {
        let ciphertexts: Vec<Vec<u64>> = values
            .iter()
            .map(|value| encrypt(&client, *value, 6))
            .collect();
        let sums = apply(&map, &ciphertexts, &AtomicU64::new(0));
        for (sum, wanted) in sums.iter().zip(map.apply(&values).unwrap()) {
            let found = phase(&client, sum).wrapping_add(1 << 57) >> 58;
            assert_eq!(found as i64, wanted.rem_euclid(64), "{values:?}");
        }
    }
}

#[test]
fn a_tiny_network_gives_the_simulators_integers() {
    let images = images(60);
    let stop = AtomicBool::new(false);
    drop(keys());
    for activation in [
        square(),
        TrainedLayer::Function {
            function: Function::Relu,
        },
    ] {
        let circuit = quantise(&network(activation, 5), &images, bits(5)).unwrap();
        let plan = plan_of(&circuit);
        let compiled = Network { circuit, plan };
        let job = Job {
            name: "tests",
            key_dir: Some(folder().path()),
            images: &images,
            count: 3,
            threads: 0,
            stop: &stop,
        };
        let outcome = compiled.evaluate(&job).unwrap();
        let wanted = cryptodl_circuit::pbs::simulate(&compiled.circuit, &images.first(3)).unwrap();
        assert_eq!(outcome.evaluation, wanted);
        assert_eq!(outcome.encryption.bootstraps_per_image, Some(5));
        assert_eq!(outcome.layers.len(), 3);
        assert_eq!((outcome.timing.batch, outcome.timing.images), (1, 3));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(matches!(
            compiled.evaluate(&job),
            Err(EncryptedError::Interrupted)
        ));
        stop.store(false, std::sync::atomic::Ordering::Relaxed);
    }
}

fn plan_of(circuit: &PbsCircuit) -> PbsPlan {
    let experiment = reference::experiment(1);
    let (.., choice) = compile(
        &network(square(), 5),
        &images(60),
        10,
        &experiment.encryption,
    )
    .unwrap();
    PbsPlan::new(circuit, SET, choice)
}

#[test]
fn key_files_are_private_and_damaged_or_wrong_ones_are_refused() {
    let (client, _) = keys();
    assert!(
        !format!("{client:?}").contains("short"),
        "no secret in Debug"
    );
    let folder = KeyFolder::open(Some(folder().path())).unwrap();
    let (client_path, server_path) = folder.paths("tests", SET);
    #[cfg(unix)]
    for path in [&client_path, &server_path] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let other = tempfile::tempdir().unwrap();
    let there = KeyFolder::open(Some(other.path())).unwrap();
    let (to_client, to_server) = there.paths("tests", SET);
    let refused = |what: &str| {
        let error = there.load_or_generate("tests", SET).map(drop).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    };
    let good = std::fs::read(&client_path).unwrap();
    let mut damaged = good.clone();
    damaged[200] ^= 1;
    std::fs::write(&to_client, &damaged).unwrap();
    refused("digest does not match");
    std::fs::write(&to_client, &good[..40]).unwrap();
    refused("cut short");
    std::fs::write(&to_client, "something else").unwrap();
    refused("not a secret key");
    // Of another parameter set: the name in the file is another one.
    let small = PARAMETER_SETS[0];
    let (small_client, _) = there.paths("tests", &small);
    std::fs::write(&small_client, &good).unwrap();
    let error = there
        .load_or_generate("tests", &PARAMETER_SETS[0])
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("parameter set"), "{error}");
    // Evaluation keys of another secret.
    let fresh = ClientKey::generate(SET).unwrap();
    std::fs::write(&to_client, &*super::key_file::client_bytes(&fresh)).unwrap();
    std::fs::copy(&server_path, &to_server).unwrap();
    refused("another key");
}
