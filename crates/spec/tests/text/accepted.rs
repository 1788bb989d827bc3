//! What a spec means: defaults, every key, overrides, and the resolved spec.

use super::{MINIMAL, accepted, parse};
use cryptodl_spec::*;
use polyapprox::{Function, Method};
use proptest::prelude::*;

/// Every key that networks on colour photographs brought with them.
const COLOUR: &str = r#"
name = "colour"
[dataset]
name = "cifar10"
standardize = "per-image"
zca = 5
local_contrast = true
soft_clamp = 3
[activation]
form = "hermite-normalized"
method = "hermite"
[network]
layers = [
    { type = "conv", channels = 8, kernel = 3, padding = 1 },
    { type = "activation" },
    { type = "conv", channels = 8, kernel = 4, stride = 2, padding = 1 },
    { type = "activation" },
    { type = "global-avg-pool" },
]
[train]
optimizer = "muon"
precision = "bf16"
peak_penalty = 5e-4
energy_penalty = 0.1
penalty_growth = 3
whiten = true
clamp = 10
freeze_statistics = 0.3
blend = 0.25
start_from_original = true
distill = 0.7
[train.augment]
crop = 2
border = "reflect"
flip = "alternating"
cutout = 0
[encryption]
views = 2
"#;

fn round_trip(experiment: &Experiment) {
    let text = experiment.to_toml();
    let again =
        parse(&text, &[]).unwrap_or_else(|error| panic!("{}\n{text}", super::render(&error)));
    assert_eq!(&again, experiment, "{text}");
    assert_eq!(again.to_toml(), text);
}

#[test]
fn what_the_planner_chooses_is_auto_whether_written_or_not() {
    let keys = [
        "ring",
        "relinearization",
        "weight_bits",
        "scale_bits",
        "precision_bits",
        "memory_gib",
    ];
    let written: String = keys.map(|key| format!("{key} = \"auto\"\n")).concat();
    let experiment = accepted(&format!("[encryption]\n{written}"));
    assert_eq!(experiment, accepted(""));
    assert_eq!(experiment.encryption.ring, None);
    for key in keys {
        assert!(
            experiment
                .to_toml()
                .contains(&format!("\n{key} = \"auto\"\n")),
            "{key}"
        );
    }
    for ring in ["standard", "conjugate-invariant"] {
        for choice in Relinearization::ALL {
            round_trip(&accepted(&format!(
                "[encryption]\nring = \"{ring}\"\nrelinearization = \"{}\"\nprecision_bits = 4.5\n",
                choice.as_str()
            )));
        }
    }
}

#[test]
fn every_default() {
    let experiment = accepted("");
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("resolved-minimal", experiment.to_toml());
    });
    round_trip(&experiment);
    assert_eq!(experiment.activation.interval.low(), -4.0);
    assert_eq!(experiment.network.depth, 2);
    assert_eq!(experiment.encryption.images, 10_000);
}

