//! Client and server as separate processes, each in a folder of its own.

use std::fs;

use crate::common::{Place, TINY, json};

#[test]
fn five_commands_and_no_secret_on_the_server() {
    let client = Place::new();
    client.write("tiny.toml", TINY);
    client.run(&["run", "tiny.toml"]).ok();
    let run = client.run_folder("tiny-");
    client
        .run(&["export", run.to_str().unwrap(), "exported"])
        .ok();
    client
        .run(&["keygen", "--client", "exported/client", "--out", "keys"])
        .ok();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(client.path("keys/secret.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let encrypt = [
        "encrypt",
        "--client",
        "exported/client",
        "--key",
        "keys/secret.key",
        "--dataset",
        "digits",
        "--seed",
        "3",
    ];
    let said = client
        .run(&[&encrypt[..], &["--range", "0..50", "--out", "upload.ct"]].concat())
        .ok();
    assert!(said.out.contains("50 images"), "{}", said.out);

    // The server's machine: its folder, the evaluation key, the upload, and nothing else.
    let server = Place::new();
    copy_folder(&client.path("exported/server"), &server.path("circuit"));
    copy_folder(&client.path("keys/server"), &server.path("keys"));
    fs::copy(client.path("upload.ct"), server.path("upload.ct")).unwrap();
    assert!(!server.path("keys/secret.key").exists());
    let evaluate = [
        "evaluate",
        "--server",
        "circuit",
        "--keys",
        "keys",
        "--in",
        "upload.ct",
        "--out",
        "reply.ct",
    ];
    server.run(&evaluate).ok();
    fs::copy(server.path("reply.ct"), client.path("reply.ct")).unwrap();

    let decrypt = [
        "decrypt",
        "--client",
        "exported/client",
        "--key",
        "keys/secret.key",
        "--in",
        "reply.ct",
    ];
    // How many images there are and what they are called is known beside the key, and nowhere on the server.
    let table = client.run(&decrypt).ok().out;
    let names: Vec<&str> = table
        .lines()
        .map(|line| line.rsplit_once(',').unwrap().1)
        .collect();
    assert_eq!(
        (names[0], names[1], names[50]),
        ("name", "digits:0", "digits:49")
    );
    let few = client
        .run(&[&decrypt[..], &["--count", "3"]].concat())
        .ok()
        .out;
    assert_eq!(few.lines().count(), 4);
    client
        .run(&[&decrypt[..], &["--count", "51"]].concat())
        .fails(2, &["1 to 50"]);
    let labels: Vec<&str> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    assert_eq!(labels.len(), 50);
    // Fresh keys, the same circuit: the same labels, but for images on the edge between two classes.
    let wanted = client.path("labels.csv");
    client
        .run(&[&decrypt[..], &["--out", wanted.to_str().unwrap()]].concat())
        .ok();
    assert_eq!(fs::read_to_string(&wanted).unwrap(), table);
    let accuracy = json(&run.join("summary.json"))["accuracy"]["encrypted"]["value"]
        .as_f64()
        .unwrap();
    assert!(accuracy > 0.5);

    // What a confused or hostile other side may send.
    server
        .run(&[
            "decrypt",
            "--client",
            "circuit",
            "--key",
            "keys/evaluation.key",
            "--in",
            "reply.ct",
        ])
        .fails(2, &["server's folder"]);
    let upload = fs::read(client.path("upload.ct")).unwrap();
    for (name, bytes) in [
        ("cut short", upload[..upload.len() - 1].to_vec()),
        ("empty", Vec::new()),
        ("flipped", {
            let mut bytes = upload.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }),
    ] {
        fs::write(server.path("upload.ct"), bytes).unwrap();
        fs::remove_file(server.path("reply.ct")).ok();
        server.run(&evaluate).fails(1, &[]);
        assert!(
            !server.path("reply.ct").exists(),
            "{name}: a reply was left"
        );
    }

    // A key of another parameter set.
    client.write(
        "other.toml",
        TINY.replace("\"tiny\"", "\"other\"")
            .replace("degree = 2", "degree = 4"),
    );
    client
        .run(&[
            "run",
            "other.toml",
            "--set",
            "train.epochs=1",
            "--set",
            "encryption.images=10",
        ])
        .ok();
    let other = client.run_folder("other-");
    client
        .run(&["export", other.to_str().unwrap(), "other"])
        .ok();
    client
        .run(&[
            "encrypt",
            "--client",
            "other/client",
            "--key",
            "keys/secret.key",
            "--dataset",
            "digits",
            "--range",
            "0..1",
            "--out",
            "x.ct",
        ])
        .fails(2, &["secret.key", "another parameter set"]);
    assert!(!client.path("x.ct").exists());
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
