//! The tables of a run: `epochs.csv`, `layers.csv` and `predictions.parquet`. Written whole or not at all; read with errors that name
//! the file, the column and the row.

use std::path::Path;

use polars::prelude::{Column, NamedFrom, Series};

use super::frame::{Frame, Lists, list_column};
use super::{EpochRow, Evaluation, LayerRow, PredictionColumn, PredictionTable, ResultsError};

/// Evaluations in the order of their columns.
const EVALUATIONS: [&str; 5] = [
    "original",
    "polynomial",
    "circuit",
    "simulated",
    "encrypted",
];

/// A column of numbers or text, one cell a row.
macro_rules! column {
    ($rows:expr, $field:ident) => {
        column!($rows, $field, |value| value)
    };
    ($rows:expr, $field:ident, $convert:expr) => {
        Column::from(Series::new(
            stringify!($field).into(),
            $rows
                .iter()
                .map(|row| ($convert)(row.$field.clone()))
                .collect::<Vec<_>>(),
        ))
    };
}

/// Writes `epochs.csv`: a header and one row an epoch.
///
/// # Errors
/// [`ResultsError::Io`] when the file cannot be written.
pub fn write_epochs(path: &Path, rows: &[EpochRow]) -> Result<(), ResultsError> {
    let columns = vec![
        column!(rows, network),
        column!(rows, epoch, |value| value as u64),
        column!(rows, train_loss),
        column!(rows, train_accuracy),
        column!(rows, validation_accuracy),
        column!(rows, learning_rate),
        column!(rows, outside),
        column!(rows, seconds),
    ];
    Frame::new(path, columns)?.write_csv()
}

