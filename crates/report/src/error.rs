//! What can go wrong with charts and pages.

use std::path::PathBuf;

/// A chart or a page could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The embedded font is not readable.
    #[error("the embedded font `{0}` is not a font")]
    Font(&'static str),
    /// A chart could not be drawn.
    #[error("cannot draw the chart `{chart}`: {message}")]
    Draw {
        /// Its file name without extension.
        chart: String,
        /// In the words of the drawing backend.
        message: String,
    },
    /// A PNG could not be made.
    #[error("cannot encode `{chart}.png`: {source}")]
    Png {
        /// Its file name without extension.
        chart: String,
        /// Why not.
        source: png::EncodingError,
    },
    /// The file system refused.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file would be larger than a committed one may be.
    #[error("{} would have {bytes} bytes, more than {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A question to the table of results could not be answered.
    #[error(transparent)]
    Results(#[from] cryptodl_results::ResultsError),
    /// The embedded file of published figures is not readable.
    #[error("the published figures in the program: {message}")]
    Published {
        /// In the words of the reader.
        message: String,
    },
}
