//! Downloads from a tiny server in this process that breaks off, lies and refuses.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;
use crate::digest::sha256_of;
use crate::official::Part;

/// What the client asked for: the path, and where to go on from.
type Request = (String, Option<u64>);

/// What the server does with one request.
enum Reply {
    /// Sends the content, from where the client asks for it on.
    Serve(Vec<u8>),
    /// The same, but ignores where the client wants it from.
    ServeWhole(Vec<u8>),
    /// Announces all that was asked for, but hangs up after this many bytes.
    Break(Vec<u8>, usize),
    /// Only a status.
    Status(u16),
}

/// Gives the replies in turn, one a connection, and notes the requests.
struct Server {
    base: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let mut replies = VecDeque::from(replies);
        // Ends with its last reply; a connection after that is refused, and the test fails.
        std::thread::spawn(move || {
            while let Some(reply) = replies.pop_front() {
                let (stream, _) = listener.accept().unwrap();
                let request = read_request(&stream);
                notes.lock().unwrap().push(request.clone());
                // The client may hang up first.
                let _ = answer(stream, reply, request.1);
            }
        });
        Self { base, asked }
    }

    fn ranges(&self) -> Vec<Option<u64>> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(|(_, range)| *range)
            .collect()
    }
}

fn read_request(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let mut range = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
            range = Some(value.trim_end_matches('-').parse().unwrap());
        }
    }
    (path, range)
}

