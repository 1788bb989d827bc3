//! Keys know each other, and none is ever lost or halved.

use std::fs;
use std::sync::OnceLock;

use crate::common::{Place, TINY};

/// An exported run, the keys `a` and `b`, an upload and a reply under `a`, and another exported run.
fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Place::exported();
        for key in ["a", "b"] {
            place
                .say(&format!("keygen --client exported/client --out {key}"))
                .ok();
        }
        place.say(&format!("{ENCRYPT} --out upload.ct")).ok();
        place
            .say(&format!("{EVALUATE} --in upload.ct --out reply.ct"))
            .ok();
        place.write(
            "other.toml",
            TINY.replace("\"tiny\"", "\"other\"")
                .replace("degree = 2", "degree = 4")
                .replace("seed = 3", "seed = 4"),
        );
        place.export("other.toml", "other-", "other");
        place
    })
}

const ENCRYPT: &str =
    "encrypt --client exported/client --key a/secret.key --dataset digits --range 0..5";
const EVALUATE: &str = "evaluate --server exported/server --keys a/server";
const DECRYPT: &str = "decrypt --client exported/client --key a/secret.key --in reply.ct --count 5";

/// Protects: files of two keys or two circuits never meet in a computation whose result looks like any other.
#[test]
fn what_does_not_belong_together_is_refused_by_name() {
    let place = place();
    let refused = |line: &str, words: &[&str]| {
        place.say(line).fails(2, words);
        assert!(!place.path("wrong.out").exists(), "{line}");
    };
    // The evaluation key of another secret.
    refused(
        "evaluate --server exported/server --keys b/server --in upload.ct --out wrong.out",
        &["upload.ct", "b/server/evaluation.key", "another key"],
    );
    // The secret of another upload.
    refused(
        "decrypt --client exported/client --key b/secret.key --in reply.ct --count 5 --out wrong.out",
        &["reply.ct", "b/secret.key", "another key"],
    );
    // The reply of another circuit, and an upload for it: whether its parameters are the same or not.
    refused(
        "decrypt --client other/client --key a/secret.key --in reply.ct --count 5 --out wrong.out",
        &["another"],
    );
    refused(
        "evaluate --server other/server --keys a/server --in upload.ct --out wrong.out",
        &["another"],
    );
    // One kind of file in the place of another.
    refused(
        "decrypt --client exported/client --key a/secret.key --in upload.ct --count 5 --out wrong.out",
        &["upload.ct", "upload"],
    );
    refused(
        "evaluate --server exported/server --keys a/server --in reply.ct --out wrong.out",
        &["reply.ct", "reply"],
    );
    // A description of one circuit beside another.
    fs::create_dir_all(place.path("mixed")).unwrap();
    fs::copy(
        place.path("exported/server/server.json"),
        place.path("mixed/server.json"),
    )
    .unwrap();
    fs::copy(
        place.path("other/server/circuit.bin"),
        place.path("mixed/circuit.bin"),
    )
    .unwrap();
    refused(
        "evaluate --server mixed --keys a/server --in upload.ct --out wrong.out",
        &["mixed/circuit.bin", "server.json"],
    );
    // What belongs together still does.
    place.say(DECRYPT).ok();
}

/// Protects: a second `keygen` in the same folder does not destroy the only key that reads yesterday's replies.
#[test]
fn keygen_replaces_keys_only_when_told_to() {
    let place = place();
    place.say("keygen --client exported/client --out once").ok();
    let read = || {
        ["once/secret.key", "once/server/evaluation.key"]
            .map(|file| fs::read(place.path(file)).unwrap())
    };
    let before = read();
    place
        .say("keygen --client exported/client --out once")
        .fails(2, &["once/secret.key", "--force"]);
    assert!(read() == before);
    place
        .say("keygen --client exported/client --out once --force")
        .ok();
    let after = read();
    assert!(after[0] != before[0] && after[1] != before[1]);
    assert_eq!(place.hidden_below("once"), Vec::<std::path::PathBuf>::new());

    // One half is as good a reason.
    fs::remove_file(place.path("once/secret.key")).unwrap();
    place
        .say("keygen --client exported/client --out once")
        .fails(2, &["once/server/evaluation.key", "--force"]);
    assert!(!place.path("once/secret.key").exists());
}

/// Protects: where the disk is full (here: a limit on the size of files, at every size up to that of the pair), there are both keys or none,
/// and keys that were there before are whole.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_a_pair_or_nothing() {
    let place = place();
    let evaluation = fs::metadata(place.path("a/server/evaluation.key"))
        .unwrap()
        .len();
    let old =
        ["a/secret.key", "a/server/evaluation.key"].map(|file| fs::read(place.path(file)).unwrap());
    for blocks in [0, 1, 4, 16, 64, evaluation / 1024 - 1] {
        let keygen = |out: &str| {
            let program = crate::common::program();
            let line = format!(
                "trap '' XFSZ; ulimit -f {blocks}; exec {program} keygen --client exported/client --out {out}"
            );
            std::process::Command::new("bash")
                .args(["-c", &line])
                .current_dir(place.path(""))
                .output()
                .unwrap()
        };
        let ended = keygen("full");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{blocks}: {said}");
        assert!(
            said.contains("full") && !said.contains("panicked"),
            "{said}"
        );
        let there =
            ["full/secret.key", "full/server/evaluation.key"].map(|file| place.path(file).exists());
        assert_eq!(there, [false, false], "{blocks}");
        let ended = keygen("a --force");
        assert_eq!(ended.status.code(), Some(1));
        let kept = ["a/secret.key", "a/server/evaluation.key"]
            .map(|file| fs::read(place.path(file)).unwrap());
        assert!(kept == old, "{blocks}: the old pair was touched");
    }
    place.say(DECRYPT).ok();
}

/// Protects: `--out` that names an input by mistake does not destroy it, whatever name it goes by.
#[test]
fn no_output_replaces_an_input() {
    let place = place();
    #[cfg(unix)]
    std::os::unix::fs::symlink("a/secret.key", place.path("link.key")).unwrap();
    let cases = [
        format!("{ENCRYPT} --out a/secret.key"),
        format!("{ENCRYPT} --out exported/../a/secret.key"),
        #[cfg(unix)]
        format!("{ENCRYPT} --out link.key"),
        format!("{ENCRYPT} --out exported/client/client.json"),
        format!("{EVALUATE} --in upload.ct --out upload.ct"),
        format!("{EVALUATE} --in upload.ct --out a/server/evaluation.key"),
        format!("{EVALUATE} --in upload.ct --out exported/server/circuit.bin"),
        format!("{DECRYPT} --out reply.ct"),
        format!("{DECRYPT} --out a/secret.key"),
        format!("{DECRYPT} --out exported/client/client.json"),
    ];
    let all = [
        "a/secret.key",
        "a/server/evaluation.key",
        "upload.ct",
        "reply.ct",
        "exported/client/client.json",
        "exported/server/circuit.bin",
    ];
    let read = || all.map(|file| fs::read(place.path(file)).unwrap());
    let before = read();
    for line in cases {
        place.say(&line).fails(2, &["--out", "input"]);
        assert!(read() == before, "{line}");
    }
    let image = place.write("one.png", b"an image");
    place
        .say(&format!(
            "encrypt --client exported/client --key a/secret.key --images {0} --out {0}",
            image.display()
        ))
        .fails(2, &["--out", "input"]);
    assert_eq!(fs::read(image).unwrap(), b"an image");
    let run = place.run_folder("tiny-");
    let run = run.to_str().unwrap();
    place
        .say(&format!("export {run} {run}"))
        .fails(2, &["input"]);
}
