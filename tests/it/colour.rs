//! The vocabulary of deep networks on photographs, from the spec to ciphertexts, and a trained network that is given as a file.

use std::fs;

use crate::common::{Place, json};

/// Everything at once, on a network so small that a whole run takes seconds.
const COLOUR: &str = r#"
name = "colour"
seed = 3

[dataset]
name = "digits"
train = 1500
test = 300
standardize = "per-image"
zca = 3
local_contrast = true
soft_clamp = 2.5

[activation]
function = "relu"
method = "hermite"
degree = 2
interval = [-4.0, 4.0]
form = "hermite-normalized"

[network]
layers = [
    { type = "conv", channels = 6, kernel = 5, stride = 3 },
    { type = "activation" },
    { type = "conv", channels = 12, kernel = 4, stride = 2, padding = 1 },
    { type = "activation" },
    { type = "global-avg-pool" },
]

[train]
epochs = 8
batch = 50
optimizer = "muon"
sgd_learning_rate = 0.1
validation = 100
recalibrate = 500
threads = 1
whiten = true
range_penalty = 1.0
peak_penalty = 1e-3
energy_penalty = 0.1
penalty_growth = 2.0
clamp = 10.0
ema = 0.0

[train.augment]
rotation = 0
scale = 0
shift = 0
shear = 0
elastic = 0
crop = 2
border = "reflect"

[encryption]
views = 2
"#;

#[test]
fn every_form_agrees_from_the_trained_network_to_ciphertexts() {
    let place = Place::new();
    place.write("colour.toml", COLOUR);
    let trained = place.run(&["run", "colour.toml"]).ok();
    assert!(trained.out.contains("of one view alone"), "{}", trained.out);
    let folder = place.run_folder("colour-");
    let summary = json(&folder.join("summary.json"));
    let value = |pointer: &str| {
        let found = summary.pointer(pointer).and_then(serde_json::Value::as_f64);
        found.unwrap_or_else(|| panic!("{pointer} in {summary}"))
    };
    assert!(value("/accuracy/encrypted/value") > 0.4);
    assert!(value("/accuracy/encrypted_one_view/value") > 0.3);
    assert_eq!(value("/encryption/views"), 2.0);
    // Rounded weights change few predictions, noise hardly any, and no logit by more than was predicted.
    assert!(value("/agreement/circuit_vs_polynomial/value") > 0.97);
    assert!(value("/agreement/encrypted_vs_circuit/value") > 0.97);
    assert!(value("/prediction/error_bound_bits/difference") > 0.0);

    // Every activation and the logits, on held-out images with their mirror images and on test images.
    let tails = &summary["tails"];
    assert_eq!(
        (&tails["held_out"]["images"], &tails["test"]["images"]),
        (&200.into(), &300.into())
    );
    for layer in tails["test"]["layers"].as_array().unwrap() {
        let (median, most) = (
            layer["median"].as_f64().unwrap(),
            layer["max"].as_f64().unwrap(),
        );
        assert!(0.0 < median && median <= most, "{layer}");
    }
    assert_eq!(tails["test"]["layers"].as_array().unwrap().len(), 3);

    // The same network from its file: nothing is trained, and the same images are classified the same way.
    let weights = folder.join("model.safetensors");
    let weights = weights.to_str().unwrap();
    let other = Place::new();
    other.write("colour.toml", COLOUR);
    other
        .run(&["run", "colour.toml", "--weights", weights])
        .ok();
    let again = other.run_folder("colour-");
    let repeated = json(&again.join("summary.json"));
    for name in ["polynomial", "circuit"] {
        let pointer = format!("/accuracy/{name}/correct");
        assert_eq!(repeated.pointer(&pointer), summary.pointer(&pointer));
    }
    assert!(repeated.pointer("/timing/train_s").is_none());
    let manifest = json(&again.join("manifest.json"));
    let bytes = fs::read(weights).unwrap();
    assert_eq!(manifest["weights"]["file"], "model.safetensors");
    assert_eq!(
        manifest["weights"]["blake3"],
        blake3::hash(&bytes).to_hex().as_str()
    );
    let stages = manifest["stages"].as_array().unwrap();
    assert!(stages.iter().all(|stage| stage["name"] != "train"));

    // A client gets everything that it must do to an image.
    other
        .run(&["export", again.to_str().unwrap(), "exported"])
        .ok();
    let client = &json(&other.path("exported/client/client.json"))["content"];
    assert_eq!(client["views"], 2);
    assert_eq!(client["preprocessing"]["local_contrast"], true);
    assert_eq!(
        client["preprocessing"]["filter"]["weights"]
            .as_array()
            .map(Vec::len),
        Some(9)
    );

    // Another network's file is refused before anything runs, and it is said where it differs.
    for (change, difference) in [
        ("dataset.zca=5", "preprocessed in another way"),
        (
            "network.layers=[{ type = \"conv\", channels = 7, kernel = 5, stride = 3 }, { type = \"activation\" }]",
            "its layer 0 is conv 5x5 from 1 to 6 channels",
        ),
    ] {
        let refused = other.run(&["run", "colour.toml", "--weights", weights, "--set", change]);
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(refused.err.contains(difference), "{}", refused.err);
    }
    other.write("broken.safetensors", "not a network");
    let refused = other.run(&["run", "colour.toml", "--weights", "broken.safetensors"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
}