fn answer(mut stream: TcpStream, reply: Reply, range: Option<u64>) -> io::Result<()> {
    let (content, range, limit) = match reply {
        Reply::Serve(content) => (content, range, usize::MAX),
        Reply::ServeWhole(content) => (content, None, usize::MAX),
        Reply::Break(content, limit) => (content, range, limit),
        Reply::Status(status) => {
            return write!(
                stream,
                "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    };
    let start = range.map_or(0, |start| {
        usize::try_from(start).unwrap().min(content.len())
    });
    let body = &content[start..];
    let status = if range.is_some() {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    )?;
    if range.is_some() {
        write!(
            stream,
            "Content-Range: bytes {start}-{}/{}\r\n",
            content.len() - 1,
            content.len()
        )?;
    }
    write!(stream, "\r\n")?;
    stream.write_all(&body[..limit.min(body.len())])
}

/// A data set of one file, and a folder for it.
struct Bench {
    content: Vec<u8>,
    set: OfficialSet,
    folder: tempfile::TempDir,
    stop: AtomicBool,
}

impl Bench {
    fn new() -> Self {
        let content: Vec<u8> = (0..200_000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let official = |name, content: &[u8]| -> &'static [OfficialFile] {
            let (bytes, sha256) = sha256_of(content).unwrap();
            Box::leak(Box::new([OfficialFile {
                name,
                bytes,
                sha256,
            }]))
        };
        let part = Part {
            packed: official("blob.gz", &content),
            unpacked: official("blob", b"unpacked"),
        };
        let set = OfficialSet {
            dataset: DatasetName::Mnist,
            parts: Box::leak(Box::new([part])),
            mirrors: &[],
        };
        Self {
            content,
            set,
            folder: tempfile::tempdir().unwrap(),
            stop: AtomicBool::new(false),
        }
    }

    fn fetch(&self, servers: &[&Server]) -> Result<Vec<Fetched>, DataError> {
        let mirrors: Vec<String> = servers.iter().map(|server| server.base.clone()).collect();
        // Not through a proxy that the environment may name.
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .build();
        let agent = config.new_agent();
        let job = Job {
            mirrors: &mirrors,
            agent: &agent,
            stop: &self.stop,
        };
        job.fetch_set(&self.set, &DataDirs::resolve(Some(self.folder.path())))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("mnist").join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::create_dir_all(self.folder.path().join("mnist")).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    fn assert_whole(&self) {
        assert_eq!(fs::read(self.path("blob.gz")).unwrap(), self.content);
        assert!(!self.path("blob.gz.part").exists());
    }

    fn wrong(&self) -> Vec<u8> {
        let mut wrong = self.content.clone();
        wrong[100_000] ^= 1;
        wrong
    }
}

#[test]
fn a_file_is_downloaded_and_not_downloaded_again() {
    let bench = Bench::new();
    let server = Server::start(vec![Reply::Serve(bench.content.clone())]);
    let fetched = bench.fetch(&[&server]).unwrap();
    assert_eq!(fetched[0].how, How::Downloaded { resumed_from: 0 });
    assert_eq!(fetched[0].path, bench.path("blob.gz"));
    assert_eq!(
        *server.asked.lock().unwrap(),
        [("/blob.gz".to_owned(), None)]
    );
    bench.assert_whole();
    assert_eq!(bench.fetch(&[]).unwrap()[0].how, How::AlreadyThere);
}

#[test]
fn an_unpacked_file_needs_no_download() {
    let bench = Bench::new();
    bench.write("blob", b"unpacked");
    assert_eq!(bench.fetch(&[]).unwrap()[0].path, bench.path("blob"));
}

#[test]
fn a_broken_connection_is_gone_on_with_at_once() {
    let bench = Bench::new();
    let server = Server::start(vec![
        Reply::Break(bench.content.clone(), 70_000),
        Reply::Break(bench.content.clone(), 50_000),
        Reply::Serve(bench.content.clone()),
    ]);
    bench.fetch(&[&server]).unwrap();
    assert_eq!(server.ranges(), [None, Some(70_000), Some(120_000)]);
    bench.assert_whole();
}

#[test]
fn a_download_of_an_earlier_run_is_gone_on_with() {
    let bench = Bench::new();
    bench.write("blob.gz.part", &bench.content[..150_000]);
    let server = Server::start(vec![Reply::Serve(bench.content.clone())]);
    assert_eq!(
        bench.fetch(&[&server]).unwrap()[0].how,
        How::Downloaded {
            resumed_from: 150_000
        }
    );
    assert_eq!(server.ranges(), [Some(150_000)]);
    bench.assert_whole();
}

#[test]
fn a_whole_part_file_needs_no_connection_and_a_longer_one_is_begun_again() {
    let bench = Bench::new();
    bench.write("blob.gz.part", &bench.content);
    bench.fetch(&[&Server::start(vec![])]).unwrap();
    bench.assert_whole();

    let bench = Bench::new();
    bench.write("blob.gz.part", &vec![0; 300_000]);
    let server = Server::start(vec![Reply::Serve(bench.content.clone())]);
    bench.fetch(&[&server]).unwrap();
    assert_eq!(server.ranges(), [None]);
    bench.assert_whole();
}

#[test]
fn a_server_without_ranges_begins_again() {
    let bench = Bench::new();
    bench.write("blob.gz.part", &bench.content[..150_000]);
    let server = Server::start(vec![Reply::ServeWhole(bench.content.clone())]);
    bench.fetch(&[&server]).unwrap();
    bench.assert_whole();
}

#[test]
fn wrong_bytes_of_an_earlier_run_are_thrown_away() {
    let bench = Bench::new();
    bench.write("blob.gz.part", &[7; 1000]);
    let server = Server::start(vec![
        Reply::Serve(bench.content.clone()),
        Reply::Serve(bench.content.clone()),
    ]);
    bench.fetch(&[&server]).unwrap();
    assert_eq!(server.ranges(), [Some(1000), None]);
    bench.assert_whole();
}

#[test]
fn the_second_mirror_helps_where_the_first_has_nothing() {
    let bench = Bench::new();
    let first = Server::start(vec![Reply::Status(404)]);
    let second = Server::start(vec![Reply::Serve(bench.content.clone())]);
    bench.fetch(&[&first, &second]).unwrap();
    bench.assert_whole();
}

#[test]
fn the_second_mirror_helps_where_the_first_has_a_wrong_file() {
    let bench = Bench::new();
    let first = Server::start(vec![Reply::Serve(bench.wrong())]);
    let second = Server::start(vec![Reply::Serve(b"an error page".to_vec())]);
    let third = Server::start(vec![Reply::Serve(bench.content.clone())]);
    bench.fetch(&[&first, &second, &third]).unwrap();
    assert_eq!(third.ranges(), [None]);
    bench.assert_whole();
}

#[test]
fn a_wrong_file_alone_is_refused_with_both_digests_and_leaves_nothing() {
    let bench = Bench::new();
    let server = Server::start(vec![Reply::Serve(bench.wrong())]);
    let error = bench.fetch(&[&server]).unwrap_err();
    let text = error.to_string();
    let (_, found) = sha256_of(&bench.wrong()[..]).unwrap();
    for digest in [found, bench.set.parts[0].packed[0].sha256] {
        assert!(text.contains(&crate::digest::hex(&digest)), "{text}");
    }
    assert_eq!(error.exit_code(), 3);
    assert_eq!(
        fs::read_dir(bench.folder.path().join("mnist"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_download_that_cannot_be_finished_keeps_its_part_but_has_no_final_name() {
    let bench = Bench::new();
    let server = Server::start(vec![
        Reply::Break(bench.content.clone(), 70_000),
        Reply::Status(503),
    ]);
    let error = bench.fetch(&[&server]).unwrap_err();
    assert!(
        matches!(&error, DataError::Mirrors { kept: 70_000, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("status 503"), "{error}");
    assert!(!bench.path("blob.gz").exists());
    assert_eq!(
        fs::read(bench.path("blob.gz.part")).unwrap(),
        bench.content[..70_000]
    );
}

#[test]
fn a_wrong_file_that_is_there_is_never_overwritten() {
    let bench = Bench::new();
    bench.write("blob.gz", b"mine");
    let error = bench.fetch(&[]).unwrap_err();
    assert!(matches!(error, DataError::WrongDigest { .. }), "{error}");
    assert_eq!(fs::read(bench.path("blob.gz")).unwrap(), b"mine");
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let bench = Bench::new();
    bench.write("blob.gz.part", b"");
    let other = File::open(bench.path("blob.gz.part")).unwrap();
    other.lock().unwrap();
    assert!(matches!(bench.fetch(&[]).unwrap_err(), DataError::Busy(_)));
}

#[test]
fn a_stop_keeps_what_was_received_and_the_next_run_goes_on() {
    let bench = Bench::new();
    bench.write("blob.gz.part", &bench.content[..5000]);
    bench.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let server = Server::start(vec![Reply::Serve(bench.content.clone())]);
    let error = bench.fetch(&[&server]).unwrap_err();
    assert!(
        matches!(error, DataError::Stopped { kept: 5000, .. }),
        "{error}"
    );
    assert_eq!(error.exit_code(), 75);
    bench
        .stop
        .store(false, std::sync::atomic::Ordering::Relaxed);
    bench.fetch(&[&server]).unwrap();
    assert_eq!(server.ranges(), [Some(5000)]);
    bench.assert_whole();
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let bench = Bench::new();
    fs::write(
        bench.folder.path().join("mnist"),
        b"a file where the folder should be",
    )
    .unwrap();
    let error = bench.fetch(&[]).unwrap_err();
    assert!(error.to_string().contains("mnist"), "{error}");
    assert_eq!(error.exit_code(), 3, "what is there is wrong");
}

#[test]
fn digits_need_no_download_and_every_official_set_has_mirrors() {
    let dirs = DataDirs::resolve(Some(Path::new("nowhere")));
    let error = fetch(DatasetName::Digits, &dirs, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    for name in [
        DatasetName::Mnist,
        DatasetName::FashionMnist,
        DatasetName::Cifar10,
    ] {
        assert!(!public_mirrors(name).is_empty());
    }
}
