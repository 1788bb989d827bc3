//! Logits as files of the store.

use std::fs;
use std::path::Path;

use super::PipelineError;
use crate::results::Evaluation;

/// Logits as they lie in the store: classes (u32), then f32 values, little endian. The store keeps the digest.
pub(super) fn write_logits(path: &Path, evaluation: &Evaluation) -> Result<(), PipelineError> {
    let mut bytes = (evaluation.classes as u32).to_le_bytes().to_vec();
    bytes.extend(
        evaluation
            .logits
            .iter()
            .flat_map(|value| value.to_le_bytes()),
    );
    fs::write(path, bytes).map_err(PipelineError::io("write", path))
}

/// Reads what [`write_logits`] wrote.
pub(super) fn read_logits(path: &Path) -> Result<Evaluation, PipelineError> {
    let bytes = fs::read(path).map_err(PipelineError::io("read", path))?;
    let (words, rest) = bytes.as_chunks::<4>();
    let malformed = || PipelineError::Malformed {
        path: path.to_path_buf(),
        what: "these are not whole rows of logits".into(),
    };
    let (first, values) = words.split_first().ok_or_else(malformed)?;
    let classes = u32::from_le_bytes(*first) as usize;
    if classes == 0 || !rest.is_empty() || !values.len().is_multiple_of(classes) {
        return Err(malformed());
    }
    Ok(Evaluation {
        classes,
        logits: values
            .iter()
            .map(|word| f32::from_le_bytes(*word))
            .collect(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn logits_survive_and_broken_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.f32");
        let evaluation = Evaluation {
            classes: 2,
            logits: vec![1.0, -2.5, f32::MIN_POSITIVE, 0.0],
        };
        write_logits(&path, &evaluation).unwrap();
        assert_eq!(read_logits(&path).unwrap(), evaluation);
        let bytes = fs::read(&path).unwrap();
        for end in [0, 3, bytes.len() - 1, bytes.len() - 4] {
            fs::write(&path, &bytes[..end]).unwrap();
            assert!(read_logits(&path).is_err(), "cut at {end}");
        }
    }
}
