//! Round trips, the schema that others rely on, and malformed files.

use std::fs;

use super::*;
use crate::Predictions;

fn epoch() -> EpochRow {
    EpochRow {
        network: "polynomial".into(),
        epoch: 1,
        train_loss: 0.1 + 0.2,
        train_accuracy: 1.0 / 3.0,
        validation_accuracy: 0.99,
        learning_rate: 3e-17,
        outside: 0.0,
        seconds: 12.25,
    }
}

fn layer() -> LayerRow {
    LayerRow {
        index: 3,
        name: "a \"quoted\", name".into(),
        kind: "linear".into(),
        macs: u64::MAX,
        ciphertexts: 845,
        limbs: 7,
        scale_bits: 41.5,
        precision_bits: 20.25,
        seconds: 1.0,
        predicted_seconds: Some(1.25),
        bytes: 1 << 40,
    }
}

fn predictions() -> Predictions {
    Predictions {
        labels: vec![2, 0, 1],
        evaluations: vec![
            (
                "circuit".into(),
                Evaluation {
                    classes: 2,
                    logits: vec![0.5, 1.5, -1.0, f32::MIN_POSITIVE, 3.0, 2.0],
                },
            ),
            (
                "encrypted".into(),
                Evaluation {
                    classes: 2,
                    logits: vec![0.5, 1.25, -1.0, 0.0],
                },
            ),
        ],
    }
}

#[test]
fn csv_round_trips_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("epochs.csv");
    let rows = [
        epoch(),
        EpochRow {
            network: "original".into(),
            train_loss: 1e300,
            ..epoch()
        },
    ];
    write_epochs(&path, &rows).unwrap();
    assert_eq!(read_epochs(&path).unwrap(), rows);
    let text = fs::read_to_string(&path).unwrap();
    let header = "network,epoch,train_loss,train_accuracy,validation_accuracy,learning_rate,outside,seconds\n";
    assert!(text.starts_with(header), "{text}");

    let path = folder.path().join("layers.csv");
    write_layers(&path, &[layer()]).unwrap();
    assert_eq!(read_layers(&path).unwrap(), [layer()]);
    let header = "index,name,kind,macs,ciphertexts,limbs,scale_bits,precision_bits,seconds,bytes";
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with(&format!("{header},predicted_seconds\n")),
        "{text}"
    );

    // As before predictions were kept.
    let old = LayerRow {
        predicted_seconds: None,
        ..layer()
    };
    write_layers(&path, std::slice::from_ref(&old)).unwrap();
    assert!(
        fs::read_to_string(&path)
            .unwrap()
            .starts_with(&format!("{header}\n"))
    );
    assert_eq!(read_layers(&path).unwrap(), [old]);
}

#[test]
fn tables_without_rows_keep_their_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    write_epochs(&path, &[]).unwrap();
    assert_eq!(read_epochs(&path).unwrap(), []);
    write_layers(&path, &[]).unwrap();
    assert_eq!(read_layers(&path).unwrap(), []);
    let path = folder.path().join("t.parquet");
    write_predictions(&path, &PredictionTable::default()).unwrap();
    assert_eq!(read_predictions(&path).unwrap(), PredictionTable::default());
}

#[test]
fn predictions_round_trip_with_and_without_logits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let table = PredictionTable::from(&predictions());
    write_predictions(&path, &table).unwrap();
    let read = read_predictions(&path).unwrap();
    assert_eq!(read, table);
    assert_eq!(read.to_predictions(), Some(predictions()));
    assert_eq!(
        read.predicted("encrypted"),
        Some(&[Some(1), Some(1), None][..])
    );
    let slim = table.without_logits();
    write_predictions(&path, &slim).unwrap();
    assert_eq!(read_predictions(&path).unwrap(), slim);
}

/// Other programs read this file: names, order and types are part of the output contract.
#[test]
fn the_parquet_schema_is_the_contract() {
    use polars::prelude::{ParquetReader, SerReader};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    write_predictions(&path, &PredictionTable::from(&predictions())).unwrap();
    let frame = ParquetReader::new(fs::File::open(&path).unwrap())
        .finish()
        .unwrap();
    let schema: Vec<_> = frame
        .schema()
        .iter()
        .map(|(name, kind)| format!("{name}: {kind}"))
        .collect();
    let expected = [
        "index: u32",
        "label: u32",
        "circuit: u32",
        "encrypted: u32",
        "circuit_logits: list[f32]",
        "encrypted_logits: list[f32]",
    ];
    assert_eq!(schema, expected);
    assert_eq!(frame.column("encrypted").unwrap().null_count(), 1);
    assert_eq!(frame.column("encrypted_logits").unwrap().null_count(), 1);
}

