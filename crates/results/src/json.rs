//! `summary.json` and `manifest.json`: pretty, closed by a newline, whole or absent.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ResultsError;
use cryptodl_runtime::write_whole;

/// Writes `value`, indented by two spaces, keys in the order of the type.
///
/// # Errors
/// [`ResultsError::Io`] when the file cannot be written; [`ResultsError::Json`] when the value has no JSON form.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ResultsError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| ResultsError::Json {
        path: path.to_path_buf(),
        source,
    })?;
    text.push(b'\n');
    write_whole(path, &text).map_err(ResultsError::io("write", path))
}

/// Reads what [`write_json`] wrote.
///
/// # Errors
/// [`ResultsError::Io`] when the file cannot be read; [`ResultsError::Json`] when it does not hold a `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ResultsError> {
    let text = fs::read(path).map_err(ResultsError::io("read", path))?;
    serde_json::from_slice(&text).map_err(|source| ResultsError::Json {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::Agreement;

    #[test]
    fn round_trip_and_typed_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        let value = Agreement {
            value: 0.1 + 0.2,
            n: 3,
        };
        write_json(&path, &value).unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with("}\n"));
        assert_eq!(read_json::<Agreement>(&path).unwrap(), value);
        fs::write(&path, "{\"value\": ").unwrap();
        assert!(matches!(
            read_json::<Agreement>(&path),
            Err(ResultsError::Json { .. })
        ));
        assert!(matches!(
            read_json::<Agreement>(&folder.path().join("none")),
            Err(ResultsError::Io { .. })
        ));
        assert!(matches!(
            write_json(&folder.path().join("no/x"), &value),
            Err(ResultsError::Io { .. })
        ));
    }
}
