//! Where output goes: standard streams that are closed or full, modes of files, devices and links.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::common::{Place, TINY};

/// An exported run with keys, an upload and a reply.
/// One test at a time: some of them damage the files.
fn place() -> MutexGuard<'static, Place> {
    static PLACE: OnceLock<Mutex<Place>> = OnceLock::new();
    let place = PLACE.get_or_init(|| {
        let place = Place::exported();
        place.say("keygen --client exported/client --out keys").ok();
        place.say(&format!("{ENCRYPT} --out upload.ct")).ok();
        place.say(&format!("{EVALUATE} --out reply.ct")).ok();
        place.write("bad.toml", TINY.replace("degree", "degre"));
        Mutex::new(place)
    });
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

const ENCRYPT: &str =
    "encrypt --client exported/client --key keys/secret.key --dataset digits --range 0..5";
const EVALUATE: &str = "evaluate --server exported/server --keys keys/server --in upload.ct";
const DECRYPT: &str =
    "decrypt --client exported/client --key keys/secret.key --in reply.ct --count 5";

/// Every command that prints, and the exit code that it has where somebody reads what it prints. `RUN` is the finished run.
fn commands(run: &str) -> Vec<(String, i32)> {
    [
        ("--help", 0),
        ("check tiny.toml", 0),
        ("check bad.toml tiny.toml", 2),
        ("plan tiny.toml", 0),
        (
            "run tiny.toml --fixed-costs --set train.epochs=1 --set encryption.images=10",
            0,
        ),
        ("bench tiny.toml --fixed-costs --images 10", 0),
        ("data verify digits", 0),
        ("data verify mnist", 3),
        ("sweep study.toml --dry-run", 0),
        ("sweep study.toml --out swept", 0),
        ("compare RUN RUN", 0),
        ("report --out reports", 0),
        ("publish RUN --to published-NEW", 0),
        ("export RUN exported-NEW", 0),
        ("keygen --client exported/client --out keys-NEW", 0),
        ("ENCRYPT --out u-NEW.ct", 0),
        ("EVALUATE --out r-NEW.ct", 0),
        ("DECRYPT", 0),
    ]
    .into_iter()
    .map(|(line, code)| {
        let line = line
            .replace("ENCRYPT", ENCRYPT)
            .replace("EVALUATE", EVALUATE);
        (line.replace("DECRYPT", DECRYPT).replace("RUN", run), code)
    })
    .collect()
}

const STUDY: &str = r#"
kind = "approximation"
name = "small"
title = "A small table"

[approximation]
functions = ["relu"]
methods = ["hermite"]
degrees = [2]
intervals = [[-4.0, 4.0]]
"#;