#[test]
fn every_key() {
    let experiment = parse(
        r#"
        name = "Every-key_1"
        seed = 9223372036854775807
        [dataset]
        name = "cifar10"
        train = 3000
        test = 200
        [activation]
        function = "sigmoid"
        method = "modified-chebyshev"
        degree = 5
        interval = [-6, 7.5]
        trainable = "layer"
        [network]
        batch_norm = false
        layers = [
            { type = "conv", channels = 8, kernel = 5, stride = 2, padding = 2 },
            { type = "batch-norm" },
            { type = "activation" },
            { type = "avg-pool", size = 2 },
            { type = "avg-pool", size = 3, stride = 1 },
            { type = "dense", units = 20 },
            { type = "activation" },
        ]
        [train]
        epochs = 3
        batch = 100
        optimizer = "sgd"
        learning_rate = 1
        weight_decay = 0
        momentum = 0.8
        warmup = 0.0
        label_smoothing = 0.1
        ema = 0
        clip_norm = 5.5
        range_penalty = 1e-7
        validation = 0
        recalibrate = 10
        baseline = true
        threads = 2
        [train.augment]
        rotation = 1
        scale = 0.2
        shift = 0.3
        shear = 0.4
        elastic = 2.5
        crop = 3
        flip = false
        cutout = 6
        [encryption]
        backend = "clear"
        security_bits = 128
        images = 50
        threads = 1
        ring = "conjugate-invariant"
        relinearization = "never"
        weight_bits = 4
        scale_bits = 12
        precision_bits = 4
        memory_gib = 2.5
        [output]
        charts = false
        report = false
        logits = false
        "#,
        &[],
    )
    .unwrap();
    round_trip(&experiment);
    assert_eq!(
        (
            experiment.seed,
            experiment.dataset.train,
            experiment.dataset.test
        ),
        (i64::MAX as u64, Some(3000), Some(200))
    );
    assert_eq!(
        (experiment.activation.function, experiment.activation.method),
        (Function::Sigmoid, Method::ModifiedChebyshev)
    );
    assert_eq!(experiment.activation.trainable, Trainable::Layer);
    assert_eq!(
        experiment.network.layers.len(),
        8,
        "the closing layer is appended, no batch norm is"
    );
    assert_eq!(
        experiment.network.shapes[0],
        Shape {
            channels: 8,
            height: 16,
            width: 16
        }
    );
    assert_eq!(
        experiment.network.shapes[4],
        Shape {
            channels: 8,
            height: 6,
            width: 6
        }
    );
    assert_eq!(experiment.train.optimizer, Optimizer::Sgd);
    assert_eq!(
        (
            experiment.train.learning_rate,
            experiment.train.augment.elastic,
            experiment.train.augment.flip
        ),
        (1.0, 2.5, Flip::Off)
    );
    assert_eq!(
        (
            experiment.encryption.backend,
            experiment.encryption.weight_bits
        ),
        (BackendName::Clear, Some(4))
    );
    assert_eq!(
        (
            experiment.encryption.ring,
            experiment.encryption.relinearization
        ),
        (
            Some(ckks::Ring::ConjugateInvariant),
            Some(Relinearization::Never)
        )
    );
    assert_eq!(
        (
            experiment.encryption.precision_bits,
            experiment.encryption.memory_gib
        ),
        (Some(4.0), Some(2.5))
    );
    assert!(!experiment.output.logits);
    assert_eq!(experiment.multiplicative_depth(), 6);
}

#[test]
fn batch_norm_goes_before_activations() {
    let layers = accepted("network.depth = 1").network.layers;
    let kinds: Vec<_> = layers.iter().map(LayerSpec::as_str).collect();
    assert_eq!(
        kinds,
        [
            "conv",
            "batch-norm",
            "activation",
            "dense",
            "batch-norm",
            "activation",
            "dense"
        ]
    );
    assert!(
        !accepted("network = { depth = 1, batch_norm = false }")
            .network
            .layers
            .contains(&LayerSpec::BatchNorm)
    );
}

#[test]
fn coefficients_stand_for_degree_and_method() {
    let experiment = accepted("activation.coefficients = [0, 0.5, 0.25, -0.1]");
    assert_eq!(
        (
            experiment.activation.degree,
            experiment.activation.coefficients.as_deref()
        ),
        (3, Some(&[0.0, 0.5, 0.25, -0.1][..]))
    );
    round_trip(&experiment);
}

#[test]
fn trainable_has_four_spellings() {
    let trainable = |value: &str| {
        accepted(&format!("activation.trainable = {value}"))
            .activation
            .trainable
    };
    assert_eq!(
        [trainable("true"), trainable("\"channel\"")],
        [Trainable::Channel; 2]
    );
    assert_eq!(
        [trainable("false"), trainable("\"layer\"")],
        [Trainable::Fixed, Trainable::Layer]
    );
}

#[test]
fn augmentation_fits_the_data_set() {
    let augment = |dataset: &str, more: &str| {
        parse(
            &format!("name = \"a\"\ndataset.name = \"{dataset}\"\n{more}"),
            &[],
        )
        .unwrap()
        .train
        .augment
    };
    assert_eq!(augment("mnist", "").rotation, 11.0);
    assert_eq!(
        (augment("cifar10", "").flip, augment("digits", "").flip),
        (Flip::Random, Flip::Off)
    );
    assert_eq!(
        augment("cifar10", "train.augment = true"),
        augment("cifar10", "")
    );
    let none = augment("mnist", "train.augment = false");
    assert_eq!((none.rotation, none.elastic, none.crop), (0.0, 0.0, 0));
    let less = augment("mnist", "train.augment.elastic = 0");
    assert_eq!(
        (less.rotation, less.elastic),
        (11.0, 0.0),
        "the other keys keep their defaults"
    );
}

