//! A batch says when it is spoilt: values past what the circuit was planned for, in some slots, move the logits in all of them.

use std::fs;
use std::path::Path;

use crate::common::Place;
use cryptodl::backends::ckks::{Client, ClientPackage, IDLE_SLOTS, Server, ServerPackage};
use cryptodl::circuit::{self, Circuit, CostTable, Plan};
use cryptodl::data::Preprocessing;
use cryptodl::data::{self, DataDirs, ImageRange, Images};
use cryptodl::model::{self, Dense, PolynomialActivation, TrainedLayer, TrainedNetwork};
use cryptodl::spec::{DatasetName, DatasetSpec, Experiment, Shape};
use cryptodl::training;
use polyapprox::Interval;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Test images of the digits.
fn digits() -> Images {
    let spec = DatasetSpec::whole(DatasetName::Digits);
    data::load(&spec, 3, &DataDirs::resolve(None)).unwrap().test
}

/// Images as an IDX file.
fn idx(images: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for size in [images.len(), 28, 28] {
        bytes.extend((size as u32).to_be_bytes());
    }
    images.iter().for_each(|image| bytes.extend(*image));
    bytes
}

const ENCRYPT: &str =
    "encrypt --client exported/client --key keys/secret.key --images images.idx --out upload.ct";
const EVALUATE: &str =
    "evaluate --server exported/server --keys keys/server --in upload.ct --out reply.ct";
const DECRYPT: &str = "decrypt --client exported/client --key keys/secret.key --in reply.ct";

/// Protects: nobody is given labels of a batch that one of its images spoilt.
#[test]
fn hostile_images_are_refused_and_what_they_spoil_is_reported() {
    let place = Place::exported();
    place.say("keygen --client exported/client --out keys").ok();
    let digits = digits();
    let normal: Vec<&[u8]> = (0..200).map(|index| digits.image(index)).collect();

    // Images like those of the training are taken as they are.
    place.write("images.idx", idx(&normal));
    place.say(ENCRYPT).ok();
    place.say(EVALUATE).ok();
    let good = place.say(&format!("{DECRYPT} --count 200")).ok().out;
    assert_eq!(good.lines().count(), 201);

    // White ones, and ones of single pixels that are as far from those as can be, are not.
    let white = [255; 28 * 28];
    let checked: Vec<u8> = (0..28 * 28)
        .map(|pixel| (pixel + pixel / 28) % 2 * 255)
        .map(|byte| byte as u8)
        .collect();
    for image in [&white[..], &checked] {
        let mut images = normal.clone();
        images[7] = image;
        place.write("images.idx", idx(&images));
        fs::remove_file(place.path("upload.ct")).ok();
        place
            .say(ENCRYPT)
            .fails(2, &["unlike", "image 7", "--allow-unusual"]);
        assert!(!place.path("upload.ct").exists());
    }

    // As many white images as there is room for, by somebody who means harm.
    let mut images = normal.clone();
    images.resize(4_000, &white);
    place.write("images.idx", idx(&images));
    place.say(&format!("{ENCRYPT} --allow-unusual")).ok();
    place.say(EVALUATE).ok();
    let spoilt = place
        .say(&format!("{DECRYPT} --count 4000 --out labels.csv"))
        .fails(4, &["reply.ct", "implausible"]);
    assert_eq!(spoilt.out, "");
    // Where the batch as a whole is whole, the others keep the labels that they have without the hostile ones, which get none.
    if let Ok(table) = fs::read_to_string(place.path("labels.csv")) {
        let label = |line: &str| line.split(',').nth(1).map(str::to_owned);
        let (rows, without) = (table.lines().map(label), good.lines().map(label));
        assert!(rows.clone().take(201).eq(without));
        assert!(
            rows.skip(201)
                .all(|label| label.is_none_or(|label| label.is_empty()))
        );
    }
}

/// A network of random size with random weights: dense layers with squares between them.
fn random_network(random: &mut ChaCha8Rng) -> TrainedNetwork {
    let mut unit = |scale: f32| (random.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0) * scale;
    let mut layers = Vec::new();
    let mut inputs = 16;
    let squares = 1 + (unit(1.0) > 0.4) as usize;
    for _ in 0..squares {
        let outputs = 3 + (4.0 * unit(1.0).abs()) as usize;
        layers.push(TrainedLayer::Dense(Dense {
            inputs,
            outputs,
            weight: (0..inputs * outputs).map(|_| unit(0.5)).collect(),
            bias: (0..outputs).map(|_| unit(0.3)).collect(),
        }));
        layers.push(TrainedLayer::Polynomial(PolynomialActivation {
            degree: 2,
            rows: 1,
            coefficients: vec![unit(0.2), unit(0.5), 0.3 + unit(0.2)],
        }));
        inputs = outputs;
    }
    layers.push(TrainedLayer::Dense(Dense {
        inputs,
        outputs: 3,
        weight: (0..3 * inputs).map(|_| unit(1.0)).collect(),
        bias: Vec::new(),
    }));
    TrainedNetwork {
        input: Shape {
            channels: 1,
            height: 4,
            width: 4,
        },
        mean: vec![0.5],
        std: vec![0.1],
        preprocessing: Preprocessing::default(),
        classes: 3,
        layers,
    }
}

