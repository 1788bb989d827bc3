//! One file from one address into its `.part` file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::digest::{hex, sha256_of};
use crate::official::OfficialFile;
use cryptodl_runtime::Progress;

/// A connection that breaks is made anew this often, as long as each one brought something.
const CONNECTIONS: usize = 50;
/// Pause before the next connection.
const PAUSE: Duration = Duration::from_millis(200);

/// Why an address did not give the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// The server said no.
    #[error("HTTP status {0}")]
    Status(u16),
    /// The connection failed or broke.
    #[error("{0}")]
    Network(ureq::Error),
    /// The connection broke while the file was coming.
    #[error("broken off at {received} of {expected} bytes: {source}")]
    Broken {
        received: u64,
        expected: u64,
        source: io::Error,
    },
    /// The server ended early.
    #[error("ended at {received} of {expected} bytes")]
    Short { received: u64, expected: u64 },
    /// The server has a file of another length.
    #[error("the file there has another length: {found} bytes instead of {expected}")]
    Length { expected: u64, found: u64 },
    /// The server went on with another part of the file than the one asked for.
    #[error("asked for the bytes from {start} on, got `{found}`")]
    Range { start: u64, found: String },
    /// The file is another one.
    #[error("wrong file: SHA-256 {found} instead of {expected}")]
    Digest { expected: String, found: String },
    /// Somebody asked for a stop.
    #[error("stopped")]
    Stopped,
    /// This machine cannot write.
    #[error("{0}")]
    Local(io::Error),
}

/// Where a file comes from.
pub(super) struct Source<'a> {
    pub agent: &'a ureq::Agent,
    pub url: &'a str,
    pub official: &'a OfficialFile,
    /// Ends the download once it is set.
    pub stop: &'a AtomicBool,
}

impl Source<'_> {
    /// Completes `file`, whatever it holds so far, and makes sure that it is the official one. On a wrong digest the file is emptied.
    pub fn receive(&self, file: &mut File, progress: &Progress) -> Result<(), Problem> {
        let mut shown = 0;
        let mut began_with = length(file)?;
        for connection in 1.. {
            let before = length(file)?;
            match self.connect(file, progress, &mut shown) {
                Ok(()) => match self.check(file) {
                    // Bytes of an earlier run, or of another mirror, may be the wrong ones: once more from the start.
                    Err(Problem::Digest { .. }) if began_with > 0 => began_with = 0,
                    result => return result,
                },
                Err(problem @ (Problem::Local(_) | Problem::Stopped)) => return Err(problem),
                Err(problem) if connection >= CONNECTIONS || length(file)? <= before => {
                    return Err(problem);
                }
                Err(problem) => {
                    tracing::info!(url = self.url, %problem, "connecting again");
                    std::thread::sleep(PAUSE);
                }
            }
        }
        Ok(())
    }

    /// One connection: appends what it gives. `Ok` where the file has its full length.
    fn connect(
        &self,
        file: &mut File,
        progress: &Progress,
        shown: &mut u64,
    ) -> Result<(), Problem> {
        let expected = self.official.bytes;
        let mut start = length(file)?;
        if start > expected {
            file.set_len(0).map_err(Problem::Local)?;
            start = 0;
        }
        if start == expected {
            return Ok(());
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Problem::Stopped);
        }
        let mut request = self.agent.get(self.url);
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
        }
        let response = request.call().map_err(Problem::Network)?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        match response.status().as_u16() {
            206 => {
                let found = header("content-range");
                if !found.starts_with(&format!("bytes {start}-")) {
                    let found = found.to_owned();
                    return Err(Problem::Range { start, found });
                }
            }
            // The server knows no ranges, or was not asked for one.
            200 => {
                if let Some(found) = header("content-length")
                    .parse()
                    .ok()
                    .filter(|&found: &u64| found != expected)
                {
                    return Err(Problem::Length { expected, found });
                }
                file.set_len(0).map_err(Problem::Local)?;
                start = 0;
            }
            status => return Err(Problem::Status(status)),
        }
        file.seek(SeekFrom::Start(start)).map_err(Problem::Local)?;
        self.append(
            response.into_body().into_reader(),
            file,
            start,
            progress,
            shown,
        )
    }

    fn append(
        &self,
        mut body: impl Read,
        file: &mut File,
        start: u64,
        progress: &Progress,
        shown: &mut u64,
    ) -> Result<(), Problem> {
        let expected = self.official.bytes;
        let mut received = start;
        let mut buffer = vec![0; 1 << 16];
        while received < expected {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Problem::Stopped);
            }
            // Whatever comes after the expected length stays in the socket: a server cannot fill the disk.
            let room = buffer
                .len()
                .min(usize::try_from(expected - received).unwrap_or(usize::MAX));
            let n = match body.read(&mut buffer[..room]) {
                Ok(0) => return Err(Problem::Short { received, expected }),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(Problem::Broken {
                        received,
                        expected,
                        source,
                    });
                }
            };
            file.write_all(&buffer[..n]).map_err(Problem::Local)?;
            received += n as u64;
            let reached = received / 1024;
            progress.advance(reached.saturating_sub(*shown));
            *shown = reached.max(*shown);
        }
        Ok(())
    }

    fn check(&self, file: &mut File) -> Result<(), Problem> {
        file.seek(SeekFrom::Start(0)).map_err(Problem::Local)?;
        let (_, found) = sha256_of(&*file).map_err(Problem::Local)?;
        if found == self.official.sha256 {
            return Ok(());
        }
        file.set_len(0).map_err(Problem::Local)?;
        Err(Problem::Digest {
            expected: hex(&self.official.sha256),
            found: hex(&found),
        })
    }
}

fn length(file: &File) -> Result<u64, Problem> {
    file.metadata()
        .map(|metadata| metadata.len())
        .map_err(Problem::Local)
}