/// Protects: a reader that went away (`| head`, `| true`) changes no exit code, and a full disk behind a redirection is told of; nothing
/// panics, whichever of the two streams it is.
#[test]
fn no_command_minds_a_stream_that_is_closed_or_panics_at_one_that_is_full() {
    let place = place();
    place.write("study.toml", STUDY);
    let run = place.run_folder("tiny-");
    let mut wrong = Vec::new();
    for (number, (line, usual)) in commands(run.to_str().unwrap()).into_iter().enumerate() {
        for stream in ["out", "err"] {
            for fault in ["closed", "full"] {
                let line = line.replace("NEW", &format!("{number}-{stream}-{fault}"));
                let mut command = place.command(&line.split_whitespace().collect::<Vec<_>>());
                let broken = broken(fault);
                let (mut kept, kept_by_child) = std::io::pipe().unwrap();
                match stream {
                    "out" => command.stdout(broken).stderr(kept_by_child),
                    _ => command.stderr(broken).stdout(kept_by_child),
                };
                let mut child = command.stdin(Stdio::null()).spawn().unwrap();
                drop(command);
                let mut said = String::new();
                kept.read_to_string(&mut said).unwrap();
                let code = child.wait().unwrap().code();
                // What was to be printed is lost: that is a failure like any other.
                let wanted = match (stream, fault, usual) {
                    ("out", "full", 0) => 1,
                    _ => usual,
                };
                if code != Some(wanted) || said.contains("panicked") {
                    wrong.push(format!(
                        "{line}: standard {stream} {fault}: {code:?} for {wanted}\n{said}"
                    ));
                } else if wanted == 1 && !said.contains("standard output") {
                    wrong.push(format!("{line}: does not say what is full:\n{said}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A stream that cannot be written to.
fn broken(fault: &str) -> Stdio {
    match fault {
        "closed" => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            writer.into()
        }
        _ => OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
            .into(),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Protects: what was decrypted is its owner's alone, everything else is as the user's umask says, and a mode that somebody chose stays.
#[test]
fn modes_of_files() {
    let place = place();
    let in_shell = |umask: &str, line: &str| {
        let program = crate::common::program();
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("umask {umask} && exec {program} {line}")])
            .current_dir(place.path(""))
            .stdout(Stdio::null())
            .env("HOME", place.path(""))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
    };
    in_shell("002", &format!("{DECRYPT} --out labels.csv"));
    assert_eq!(mode(&place.path("labels.csv")), 0o600);
    in_shell("002", &format!("{ENCRYPT} --out by-umask.ct"));
    assert_eq!(mode(&place.path("by-umask.ct")), 0o664);
    in_shell("077", &format!("{ENCRYPT} --out by-umask.ct"));
    assert_eq!(
        mode(&place.path("by-umask.ct")),
        0o664,
        "the mode was there"
    );
    in_shell("077", &format!("{ENCRYPT} --out private.ct"));
    assert_eq!(mode(&place.path("private.ct")), 0o600);
    in_shell("002", "keygen --client exported/client --out keys-by-umask");
    assert_eq!(mode(&place.path("keys-by-umask/secret.key")), 0o600);
    assert_eq!(
        mode(&place.path("keys-by-umask/server/evaluation.key")),
        0o664
    );
    fs::set_permissions(place.path("labels.csv"), fs::Permissions::from_mode(0o640)).unwrap();
    in_shell("077", &format!("{DECRYPT} --out labels.csv"));
    assert_eq!(mode(&place.path("labels.csv")), 0o640);
    in_shell(
        "077",
        "run tiny.toml --fixed-costs --out private --set train.epochs=1 --set encryption.backend=clear",
    );
    let runs = fs::read_dir(place.path("private/runs")).unwrap();
    for run in runs {
        assert_eq!(
            mode(&run.unwrap().path()),
            0o700,
            "results for the umask of their owner"
        );
    }
}

/// Protects: `--out /dev/null` does not replace the device, `--out` to a pipe feeds its reader, and a link stays one.
#[test]
fn outputs_that_are_no_regular_files_are_written_through() {
    let place = place();
    let table = place.say(DECRYPT).ok().out;
    place.say(&format!("{DECRYPT} --out /dev/null")).ok();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());

    std::os::unix::fs::symlink("real.csv", place.path("link.csv")).unwrap();
    place.say(&format!("{DECRYPT} --out link.csv")).ok();
    assert!(
        fs::symlink_metadata(place.path("link.csv"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(fs::read_to_string(place.path("real.csv")).unwrap(), table);

    let pipe = place.path("pipe.csv");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    place.say(&format!("{DECRYPT} --out pipe.csv")).ok();
    assert_eq!(reader.join().unwrap(), table);
    assert!(!fs::metadata(&pipe).unwrap().is_file());
}

/// Protects: bytes behind the closing digest, which nothing vouches for, are refused in every file, and the error names it.
#[test]
fn bytes_after_the_digest_are_refused_in_every_file() {
    let place = place();
    let files = [
        ("keys/secret.key", DECRYPT),
        ("keys/server/evaluation.key", EVALUATE),
        ("upload.ct", EVALUATE),
        ("reply.ct", DECRYPT),
        ("exported/server/circuit.bin", EVALUATE),
        ("exported/client/client.json", DECRYPT),
        ("exported/server/server.json", EVALUATE),
    ];
    for (file, line) in files {
        let whole = fs::read(place.path(file)).unwrap();
        fs::write(place.path(file), [&whole[..], b"x"].concat()).unwrap();
        let name = file.rsplit('/').next().unwrap();
        let line = if line == EVALUATE {
            format!("{line} --out longer.ct")
        } else {
            line.to_owned()
        };
        place.say(&line).fails(1, &[name]);
        fs::write(place.path(file), whole).unwrap();
        place.say(&line).ok();
    }
}