#[test]
fn the_vocabulary_of_a_colour_network_comes_back() {
    let experiment = parse(COLOUR, &[]).unwrap();
    round_trip(&experiment);
    let dataset = experiment.dataset;
    assert_eq!(
        (
            dataset.standardize,
            dataset.zca,
            dataset.local_contrast,
            dataset.soft_clamp
        ),
        (Standardize::PerImage, Some(5), true, Some(3.0))
    );
    assert_eq!(
        experiment.activation.form,
        ActivationForm::HermiteNormalized
    );
    let last = &experiment.network.shapes[experiment.network.shapes.len() - 2];
    assert_eq!((last.channels, last.height, last.width), (8, 1, 1));
    let train = &experiment.train;
    assert_eq!(
        (
            train.optimizer,
            train.schedule,
            train.precision,
            train.whiten
        ),
        (Optimizer::Muon, Schedule::Linear, MapPrecision::Bf16, true)
    );
    assert_eq!(
        (
            train.learning_rate,
            train.momentum,
            train.clip_norm,
            train.weight_decay
        ),
        (0.12, 0.6, 1.0, 0.0),
        "the defaults of the optimiser"
    );
    let muon = train.muon.unwrap();
    assert_eq!((muon.sgd_learning_rate, muon.sgd_momentum), (0.02, 0.85));
    assert_eq!(
        (train.clamp, train.freeze_statistics, train.blend),
        (Some(10.0), 0.3, 0.25)
    );
    assert_eq!(experiment.encryption.views, 2);
    assert_eq!(train.penalty_growth, 3.0);
    let distill = train.distill.unwrap();
    assert_eq!((distill.weight, distill.temperature), (0.7, 2.0));
    assert!(train.start_from_original && train.needs_original());
    assert!(!train.of_original().needs_original());
    let peak = train.peak_penalty.unwrap();
    assert_eq!((peak.weight, peak.limit), (5e-4, 6.0));
    let energy = train.energy_penalty.unwrap();
    assert_eq!((energy.weight, energy.limit), (0.1, 1.5));
    assert_eq!(
        (train.augment.flip, train.augment.border),
        (Flip::Alternating, Border::Reflect)
    );
}

#[test]
fn what_is_new_leaves_the_keys_of_older_specs_alone() {
    let experiment = accepted("");
    let text = canonical_json(&experiment).unwrap();
    for key in [
        "standardize",
        "zca",
        "local_contrast",
        "soft_clamp",
        "form",
        "muon",
        "schedule",
        "precision",
        "peak_penalty",
        "energy_penalty",
        "penalty_growth",
        "whiten",
        "clamp",
        "freeze_statistics",
        "blend",
        "start_from_original",
        "distill",
        "border",
        "views",
    ] {
        assert!(!text.contains(&format!("\"{key}\"")), "{key} in {text}");
    }
    assert!(text.contains("\"flip\":false"));
}

#[test]
fn small_sets_hold_out_a_tenth() {
    let train = parse(
        "name = \"a\"\ndataset = { name = \"digits\", train = 100, test = 10 }",
        &[],
    )
    .unwrap()
    .train;
    assert_eq!(
        (train.validation, train.batch, train.recalibrate),
        (10, 90, 90)
    );
    assert_eq!(accepted("").train.validation, 5000);
}

#[test]
fn tfhe_is_a_legal_name() {
    assert_eq!(
        accepted("encryption.backend = \"tfhe\"").encryption.backend,
        BackendName::Tfhe
    );
}

#[test]
fn look_ups_have_keys_of_their_own_that_other_specs_do_not_show() {
    let layers =
        "[network]\nlayers = [{ type = \"dense\", units = 8 }, { type = \"activation\" }]\n";
    let bits = "[encryption]\nbackend = \"tfhe\"\nmessage_bits = 5\npixel_bits = 1\n";
    let exact = accepted(&format!(
        "[activation]\nexact = true\n{layers}[train]\nquantize = true\n{bits}"
    ));
    round_trip(&exact);
    assert_eq!(exact.encryption.images, 100, "one image at a time");
    let quantize = |sum_bits, whole_torus| QuantizeSpec {
        pixel_bits: 1,
        sum_bits,
        whole_torus,
    };
    assert_eq!(exact.train.quantize, Some(quantize(6, true)));
    let polynomial = accepted(&format!("{layers}[train]\nquantize = true\n{bits}"));
    round_trip(&polynomial);
    assert_eq!(polynomial.train.quantize, Some(quantize(5, false)));
    round_trip(&accepted(
        "[activation]\ndegree = 12\n[encryption]\nbackend = \"tfhe\"\n",
    ));

    // Content keys are digests of this text: without the new keys it must be what it was before they came.
    let before = canonical_json(&accepted("")).unwrap();
    for key in ["exact", "quantize", "message_bits", "pixel_bits"] {
        assert!(!before.contains(key), "{key}");
    }
}

