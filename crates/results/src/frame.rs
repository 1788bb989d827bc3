//! A polars table with the file it belongs to: whole-or-absent writing, and columns as plain vectors with errors that name the cell.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use polars::prelude::*;

use super::ResultsError;
use cryptodl_runtime::write_whole;

/// A column of lists.
pub(super) struct Lists {
    /// Length of every list; 0 where there is none.
    pub length: usize,
    /// One list a row, or nothing.
    pub cells: Vec<Option<Vec<f32>>>,
}

/// A table read from, or to be written to, one file.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    path: &'a Path,
    data: DataFrame,
}

impl<'a> Frame<'a> {
    /// A table of columns of equal length.
    pub fn new(path: &'a Path, columns: Vec<Column>) -> Result<Self, ResultsError> {
        let data =
            DataFrame::new_infer_height(columns).map_err(|error| table(path, "new", &error))?;
        Ok(Self { path, data })
    }

    /// Writes the table with a header line, `,` between cells and `\n` after rows.
    pub fn write_csv(mut self) -> Result<(), ResultsError> {
        let mut bytes = Vec::new();
        CsvWriter::new(&mut bytes)
            .finish(&mut self.data)
            .map_err(|error| table(self.path, "CSV", &error))?;
        write_whole(self.path, &bytes).map_err(ResultsError::io("write", self.path))
    }