/// Images around grey, as the network is planned for.
fn grey(count: usize, random: &mut ChaCha8Rng, shape: Shape) -> Images {
    let mut pixels = vec![0; count * shape.len()];
    random.fill_bytes(&mut pixels);
    pixels
        .iter_mut()
        .for_each(|pixel| *pixel = 90 + *pixel % 76);
    Images::new(shape, pixels, vec![0; count]).unwrap()
}

/// The black and white image that drives a unit of the first layer as far as it goes.
fn worst_case(network: &TrainedNetwork, unit: usize) -> Vec<u8> {
    let TrainedLayer::Dense(Dense { inputs, weight, .. }) = &network.layers[0] else {
        panic!("a dense layer is first")
    };
    let row = &weight[unit * inputs..][..*inputs];
    row.iter()
        .map(|weight| if *weight > 0.0 { 255 } else { 0 })
        .collect()
}

/// Protects: on random circuits no good batch is reported, and every batch is whose ordinary images are further off than noise explains.
/// `CRYPTODL_CIRCUITS` says how many circuits, `CRYPTODL_FIRST` from which on; the counts are printed.
#[test]
fn random_circuits_good_and_hostile() {
    let circuits: u64 = std::env::var("CRYPTODL_CIRCUITS").map_or(8, |text| text.parse().unwrap());
    let (mut good, mut spoilt, mut reported, mut unspoilt) = (0, 0, 0, 0);
    let first: u64 = std::env::var("CRYPTODL_FIRST").map_or(0, |text| text.parse().unwrap());
    for seed in first..first + circuits {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let network = random_network(&mut random);
        let images = grey(400, &mut random, network.input);
        let interval = Interval::new(-4.0, 4.0).unwrap();
        let mut ranges = training::pre_activations(&network, &images, interval).unwrap();
        let logits = training::logits(&network, &images, 100).unwrap();
        ranges.push(circuit::output_range(&network, &logits));
        let text = "name = 'x'\n[dataset]\nname = 'digits'\n";
        let encryption = Experiment::from_str_named(text, "x.toml", &[])
            .unwrap()
            .encryption;
        let costs = CostTable::default();
        let (circuit, mut plan) =
            circuit::compile_with(&network, &ranges, &encryption, &costs).unwrap();
        plan.noise_estimate = circuit::estimate_noise(&circuit, &plan, &images).unwrap();

        let package = ClientPackage::new(&circuit, &plan, ImageRange::of(&images)).unwrap();
        let (client, key) = Client::generate(package).unwrap();
        let server = Server::new(ServerPackage::new(&circuit, &plan).unwrap(), key).unwrap();
        let decrypted = |images: &Images, count: usize| {
            let upload = client.encrypt(images, 0, count).unwrap();
            let received = server.receive(Path::new("upload"), &upload).unwrap();
            let reply = server.evaluate(received, &mut |_, _| true).unwrap();
            client.decrypt(Path::new("reply"), &reply, count).unwrap()
        };
        // Ordinary images, new ones: their logits are the circuit's, up to what noise explains.
        const ORDINARY: usize = 40;
        let ordinary = grey(ORDINARY, &mut random, network.input);
        let exact = circuit::simulate(&circuit, &plan, &ordinary, None).unwrap();
        let error = |logits: &[f32]| {
            let pairs = logits.iter().zip(&exact.logits);
            pairs
                .map(|(one, other)| f64::from((one - other).abs()))
                .fold(0.0, f64::max)
        };
        let batch = decrypted(&ordinary, ORDINARY);
        assert!(
            batch.verdict.is_good(),
            "circuit {seed}: {:?}",
            batch.verdict
        );
        assert!(
            error(&batch.logits) <= plan.logit_error_bound(),
            "circuit {seed}"
        );
        good += 1;

        // The same beside hostile ones: one, a few, or as many as there is room for.
        let room = client.images_per_upload() - IDLE_SLOTS - ORDINARY;
        for hostile in [1, 200, room] {
            let mut pixels = ordinary.pixels.clone();
            let image = worst_case(&network, random.next_u32() as usize % 3);
            pixels.extend(image.repeat(hostile));
            let count = ORDINARY + hostile;
            let mixed = Images::new(network.input, pixels, vec![0; count]).unwrap();
            let batch = decrypted(&mixed, count);
            let is_spoilt = error(&batch.logits[..3 * ORDINARY]) > plan.logit_error_bound();
            let idle = batch.verdict.idle_error;
            let off = error(&batch.logits[..3 * ORDINARY]) / plan.logit_error_bound();
            assert!(
                !is_spoilt || batch.verdict.is_spoilt(),
                "circuit {seed}, {hostile} hostile images: ordinary logits off by {off:.3} times what noise explains, idle ones by {idle:?} times, and not reported"
            );
            spoilt += u64::from(is_spoilt);
            reported += u64::from(batch.verdict.is_spoilt());
            unspoilt += u64::from(!is_spoilt);
        }
    }
    println!(
        "{circuits} circuits: {good} good batches, none reported; beside hostile images {spoilt} spoilt batches, all reported ({reported} in all), and {unspoilt} whose ordinary images were right"
    );
    assert!(
        spoilt > 0,
        "no hostile image spoilt anything: the test shows nothing"
    );
}