/// Writes `images.csv`: the index of each test image in `predictions.parquet`, and what the image is called.
///
/// # Errors
/// Any [`ResultsError`] but those of reading.
pub fn write_images(path: &Path, names: &[String]) -> Result<(), ResultsError> {
    let index: Vec<u32> = (0..).take(names.len()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let columns = vec![
        Column::from(Series::new("index".into(), index)),
        Column::from(Series::new("image".into(), names)),
    ];
    Frame::new(path, columns)?.write_csv()
}

/// Reads what [`write_epochs`] wrote; further columns are ignored.
///
/// # Errors
/// Any [`ResultsError`] but that of JSON.
pub fn read_epochs(path: &Path) -> Result<Vec<EpochRow>, ResultsError> {
    let frame = Frame::read_csv(path)?;
    let network = frame.parsed::<String>("network")?;
    let epoch = frame.parsed("epoch")?;
    let [
        train_loss,
        train_accuracy,
        validation_accuracy,
        learning_rate,
        outside,
        seconds,
    ] = numbers(
        &frame,
        [
            "train_loss",
            "train_accuracy",
            "validation_accuracy",
            "learning_rate",
            "outside",
            "seconds",
        ],
    )?;
    Ok(network
        .into_iter()
        .enumerate()
        .map(|(row, network)| EpochRow {
            network,
            epoch: epoch[row],
            train_loss: train_loss[row],
            train_accuracy: train_accuracy[row],
            validation_accuracy: validation_accuracy[row],
            learning_rate: learning_rate[row],
            outside: outside[row],
            seconds: seconds[row],
        })
        .collect())
}

/// Writes `layers.csv`: a header and one row a circuit layer.
///
/// # Errors
/// [`ResultsError::Io`] when the file cannot be written.
pub fn write_layers(path: &Path, rows: &[LayerRow]) -> Result<(), ResultsError> {
    let mut columns = vec![
        column!(rows, index, |value| value as u64),
        column!(rows, name),
        column!(rows, kind),
        column!(rows, macs),
        column!(rows, ciphertexts, |value| value as u64),
        column!(rows, limbs, |value| value as u64),
        column!(rows, scale_bits),
        column!(rows, precision_bits),
        column!(rows, seconds),
        column!(rows, bytes),
    ];
    // Rows from before predictions were kept have none.
    if rows.iter().all(|row| row.predicted_seconds.is_some()) {
        columns.push(column!(rows, predicted_seconds));
    }
    Frame::new(path, columns)?.write_csv()
}

/// Reads what [`write_layers`] wrote; further columns are ignored.
///
/// # Errors
/// Any [`ResultsError`] but that of JSON.
pub fn read_layers(path: &Path) -> Result<Vec<LayerRow>, ResultsError> {
    let frame = Frame::read_csv(path)?;
    let (names, kinds) = (
        frame.parsed::<String>("name")?,
        frame.parsed::<String>("kind")?,
    );
    let (index, macs) = (frame.parsed("index")?, frame.parsed("macs")?);
    let (ciphertexts, limbs, bytes) = (
        frame.parsed("ciphertexts")?,
        frame.parsed("limbs")?,
        frame.parsed("bytes")?,
    );
    let [scale_bits, precision_bits, seconds] =
        numbers(&frame, ["scale_bits", "precision_bits", "seconds"])?;
    // Tables of earlier versions have no such column.
    let predicted_seconds = match frame.has("predicted_seconds") {
        true => frame
            .parsed("predicted_seconds")?
            .into_iter()
            .map(Some)
            .collect(),
        false => vec![None; seconds.len()],
    };
    Ok(names
        .into_iter()
        .zip(kinds)
        .enumerate()
        .map(|(row, (name, kind))| LayerRow {
            index: index[row],
            name,
            kind,
            macs: macs[row],
            ciphertexts: ciphertexts[row],
            limbs: limbs[row],
            scale_bits: scale_bits[row],
            precision_bits: precision_bits[row],
            seconds: seconds[row],
            predicted_seconds: predicted_seconds[row],
            bytes: bytes[row],
        })
        .collect())
}

/// Writes `predictions.parquet`: `index` and `label`, then the predicted class by each evaluation that was made (null where that image
/// was not evaluated), then `<name>_logits`, lists of f32, where the logits were kept.
///
/// # Errors
/// [`ResultsError::Io`] when the file cannot be written; [`ResultsError::Table`] when columns differ in length or two have one name.
pub fn write_predictions(path: &Path, table: &PredictionTable) -> Result<(), ResultsError> {
    let images = table.labels.len();
    let labels: Vec<u32> = table.labels.iter().map(|label| u32::from(*label)).collect();
    let mut columns = vec![
        Column::from(Series::new(
            "index".into(),
            (0..images as u32).collect::<Vec<_>>(),
        )),
        Column::from(Series::new("label".into(), labels)),
    ];
    for column in &table.columns {
        let classes: Vec<Option<u32>> = column
            .predicted
            .iter()
            .map(|class| class.map(u32::from))
            .collect();
        columns.push(Column::from(Series::new(
            column.name.as_str().into(),
            classes,
        )));
    }
    for column in &table.columns {
        if let Some(evaluation) = &column.evaluation {
            let classes = evaluation.classes;
            let rows =
                (0..images).map(|row| evaluation.logits.get(row * classes..(row + 1) * classes));
            columns.push(list_column(&logits_of(&column.name), rows));
        }
    }
    Frame::new(path, columns)?.write_parquet()
}

/// Reads what [`write_predictions`] wrote, rows in the order of `index`, which must count up from 0.
///
/// The inside of a Parquet file is trusted by its reader: see [`Manifest::check_output`](super::Manifest::check_output).
///
/// # Errors
/// Any [`ResultsError`] but that of JSON.
pub fn read_predictions(path: &Path) -> Result<PredictionTable, ResultsError> {
    let frame = Frame::read_parquet(path)?;
    frame.counts_from_zero("index")?;
    let labels = all_there(&frame, "label", frame.classes("label")?)?;
    let mut columns = Vec::new();
    for name in EVALUATIONS.into_iter().filter(|name| frame.has(name)) {
        let predicted = frame.classes(name)?;
        let logits = logits_of(name);
        let evaluation = if frame.has(&logits) {
            Some(evaluation(&frame, &logits)?)
        } else {
            None
        };
        columns.push(PredictionColumn {
            name: name.to_owned(),
            predicted,
            evaluation,
        });
    }
    Ok(PredictionTable { labels, columns })
}

fn logits_of(name: &str) -> String {
    format!("{name}_logits")
}

/// The leading rows that hold logits; a gap between two of them is an error.
fn evaluation(frame: &Frame<'_>, name: &str) -> Result<Evaluation, ResultsError> {
    let Lists {
        length: classes,
        cells,
    } = frame.lists(name)?;
    let mut logits = Vec::with_capacity(classes * cells.len());
    let mut ended = false;
    for (row, cell) in cells.into_iter().enumerate() {
        match cell {
            Some(_) if ended => {
                return Err(frame.cell(name, row, "logits after a row without any"));
            }
            Some(values) => logits.extend(values),
            None => ended = true,
        }
    }
    Ok(Evaluation { classes, logits })
}

fn all_there(
    frame: &Frame<'_>,
    name: &str,
    cells: Vec<Option<u16>>,
) -> Result<Vec<u16>, ResultsError> {
    cells
        .into_iter()
        .enumerate()
        .map(|(row, cell)| cell.ok_or_else(|| frame.cell(name, row, "is empty")))
        .collect()
}

fn numbers<const N: usize>(
    frame: &Frame<'_>,
    names: [&str; N],
) -> Result<[Vec<f64>; N], ResultsError> {
    let mut columns = std::array::from_fn(|_| Vec::new());
    for (column, name) in columns.iter_mut().zip(names) {
        *column = frame.parsed(name)?;
    }
    Ok(columns)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
