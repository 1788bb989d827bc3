//! Tables: CSV or Parquet, a row an image, with a column of labels. The other columns are the values of the pixels in the order
//! `[channels, height, width]`; or the only other column has the paths of pictures, relative to the table.

use std::fs::File;
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::values::{Scale, shape_of_row};
use super::{Labels, MAX_BYTES, OwnError, Read, Split, extension, folder, picture};
use crate::DataError;
use cryptodl_spec::{ImageFiles, Shape};

/// Columns that an error names.
const NAMED: usize = 8;

/// Reads one table, which has no split.
pub(super) fn read(path: &Path, files: &ImageFiles) -> Result<Read, DataError> {
    let (shape, _, train) = split(path, files, None)?;
    Ok(Read {
        format: format(path),
        shape,
        train,
        test: None,
        names: None,
    })
}

/// Reads the tables `train` and `test` of a folder; none where it has no `train`.
pub(super) fn read_folder(folder: &Path, files: &ImageFiles) -> Result<Option<Read>, DataError> {
    let table = |name: &str| {
        let paths = ["csv", "parquet"].map(|kind| folder.join(name).with_extension(kind));
        paths.into_iter().find(|path| path.is_file())
    };
    let Some(train_path) = table("train") else {
        return Ok(None);
    };
    let (shape, scale, train) = split(&train_path, files, None)?;
    let test = match table("test") {
        Some(path) => Some(split(&path, files, Some((shape, scale)))?.2),
        None => None,
    };
    Ok(Some(Read {
        format: format(&train_path),
        shape,
        train,
        test,
        names: None,
    }))
}

/// The pixels of a table; a column of labels is passed over.
pub(super) fn read_images(path: &Path, files: &ImageFiles) -> Result<(Shape, Vec<u8>), DataError> {
    let mut frame = frame(path)?;
    let _ = frame.drop_in_place(&files.label);
    let (shape, _, pixels) = pixels(path, &frame, files, None)?;
    Ok((shape, pixels))
}

fn format(path: &Path) -> &'static str {
    match extension(path).as_str() {
        "csv" => "CSV",
        _ => "Parquet",
    }
}

fn wrong(path: &Path, what: impl Into<String>) -> DataError {
    OwnError::Table(what.into()).at(path)
}

fn frame(path: &Path) -> Result<DataFrame, DataError> {
    // That it cannot be opened is not for polars to say.
    let file = File::open(path).map_err(DataError::io(path))?;
    let read = match extension(path).as_str() {
        "csv" => CsvReadOptions::default()
            .with_infer_schema_length(None)
            .into_reader_with_file_handle(file)
            .finish(),
        _ => ParquetReader::new(file).finish(),
    };
    let frame = read.map_err(|error| wrong(path, format!("cannot be read: {error}")))?;
    if frame.height() == 0 {
        return Err(OwnError::Empty.at(path));
    }
    Ok(frame)
}

fn split(
    path: &Path,
    files: &ImageFiles,
    like: Option<(Shape, Scale)>,
) -> Result<(Shape, Scale, Split), DataError> {
    let mut frame = frame(path)?;
    let labels = frame.drop_in_place(&files.label).map_err(|_| {
        let there: Vec<&str> = frame
            .get_column_names()
            .into_iter()
            .take(NAMED)
            .map(|name| name.as_str())
            .collect();
        wrong(
            path,
            format!(
                "there is no column `{}`; there is {}{}\nhint: label = \"COLUMN\" in [dataset] names the column of labels",
                files.label,
                there.join(", "),
                if frame.width() > NAMED { ", ..." } else { "" }
            ),
        )
    })?;
    let labels = self::labels(path, &labels)?;
    let (shape, scale, pixels) = pixels(path, &frame, files, like)?;
    let path = path.to_owned();
    Ok((
        shape,
        scale,
        Split {
            path,
            pixels,
            labels,
            names: None,
        },
    ))
}