#[test]
fn high_degrees_run_in_the_clear() {
    assert_eq!(
        accepted("activation.degree = 15\nencryption.backend = \"clear\"")
            .activation
            .degree,
        15
    );
    assert_eq!(accepted("activation.degree = 9").multiplicative_depth(), 12);
}

#[test]
fn overrides_win_and_take_bare_words() {
    let text = format!("{MINIMAL}[train]\nepochs = 8\n[activation]\ndegree = 2\n");
    let set = |overrides: &[&str]| parse(&text, overrides).unwrap();
    assert_eq!(set(&["train.epochs=12"]).train.epochs, 12);
    assert_eq!(
        set(&["train.epochs=12", "train.epochs=13"]).train.epochs,
        13,
        "the last one wins"
    );
    assert_eq!(
        set(&["activation.function=tanh"]).activation.function,
        Function::Tanh
    );
    assert_eq!(
        set(&["activation.function=\"tanh\""]).activation.function,
        Function::Tanh
    );
    assert_eq!(
        set(&["activation.interval=[-2, 2.5]"])
            .activation
            .interval
            .high(),
        2.5
    );
    assert_eq!(
        set(&[" dataset . name = digits "]).dataset.source,
        DatasetSource::Name(DatasetName::Digits)
    );
    assert_eq!(set(&["train.augment.elastic=2"]).train.augment.elastic, 2.0);
    assert_eq!(
        set(&["network.layers=[{ type = 'dense', units = 7 }, { type = 'activation' }]"])
            .network
            .layers[0],
        LayerSpec::Dense { units: 7 }
    );
    assert_eq!(set(&["name=other"]).name, "other");
    assert_eq!(
        set(&["train.epochs=12"]),
        parse(&text.replace("epochs = 8", "epochs = 12"), &[]).unwrap()
    );
}

#[test]
fn an_override_may_supply_all() {
    assert_eq!(
        parse("", &["name=a", "dataset.name=mnist"]).unwrap(),
        accepted("")
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\\PC|\n){0,200}") {
        let _ = parse(&text, &[]).map_err(|error| super::render(&error));
    }

    #[test]
    fn no_override_panics(text in "[a-z.=\\[\\]{}\"' 0-9é#-]{0,40}") {
        let _ = parse(MINIMAL, &[&text]).map_err(|error| super::render(&error));
    }

    #[test]
    fn numbers_survive_the_resolved_spec(rate in 1e-9..10.0_f64, low in -1000.0..-0.1_f64, c in 1e-6..1e6_f64, depth in 1..=6_usize) {
        let more = format!("train.learning_rate = {rate:?}\nactivation.interval = [{low:?}, 1.5]\nactivation.coefficients = [{low:?}, {rate:e}, {c:?}]\nnetwork.depth = {depth}\n");
        let experiment = accepted(&more);
        prop_assert_eq!(experiment.train.learning_rate, rate);
        round_trip(&experiment);
    }

    #[test]
    fn whole_numbers_never_panic(key in prop::sample::select(vec!["train.epochs", "train.batch", "train.validation", "dataset.train", "dataset.test", "network.width", "network.depth", "encryption.images", "encryption.scale_bits", "seed"]), value: i64) {
        if let Ok(experiment) = parse(MINIMAL, &[&format!("{key}={value}")]) {
            round_trip(&experiment);
        }
    }

    #[test]
    fn layers_never_panic(list in prop::collection::vec((0..6_u8, 0..70_u64, 0..70_u64, 0..70_u64, 0..70_u64), 1..6)) {
        let layers: Vec<String> = list.into_iter().map(|(kind, a, b, c, d)| match kind {
            0 => format!("{{type='conv',channels={a},kernel={b},stride={c},padding={d}}}"),
            1 => format!("{{type='dense',units={a}}}"),
            2 => format!("{{type='avg-pool',size={b},stride={c}}}"),
            3 => format!("{{type='max-pool',size={b}}}"),
            4 => "{type='batch-norm'}".to_owned(),
            _ => "{type='activation'}".to_owned(),
        }).collect();
        if let Ok(experiment) = parse(MINIMAL, &[&format!("network.layers=[{}]", layers.join(",")), "encryption.backend=clear"]) {
            prop_assert_eq!(experiment.network.layers.len(), experiment.network.shapes.len());
            round_trip(&experiment);
        }
    }
}
