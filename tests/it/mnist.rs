//! Real MNIST: a few hundred training steps, then an encrypted evaluation. Needs the official files in `CRYPTODL_DATA_DIR`.

use crate::common::{Place, json};

const SPEC: &str = r#"
name = "mnist_steps"
seed = 1

[dataset]
name = "mnist"
train = 25000
test = 1000

[activation]
function = "relu"
method = "hermite"
degree = 2

[network]
layers = [
    { type = "conv", channels = 8, kernel = 5, stride = 2 },
    { type = "activation" },
    { type = "conv", channels = 16, kernel = 5, stride = 2 },
    { type = "activation" },
    { type = "dense", units = 10 },
]

[train]
epochs = 3
ema = 0.98
batch = 128
validation = 1000
augment = false
"#;

#[test]
fn a_few_hundred_steps_on_real_mnist_classify_encrypted_images() {
    let Ok(data) = std::env::var("CRYPTODL_DATA_DIR") else {
        assert!(
            std::env::var_os("CRYPTODL_REQUIRE_MNIST").is_none(),
            "CRYPTODL_DATA_DIR is not set, but MNIST is required"
        );
        eprintln!("SKIPPED: no real MNIST (set CRYPTODL_DATA_DIR to the folder that holds mnist/)");
        return;
    };
    let place = Place::new();
    place.write("spec.toml", SPEC);
    let spec = place.path("spec.toml");
    // The data folder may be given relative to where the tests were started.
    let data = std::path::absolute(data).unwrap();
    place
        .run(&[
            "run",
            spec.to_str().unwrap(),
            "--data-dir",
            data.to_str().unwrap(),
        ])
        .ok();
    let summary = json(&place.run_folder("mnist_steps-").join("summary.json"));
    assert_eq!(summary["accuracy"]["encrypted"]["n"], 1000);
    assert!(
        summary["accuracy"]["encrypted"]["value"].as_f64().unwrap() > 0.95,
        "{summary}"
    );
    assert!(
        summary["agreement"]["encrypted_vs_polynomial"]["value"]
            .as_f64()
            .unwrap()
            >= 0.99,
        "{summary}"
    );
}