    /// Writes the table as one Parquet file (Zstandard).
    pub fn write_parquet(mut self) -> Result<(), ResultsError> {
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes)
            .finish(&mut self.data)
            .map_err(|error| table(self.path, "Parquet", &error))?;
        write_whole(self.path, &bytes).map_err(ResultsError::io("write", self.path))
    }

    /// Reads a CSV file with a header, every cell as text: [`Frame::parsed`] can then say which cell is wrong.
    pub fn read_csv(path: &'a Path) -> Result<Self, ResultsError> {
        let bytes = fs::read(path).map_err(ResultsError::io("read", path))?;
        let data = CsvReadOptions::default()
            .with_infer_schema_length(Some(0))
            .into_reader_with_file_handle(Cursor::new(bytes))
            .finish()
            .map_err(|error| table(path, "CSV", &error))?;
        Ok(Self { path, data })
    }

    /// Reads a CSV file with a header, every column with the type that its cells show.
    pub fn read_typed_csv(path: &'a Path) -> Result<Self, ResultsError> {
        let bytes = fs::read(path).map_err(ResultsError::io("read", path))?;
        let data = CsvReadOptions::default()
            .with_infer_schema_length(None)
            .into_reader_with_file_handle(Cursor::new(bytes))
            .finish()
            .map_err(|error| table(path, "CSV", &error))?;
        Ok(Self { path, data })
    }

    /// A table that is already made.
    pub const fn of(path: &'a Path, data: DataFrame) -> Self {
        Self { path, data }
    }

    /// The table alone.
    pub fn into_data(self) -> DataFrame {
        self.data
    }

    /// Reads a Parquet file.
    pub fn read_parquet(path: &'a Path) -> Result<Self, ResultsError> {
        let bytes = fs::read(path).map_err(ResultsError::io("read", path))?;
        let data = ParquetReader::new(Cursor::new(bytes))
            .finish()
            .map_err(|error| table(path, "Parquet", &error))?;
        Ok(Self { path, data })
    }

    /// Whether an integer column counts 0, 1, 2, ...
    pub fn counts_from_zero(&self, name: &str) -> Result<(), ResultsError> {
        for (row, value) in self.integers(name)?.into_iter().enumerate() {
            if value != i64::try_from(row).ok() {
                return Err(self.cell(name, row, "does not count up from 0"));
            }
        }
        Ok(())
    }

    /// Whether there is a column of that name.
    pub fn has(&self, name: &str) -> bool {
        self.data.column(name).is_ok()
    }

    /// The cells of a text column, each parsed.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Result<Vec<T>, ResultsError> {
        let column = self.column(name)?;
        let cells = column.str().map_err(|_| self.wrong_type(column, "text"))?;
        let what = std::any::type_name::<T>()
            .rsplit("::")
            .next()
            .unwrap_or_default();
        cells
            .iter()
            .enumerate()
            .map(|(row, cell)| {
                let cell = cell.ok_or_else(|| self.cell(name, row, "is empty"))?;
                cell.parse()
                    .map_err(|_| self.cell(name, row, &format!("`{cell}` is not a {what}")))
            })
            .collect()
    }

    /// A column of classes: integers from 0 to 65,535, or nothing.
    pub fn classes(&self, name: &str) -> Result<Vec<Option<u16>>, ResultsError> {
        self.integers(name)?
            .into_iter()
            .enumerate()
            .map(|(row, value)| {
                let class = |value| {
                    u16::try_from(value)
                        .map_err(|_| self.cell(name, row, &format!("class {value}")))
                };
                value.map(class).transpose()
            })
            .collect()
    }

    fn integers(&self, name: &str) -> Result<Vec<Option<i64>>, ResultsError> {
        let column = self.column(name)?;
        if !column.dtype().is_integer() {
            return Err(self.wrong_type(column, "integers"));
        }
        let wide = column
            .cast(&DataType::Int64)
            .map_err(|error| table(self.path, "Parquet", &error))?;
        let wide = wide
            .i64()
            .map_err(|_| self.wrong_type(column, "integers"))?;
        Ok(wide.iter().collect())
    }

    /// A column whose cells are lists of f32 of one length, or nothing.
    pub fn lists(&self, name: &str) -> Result<Lists, ResultsError> {
        let column = self.column(name)?;
        let lists = column
            .list()
            .map_err(|_| self.wrong_type(column, "lists of f32"))?;
        let mut length = None;
        let mut cells = Vec::with_capacity(lists.len());
        for row in 0..lists.len() {
            let Some(series) = lists.get_as_series(row) else {
                cells.push(None);
                continue;
            };
            let values = series
                .f32()
                .map_err(|_| self.wrong_type(column, "lists of f32"))?;
            let values: Vec<f32> = values
                .iter()
                .collect::<Option<_>>()
                .ok_or_else(|| self.cell(name, row, "holds an empty value"))?;
            if *length.get_or_insert(values.len()) != values.len() {
                return Err(self.cell(
                    name,
                    row,
                    &format!("holds {} values, the rows above do not", values.len()),
                ));
            }
            cells.push(Some(values));
        }
        Ok(Lists {
            length: length.unwrap_or(0),
            cells,
        })
    }

    /// The error for one cell.
    pub fn cell(&self, column: &str, row: usize, problem: &str) -> ResultsError {
        ResultsError::Cell {
            path: self.path.to_path_buf(),
            column: column.to_owned(),
            row,
            problem: problem.to_owned(),
        }
    }

    fn column(&self, name: &str) -> Result<&Column, ResultsError> {
        self.data
            .column(name)
            .map_err(|_| ResultsError::MissingColumn {
                path: self.path.to_path_buf(),
                column: name.to_owned(),
            })
    }

    fn wrong_type(&self, column: &Column, expected: &'static str) -> ResultsError {
        ResultsError::ColumnType {
            path: self.path.to_path_buf(),
            column: column.name().to_string(),
            found: column.dtype().to_string(),
            expected,
        }
    }
}

/// A column of lists of f32; `None` becomes null.
pub(super) fn list_column<'v>(
    name: &str,
    cells: impl ExactSizeIterator<Item = Option<&'v [f32]>>,
) -> Column {
    let mut builder = ListPrimitiveChunkedBuilder::<Float32Type>::new(
        name.into(),
        cells.len(),
        0,
        DataType::Float32,
    );
    for cell in cells {
        builder.append_opt_slice(cell);
    }
    builder.finish().into_column()
}

fn table(path: &Path, format: &'static str, error: &PolarsError) -> ResultsError {
    ResultsError::Table {
        path: PathBuf::from(path),
        format,
        message: error.to_string(),
    }
}
