//! Client and server as separate processes, with bootstrapped look-ups.

use std::fs;

use crate::common::{Place, json};

/// Few neurons and few bits: a bootstrap takes milliseconds.
const LOOKUPS: &str = r#"
name = "lookups"
seed = 3

[dataset]
name = "digits"
train = 1200
test = 300

[activation]
function = "relu"
exact = true

[network]
layers = [
    { type = "dense", units = 12 },
    { type = "activation" },
    { type = "dense", units = 10 },
]

[train]
epochs = 3
batch = 32
validation = 100
recalibrate = 400
threads = 1

[encryption]
backend = "tfhe"
message_bits = 3
pixel_bits = 1
images = 4
"#;

const ENCRYPT: [&str; 12] = [
    "encrypt",
    "--client",
    "exported/client",
    "--key",
    "keys/secret.key",
    "--dataset",
    "digits",
    "--seed",
    "3",
    "--range",
    "0..4",
    "--out",
];
const EVALUATE: [&str; 9] = [
    "evaluate",
    "--server",
    "exported/server",
    "--keys",
    "keys/server",
    "--in",
    "upload.ct",
    "--out",
    "reply.ct",
];
const DECRYPT: [&str; 7] = [
    "decrypt",
    "--client",
    "exported/client",
    "--key",
    "keys/secret.key",
    "--in",
    "reply.ct",
];

#[test]
fn five_commands_give_the_integers_of_the_run_and_damaged_files_are_refused() {
    let place = Place::new();
    place.write("lookups.toml", LOOKUPS);
    place.run(&["run", "lookups.toml"]).ok();
    let run = place.run_folder("lookups-");
    place
        .run(&["export", run.to_str().unwrap(), "exported"])
        .ok();
    let keygen = ["keygen", "--client", "exported/client", "--out", "keys"];
    place.run(&keygen).ok();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = fs::metadata(place.path("keys/secret.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
    let said = place.run(&[&ENCRYPT[..], &["upload.ct"]].concat()).ok();
    assert!(said.out.contains("4 images"), "{}", said.out);
    // The server has its folder, the evaluation keys and the upload; the secret is elsewhere.
    fs::rename(place.path("keys/secret.key"), place.path("away.key")).unwrap();
    place.run(&EVALUATE).ok();
    fs::rename(place.path("away.key"), place.path("keys/secret.key")).unwrap();
    let table = place.run(&DECRYPT).ok().out;

    // Exact integers: other keys give the same logits to the last digit.
    place
        .run(&["keygen", "--client", "exported/client", "--out", "other"])
        .ok();
    let with_other = |arguments: &[&str]| -> Vec<String> {
        arguments
            .iter()
            .map(|argument| {
                argument
                    .replace("keys/", "other/")
                    .replace(".ct", ".other.ct")
            })
            .collect()
    };
    let run_other = |arguments: &[&str]| {
        let arguments = with_other(arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        place.run(&arguments).ok()
    };
    run_other(&[&ENCRYPT[..], &["upload.ct"]].concat());
    run_other(&EVALUATE);
    assert_eq!(run_other(&DECRYPT).out, table);
    assert_eq!(table.lines().count(), 5);
    // And those of the run, whose ciphertexts were other ones again.
    let correct = json(&run.join("summary.json"))["accuracy"]["encrypted"]["correct"]
        .as_u64()
        .unwrap();
    assert!(correct <= 4);
    let first = place.run(&[&DECRYPT[..], &["--count", "1"]].concat()).ok();
    assert_eq!(
        first.out.lines().collect::<Vec<_>>(),
        table.lines().take(2).collect::<Vec<_>>()
    );

    // Files of two keys never meet: not on the server, not on the client.
    let mixed = |line: &[&str], from: &str, to: &str| {
        let line: Vec<String> = line.iter().map(|word| word.replace(from, to)).collect();
        place.run(&line.iter().map(String::as_str).collect::<Vec<_>>())
    };
    mixed(&EVALUATE, "keys/", "other/").fails(2, &["upload.ct", "another key"]);
    mixed(&DECRYPT, "keys/", "other/").fails(2, &["reply.ct", "another key"]);
    mixed(&DECRYPT, "reply.ct", "reply.other.ct").fails(2, &["reply.other.ct", "another key"]);

    refusals(&place);
}

/// What a confused or hostile other side may send.
fn refusals(place: &Place) {
    let whole = |name: &str| fs::read(place.path(name)).unwrap();
    let flipped = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let upload = whole("upload.ct");
    let reply = whole("reply.ct");
    fs::remove_file(place.path("reply.ct")).unwrap();
    for (bytes, words) in [
        (upload[..upload.len() - 1].to_vec(), "digest does not match"),
        ([&upload[..], b"x"].concat(), "digest does not match"),
        (flipped(upload.clone()), "digest does not match"),
        (Vec::new(), "not an upload"),
    ] {
        fs::write(place.path("upload.ct"), bytes).unwrap();
        place.run(&EVALUATE).fails(1, &["upload.ct", words]);
        assert!(!place.path("reply.ct").exists());
    }
    fs::write(place.path("upload.ct"), &reply).unwrap();
    place
        .run(&EVALUATE)
        .fails(2, &["upload.ct", "this is a reply"]);
    fs::write(place.path("upload.ct"), &upload).unwrap();
    fs::write(place.path("reply.ct"), flipped(reply.clone())).unwrap();
    place
        .run(&DECRYPT)
        .fails(1, &["reply.ct", "digest does not match"]);
    fs::write(place.path("reply.ct"), upload).unwrap();
    place
        .run(&DECRYPT)
        .fails(2, &["reply.ct", "this is an upload"]);
    fs::write(place.path("reply.ct"), &reply).unwrap();
    place
        .run(&[&DECRYPT[..], &["--count", "5"]].concat())
        .fails(2, &["1 to 4"]);
    // A server's folder holds no secret, whoever asks.
    let server: Vec<&str> = DECRYPT
        .iter()
        .map(|word| {
            if *word == "exported/client" {
                "exported/server"
            } else {
                *word
            }
        })
        .collect();
    place.run(&server).fails(2, &["server's folder"]);
    // Evaluation keys where the secret should be, and a damaged package.
    fs::rename(place.path("keys/secret.key"), place.path("away.key")).unwrap();
    fs::copy(
        place.path("keys/server/evaluation.key"),
        place.path("keys/secret.key"),
    )
    .unwrap();
    place
        .run(&DECRYPT)
        .fails(2, &["secret.key", "this is an evaluation key"]);
    fs::rename(place.path("away.key"), place.path("keys/secret.key")).unwrap();
    let package = place.path("exported/client/client.json");
    let text = fs::read_to_string(&package).unwrap();
    fs::write(
        &package,
        text.replace("\"pixel_bits\": 1", "\"pixel_bits\": 9"),
    )
    .unwrap();
    place.run(&DECRYPT).fails(1, &["client.json", "digest"]);
}