#[test]
fn malformed_csv_is_told_by_cell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("epochs.csv");
    write_epochs(&path, &[epoch(), epoch()]).unwrap();
    let text = fs::read_to_string(&path).unwrap();

    fs::write(&path, text.replacen("12.25", "soon", 1)).unwrap();
    match read_epochs(&path) {
        Err(ResultsError::Cell {
            column,
            row,
            problem,
            ..
        }) => {
            assert_eq!((column.as_str(), row), ("seconds", 0));
            assert_eq!(problem, "`soon` is not a f64");
        }
        other => panic!("{other:?}"),
    }
    fs::write(&path, text.replacen(",0.99,", ",,", 1)).unwrap();
    assert!(matches!(
        read_epochs(&path),
        Err(ResultsError::Cell { row: 0, .. })
    ));
    fs::write(&path, text.replacen("train_loss", "loss", 1)).unwrap();
    assert!(
        matches!(read_epochs(&path), Err(ResultsError::MissingColumn { column, .. }) if column == "train_loss")
    );
    fs::write(&path, text.replacen("12.25", "12.25,1,2", 2)).unwrap();
    assert!(read_epochs(&path).is_err());
    fs::write(&path, "").unwrap();
    assert!(matches!(
        read_epochs(&path),
        Err(ResultsError::Table { .. })
    ));
    assert!(matches!(
        read_epochs(&folder.path().join("none")),
        Err(ResultsError::Io { .. })
    ));
}

#[test]
fn malformed_parquet_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    write_predictions(&path, &PredictionTable::from(&predictions())).unwrap();
    let bytes = fs::read(&path).unwrap();
    for length in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(
            matches!(read_predictions(&path), Err(ResultsError::Table { .. })),
            "{length}"
        );
    }
}

#[test]
fn parquet_with_other_columns_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.parquet");
    let write = |columns| Frame::new(&path, columns).unwrap().write_parquet().unwrap();
    let column =
        |name: &str, cells: Vec<Option<u32>>| Column::from(Series::new(name.into(), cells));
    let (index, label) = (
        column("index", vec![Some(0), Some(1)]),
        column("label", vec![Some(0), Some(1)]),
    );

    write(vec![index.clone()]);
    assert!(matches!(
        read_predictions(&path),
        Err(ResultsError::MissingColumn { .. })
    ));
    write(vec![index.clone(), column("label", vec![Some(0), None])]);
    assert!(matches!(
        read_predictions(&path),
        Err(ResultsError::Cell { row: 1, .. })
    ));
    write(vec![
        index.clone(),
        column("label", vec![Some(0), Some(65_536)]),
    ]);
    assert!(matches!(
        read_predictions(&path),
        Err(ResultsError::Cell { row: 1, .. })
    ));
    write(vec![column("index", vec![Some(1), Some(0)]), label.clone()]);
    assert!(matches!(
        read_predictions(&path),
        Err(ResultsError::Cell { row: 0, .. })
    ));
    write(vec![
        index.clone(),
        Column::from(Series::new("label".into(), vec!["a", "b"])),
    ]);
    assert!(matches!(
        read_predictions(&path),
        Err(ResultsError::ColumnType { .. })
    ));
    let (one, two) = ([1.0_f32], [1.0_f32, 2.0]);
    let circuit = column("circuit", vec![Some(0), Some(1)]);
    let ragged = list_column(
        "circuit_logits",
        [Some(&one[..]), Some(&two[..])].into_iter(),
    );
    write(vec![index.clone(), label.clone(), circuit.clone(), ragged]);
    assert!(matches!(
        read_predictions(&path),
        Err(ResultsError::Cell { row: 1, .. })
    ));
    let gap = list_column("circuit_logits", [None, Some(&two[..])].into_iter());
    write(vec![index, label, circuit, gap]);
    assert!(matches!(
        read_predictions(&path),
        Err(ResultsError::Cell { row: 1, .. })
    ));
}
