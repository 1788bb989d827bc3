//! What can go wrong with a file of results.

use std::path::{Path, PathBuf};

/// A table or a JSON file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not the one that was written.
    #[error(
        "{}: the file has changed: its BLAKE3 digest is {found}, the manifest says {expected}", path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Digest when it was written.
        expected: String,
        /// Digest now.
        found: String,
    },
    /// Not the JSON of this type.
    #[error("{}: not the expected JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Not TOML.
    #[error("{}: not TOML: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// Not a table of this format at all, or one that cannot be made.
    #[error("{}: not a readable {format} table: {message}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// `CSV` or `Parquet`.
        format: &'static str,
        /// In the words of the reader.
        message: String,
    },
    /// A question to a table that the reader of tables could not answer.
    #[error("a query on a table of results: {message}")]
    Query {
        /// In the words of the reader.
        message: String,
    },
    /// A column is not there.
    #[error("{}: column `{column}` is missing", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A column holds another type.
    #[error("{}: column `{column}` holds {found}, but {expected} is needed", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The type that is there.
        found: String,
        /// The type that should be.
        expected: &'static str,
    },
    /// One cell is empty, out of range, or does not fit the cells above it.
    #[error("{}: column `{column}`, row {row}: {problem}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// From 0, the header not counted.
        row: usize,
        /// What is wrong.
        problem: String,
    },
}

impl ResultsError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}