/// Images that drive the first layer of a network to its ends: for some of its filters, where each weight meets black or white.
fn tiled_filters(network: &TrainedNetwork, count: usize) -> Vec<u8> {
    let shape = network.input;
    let first = network.layers.iter().find_map(|layer| match layer {
        TrainedLayer::Conv(conv) => Some((conv.kernel, &conv.weight)),
        _ => None,
    });
    let (kernel, weight) = first.expect("a convolution is first");
    let taps = shape.channels * kernel * kernel;
    let filters = weight.len() / taps;
    let mut pixels = Vec::with_capacity(count * shape.len());
    for image in 0..count {
        let filter = &weight[image % filters * taps..][..taps];
        // And the other way round.
        let sign = if (image / filters).is_multiple_of(2) {
            1.0
        } else {
            -1.0
        };
        for channel in 0..shape.channels {
            for (row, column) in
                (0..shape.height).flat_map(|row| (0..shape.width).map(move |column| (row, column)))
            {
                let tap = (channel * kernel + row % kernel) * kernel + column % kernel;
                pixels.push(if sign * filter[tap] > 0.0 { 255 } else { 0 });
            }
        }
    }
    pixels
}

/// Protects: the same on a network of photographs. `CRYPTODL_SPOILT_RUN` is the folder of a finished run on CIFAR-10; the evaluations of
/// `cifar10_fast` take 17 GiB of memory and some minutes each.
#[test]
#[ignore = "takes a finished run, its data, memory and minutes"]
fn a_finished_run_good_and_hostile() {
    let run = std::env::var("CRYPTODL_SPOILT_RUN").expect("the folder of a run");
    let run = Path::new(&run);
    let circuit = Circuit::read(&run.join("circuit.bin")).unwrap();
    let plan: Plan = serde_json::from_slice(&fs::read(run.join("plan.json")).unwrap()).unwrap();
    let network = model::load(&run.join("model.safetensors")).unwrap();
    let spec = DatasetSpec::whole(DatasetName::Cifar10);
    let data = data::load(&spec, 0, &DataDirs::resolve(None)).unwrap();
    let range = ImageRange::of(&data.train);

    const ORDINARY: usize = 100;
    let ordinary = data.test.first(ORDINARY);
    let exact = circuit::simulate(&circuit, &plan, &ordinary, None).unwrap();
    let package = ClientPackage::new(&circuit, &plan, range).unwrap();
    let (client, key) = Client::generate(package).unwrap();
    let server = Server::new(ServerPackage::new(&circuit, &plan).unwrap(), key).unwrap();
    let room = client.images_per_upload() - IDLE_SLOTS - ORDINARY;
    let counts = std::env::var("CRYPTODL_HOSTILE").unwrap_or(format!("0,1,{room}"));
    for hostile in counts.split(',').map(|count| count.parse().unwrap()) {
        let mut pixels = ordinary.pixels.clone();
        pixels.extend(tiled_filters(&network, hostile));
        let count = ORDINARY + hostile;
        let images = Images::new(network.input, pixels, vec![0; count]).unwrap();
        let unusual = (ORDINARY..count)
            .filter(|image| range.objection(images.image(*image)).is_some())
            .count();
        let upload = client.encrypt(&images, 0, count).unwrap();
        let received = server.receive(Path::new("upload"), &upload).unwrap();
        drop(upload);
        let reply = server.evaluate(received, &mut |_, _| true).unwrap();
        let batch = client.decrypt(Path::new("reply"), &reply, count).unwrap();
        let pairs = batch.logits.iter().zip(&exact.logits);
        let error = pairs
            .map(|(one, other)| f64::from((one - other).abs()))
            .fold(0.0, f64::max);
        let is_spoilt = error > plan.logit_error_bound();
        println!(
            "{hostile} hostile images ({unusual} of them refused by `encrypt`) beside {ORDINARY} ordinary ones: ordinary logits off by {error:.3e} at most, {:.3e} explained by noise; idle slots off by {:.3e} times what noise explains; {} images with implausible logits: {}",
            plan.logit_error_bound(),
            batch.verdict.idle_error.unwrap(),
            batch.verdict.implausible.len(),
            match (is_spoilt, batch.verdict.is_spoilt()) {
                (false, false) => "a good batch, not reported",
                (true, true) => "a spoilt batch, reported",
                (false, true) => "ordinary images are right, the batch is reported all the same",
                (true, false) => "SPOILT AND NOT REPORTED",
            }
        );
        assert!(!is_spoilt || batch.verdict.is_spoilt());
        assert!(hostile > 0 || batch.verdict.is_good());
    }
}
