//! SIGINT and SIGTERM: answered by a line, and by the exit code that says whether something was saved.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, TINY};

/// How long a program that does not obey is waited for before it is killed: the test has failed then.
const PATIENCE: Duration = Duration::from_secs(60);

fn kill(child: &Child, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

fn code_of(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

fn pipe(place: &Place, name: &str) -> PathBuf {
    let path = place.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    path
}

/// The other end of a pipe, once the program has opened its own.
fn write_end(path: &Path, child: &mut Child) -> File {
    use std::os::unix::fs::OpenOptionsExt;
    /// `O_NONBLOCK`: opening fails while nobody reads.
    const WITHOUT_WAITING: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 4 };
    loop {
        let mut options = OpenOptions::new();
        if let Ok(file) = options.write(true).custom_flags(WITHOUT_WAITING).open(path) {
            return file;
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{}: never read", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Protects: every command can be ended, wherever it is. Each is stopped while it reads a file that never ends: a pipe.
#[test]
fn every_command_ends_at_the_first_signal_with_nothing_saved() {
    let cases = [
        ("check SPEC", "SPEC"),
        ("plan SPEC", "SPEC"),
        ("run SPEC", "SPEC"),
        ("bench SPEC", "SPEC"),
        ("sweep SPEC", "SPEC"),
        ("export A B", "A/inputs.json"),
        ("keygen --client C --out K", "C/client.json"),
        (
            "encrypt --client C --key K --dataset digits --out u.ct",
            "C/client.json",
        ),
        (
            "evaluate --server S --keys K --in u.ct --out r.ct",
            "S/server.json",
        ),
        ("decrypt --client C --key K --in r.ct", "C/client.json"),
    ];
    for (line, file) in cases {
        for signal in ["-INT", "-TERM"] {
            let place = Place::new();
            let path = pipe(&place, file);
            let mut child = place
                .command(&line.split_whitespace().collect::<Vec<_>>())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let writer = write_end(&path, &mut child);
            kill(&child, signal);
            let code = code_of(&mut child);
            drop(writer);
            let mut said = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut said)
                .unwrap();
            assert_eq!(code, Some(130), "{line} {signal}: {said}");
            assert!(said.contains("stopped"), "{line} {signal}: {said}");
        }
    }
}

/// Protects: measuring the costs of the machine and finding polynomials are work of seconds that a signal ends, too.
#[test]
fn calibration_ends_at_the_first_signal() {
    let place = Place::new();
    place.write("tiny.toml", TINY);
    let mut child = place
        .command(&["plan", "tiny.toml", "--calibrate"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let measuring = lines.any(|line| line.unwrap().contains("measuring"));
    assert!(measuring, "the calibration has begun");
    kill(&child, "-INT");
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(code_of(&mut child), Some(130), "{said:?}");
    assert!(said.iter().any(|line| line.contains("stopped")), "{said:?}");
    assert!(!place.path("results/costs.json").exists());
}

/// Protects: a long training says at once what it is finishing, and ends with 75 where the next run goes on from a checkpoint. A kill in
/// between leaves nothing hidden behind once the run is whole.
#[test]
fn training_says_what_it_finishes_and_kills_leave_no_litter() {
    let place = Place::new();
    place.write("tiny.toml", TINY);
    let long = [
        "run",
        "tiny.toml",
        "--fixed-costs",
        "--set",
        "train.epochs=12",
        "--set",
        "encryption.images=10",
    ];
    let start = |signal: &str| {
        let mut child = place
            .command(&long)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_checkpoint(&place, &mut child);
        kill(&child, signal);
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        (child.wait().unwrap().code(), said)
    };
    let (code, said) = start("-INT");
    assert_eq!(code, Some(75), "{said}");
    // What can stop at once says only that it did.
    assert!(
        said.contains("stopping: finishing") || said.contains("stopped: "),
        "{said}"
    );
    assert_eq!(
        place.hidden_below("results"),
        Vec::<PathBuf>::new(),
        "a stop tidies up"
    );
    let (code, _) = start("-KILL");
    assert_eq!(code, None);
    assert!(
        !place.hidden_below("results").is_empty(),
        "the kill came too late to test anything"
    );
    place.run(&long).ok();
    assert_eq!(place.hidden_below("results"), Vec::<PathBuf>::new());
    // A checkpoint's folder goes when its training is done.
    let partial = fs::read_dir(place.path("results/store/partial")).unwrap();
    assert_eq!(partial.count(), 0);
}

/// Returns once a checkpoint is there: of this run or of the one before it, after which there is one more.
fn wait_for_checkpoint(place: &Place, child: &mut Child) {
    let partial = place.path("results/store/partial");
    let newest = || {
        let folders = fs::read_dir(&partial).into_iter().flatten().flatten();
        let files =
            folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
        let files =
            files.filter(|file| crate::common::file_name(&file.path()).contains("checkpoint"));
        files
            .filter_map(|file| file.metadata().ok()?.modified().ok())
            .max()
    };
    let before = newest();
    let start = Instant::now();
    while newest() == before {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended before it was killed"
        );
        assert!(start.elapsed() < PATIENCE, "no checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
}
