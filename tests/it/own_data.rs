//! Images of one's own, from a folder of pictures to labels that were decrypted.

use std::fs::{self, File};
use std::path::Path;

use crate::common::{Place, json};

/// Not square, so that rows and columns are told apart.
const HEIGHT: usize = 16;
const WIDTH: usize = 20;
const CLASSES: [&str; 3] = ["cross", "rows", "stripes"];
const PER_CLASS: usize = 150;

/// Bars in one direction, in the other, or in both, somewhere in noise.
fn drawing(class: usize, index: usize) -> Vec<u8> {
    let mut state = (index * CLASSES.len() + class) as u32 * 2_654_435_761 + 1;
    let mut below = |n: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % n
    };
    let (row, column) = (2 + below(12) as usize, 2 + below(16) as usize);
    (0..HEIGHT * WIDTH)
        .map(|at| {
            let on_row = (at / WIDTH).abs_diff(row) <= 1 && class != 2;
            let on_column = (at % WIDTH).abs_diff(column) <= 1 && class != 1;
            let ink = if on_row || on_column { 150 } else { 0 };
            ink + below(40) as u8
        })
        .collect()
}

fn png(path: &Path, pixels: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(pixels)
        .unwrap();
}

const SPEC: &str = "name = \"shapes\"
seed = 5
[dataset]
path = \"shapes\"
[network]
layers = [{ type = \"conv\", channels = 8, kernel = 5, stride = 2 }, { type = \"activation\" }, { type = \"dense\", units = 16 }, { type = \"activation\" }]
[train]
epochs = 15
batch = 16
threads = 1
";

#[test]
fn a_folder_of_pictures_ends_as_decrypted_labels() {
    let place = Place::new();
    for (class, name) in CLASSES.iter().enumerate() {
        for index in 0..PER_CLASS {
            let path = place.path(&format!("shapes/{name}/{index:03}.png"));
            png(&path, &drawing(class, index));
        }
    }
    place.write("shapes.toml", SPEC);
    let shown = place.run(&["data", "show", "shapes"]).ok().out;
    for line in [
        "folder of pictures",
        "[1, 16, 20]",
        "1  rows                           120        30",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    place.run(&["check", "shapes.toml"]).ok();
    place.run(&["run", "shapes.toml", "--fixed-costs"]).ok();
    let run = place.run_folder("shapes-");
    let accuracy = &json(&run.join("summary.json"))["accuracy"]["encrypted"];
    assert_eq!(accuracy["n"].as_u64(), Some(90));
    assert!(accuracy["value"].as_f64().unwrap() > 0.9, "{accuracy}");
    let images = fs::read_to_string(run.join("images.csv")).unwrap();
    assert_eq!(images.lines().count(), 91);
    assert!(images.starts_with("index,image\n0,"), "{images}");
    assert!(
        images.lines().skip(1).all(|line| line.ends_with(".png")),
        "{images}"
    );
    let report = fs::read_to_string(run.join("report.md")).unwrap();
    assert!(report.contains("shapes"), "the report names the data set");

    // The same images as an IDX pair in another place are the same stages.
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for class in 0..CLASSES.len() {
        for index in 0..PER_CLASS {
            pixels.extend(drawing(class, index));
            labels.push(class as u8);
        }
    }
    let count = labels.len() as u32;
    let header = |magic: u32, sizes: &[u32]| -> Vec<u8> {
        let fields = [&[magic], sizes].concat();
        fields.into_iter().flat_map(u32::to_be_bytes).collect()
    };
    let images = [header(0x803, &[count, HEIGHT as u32, WIDTH as u32]), pixels].concat();
    place.write("elsewhere/images-idx3-ubyte", images);
    place.write(
        "elsewhere/labels-idx1-ubyte",
        [header(0x801, &[count]), labels].concat(),
    );
    let again = place
        .run(&[
            "run",
            "shapes.toml",
            "--fixed-costs",
            "--set",
            "dataset.path=elsewhere",
            "--set",
            "dataset.classes=[\"cross\", \"rows\", \"stripes\"]",
        ])
        .ok();
    assert!(
        again
            .out
            .contains("reused from the store: train, plaintext, circuit, encrypted"),
        "{}",
        again.out
    );

    // The client's pictures go by name.
    place.run(&["export", run.to_str().unwrap(), "deploy"]).ok();
    place.say("keygen --client deploy/client --out keys").ok();
    for index in 0..6 {
        png(
            &place.path(&format!("new/{index}.png")),
            &drawing(index % 3, 1000 + index),
        );
    }
    fs::rename(place.path("new/3.png"), place.path("new/3, again.png")).unwrap();
    place
        .say("encrypt --client deploy/client --key keys/secret.key --images new --out up.ct")
        .ok();
    place
        .say("evaluate --server deploy/server --keys keys/server --in up.ct --out reply.ct")
        .ok();
    let table = place
        .say("decrypt --client deploy/client --key keys/secret.key --in reply.ct")
        .ok()
        .out;
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 7, "{table}");
    assert!(rows[1].ends_with(",new/0.png"), "{table}");
    assert!(rows[4].ends_with(",\"new/3, again.png\""), "{table}");
    let right = rows[1..]
        .iter()
        .enumerate()
        .filter(|(index, row)| row.split(',').nth(1) == Some((index % 3).to_string().as_str()));
    assert!(right.count() >= 5, "{table}");

    // What is wrong is named, before anything runs.
    place.write("shapes/rows/007.png", "no picture");
    place
        .run(&["check", "shapes.toml"])
        .fails(3, &["rows/007.png", "cannot be decoded", "shapes.toml:4"]);
    place
        .run(&["data", "show", "shapes"])
        .fails(3, &["rows/007.png"]);
    place
        .run(&["run", "shapes.toml", "--set", "dataset.path=nowhere"])
        .fails(3, &["nowhere", "--set dataset.path=nowhere"]);
}