fn labels(path: &Path, column: &Column) -> Result<Labels, DataError> {
    let empty = |row: usize| wrong(path, format!("row {row} (from 0) has no label"));
    if let Ok(texts) = column.str() {
        let texts = texts.iter().enumerate();
        let names = texts.map(|(row, text)| text.map(str::to_owned).ok_or_else(|| empty(row)));
        return Ok(Labels::Names(names.collect::<Result<_, _>>()?));
    }
    let numbers = numbers(path, column)?;
    let number = |(row, number): (usize, Option<f64>)| match number {
        None => Err(empty(row)),
        Some(number) if number.fract() == 0.0 && number.abs() < 1e9 => Ok(number as i64),
        Some(number) => Err(wrong(
            path,
            format!(
                "row {row} (from 0) has the label {number}: labels are names, or whole numbers from 0"
            ),
        )),
    };
    let numbers = numbers.into_iter().enumerate().map(number);
    Ok(Labels::Numbers(numbers.collect::<Result<_, _>>()?))
}

fn numbers(path: &Path, column: &Column) -> Result<Vec<Option<f64>>, DataError> {
    let kind = column.dtype();
    if !kind.is_primitive_numeric() && *kind != DataType::Boolean {
        return Err(wrong(
            path,
            format!(
                "the column `{}` holds {kind}, not numbers\nhint: besides the label there are the values of the pixels, or one column of paths of pictures",
                column.name()
            ),
        ));
    }
    let wide = column.cast(&DataType::Float64);
    let wide = wide.map_err(|error| wrong(path, error.to_string()))?;
    let wide = wide.f64().map_err(|error| wrong(path, error.to_string()))?;
    Ok(wide.iter().collect())
}

fn pixels(
    path: &Path,
    frame: &DataFrame,
    files: &ImageFiles,
    like: Option<(Shape, Scale)>,
) -> Result<(Shape, Scale, Vec<u8>), DataError> {
    let columns = frame.columns();
    let (shape, scale, pixels) = match columns {
        [] => return Err(wrong(path, "there are no columns besides the label")),
        [paths] if paths.dtype().is_string() => {
            let (shape, pixels) = pictures(path, paths)?;
            (shape, Scale::Bytes, pixels)
        }
        _ => values(path, columns, files, like.map(|(_, scale)| scale))?,
    };
    match like {
        Some((wanted, _)) if wanted != shape => Err(OwnError::Mixed {
            found: shape,
            wanted,
            first: path.with_file_name("train"),
        }
        .at(path)),
        _ => Ok((shape, scale, pixels)),
    }
}

fn pictures(path: &Path, column: &Column) -> Result<(Shape, Vec<u8>), DataError> {
    let texts = column
        .str()
        .map_err(|error| wrong(path, error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let paths: Vec<PathBuf> = texts
        .iter()
        .enumerate()
        .map(|(row, text)| match text {
            Some(text) => Ok(folder.join(text)),
            None => Err(wrong(path, format!("row {row} (from 0) has no path"))),
        })
        .collect::<Result<_, _>>()?;
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let Some(first) = paths.first() else {
        return Err(OwnError::Empty.at(path));
    };
    let shape = picture::read(first)?.shape;
    Ok((shape, folder::pixels(&paths, shape)?))
}

fn values(
    path: &Path,
    columns: &[Column],
    files: &ImageFiles,
    like: Option<Scale>,
) -> Result<(Shape, Scale, Vec<u8>), DataError> {
    let shape = shape_of_row(columns.len(), files).map_err(|error| error.at(path))?;
    let rows = columns.first().map_or(0, Column::len);
    let size = columns.len();
    if rows as u64 * size as u64 > MAX_BYTES {
        return Err(OwnError::TooLarge.at(path));
    }
    let any_float = columns.iter().any(|column| column.dtype().is_float());
    let scale = match (like, any_float) {
        (Some(scale), _) => scale,
        (None, false) => Scale::Bytes,
        (None, true) => {
            let mut unit = true;
            for column in columns {
                unit &= Scale::of(numbers(path, column)?.into_iter().flatten()) == Scale::Unit;
            }
            if unit { Scale::Unit } else { Scale::Bytes }
        }
    };
    let mut pixels = vec![0; rows * size];
    for (place, column) in columns.iter().enumerate() {
        for (row, value) in numbers(path, column)?.into_iter().enumerate() {
            let name = column.name();
            let at = || format!("row {row} (from 0) of column `{name}`");
            let Some(value) = value else {
                return Err(wrong(path, format!("{} is empty", at())));
            };
            let Some(byte) = scale.byte(value) else {
                return Err(OwnError::Value { place: at(), value }.at(path));
            };
            pixels[row * size + place] = byte;
        }
    }
    Ok((shape, scale, pixels))
}
