//! A table whose columns are known only when it is made: the points of a sweep, the rows of a study.

use std::path::Path;

use polars::prelude::{Column, NamedFrom, Series};

use super::ResultsError;
use super::frame::Frame;
use cryptodl_runtime::write_whole;

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing was asked for or found.
    Empty,
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A switch.
    Boolean(bool),
    /// Text.
    Text(String),
}

impl Cell {
    /// The value, or nothing.
    pub fn real(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Real)
    }

    /// The count, or nothing.
    pub fn count<T: TryInto<i64>>(value: Option<T>) -> Self {
        value
            .and_then(|value| value.try_into().ok())
            .map_or(Self::Empty, Self::Integer)
    }

    /// The text, or nothing.
    pub fn text(value: impl Into<String>) -> Self {
        Self::Text(value.into())
    }

    /// As CSV has it: numbers with all their digits, nothing for what is empty.
    pub fn plain(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Integer(value) => value.to_string(),
            Self::Real(value) => value.to_string(),
            Self::Boolean(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A table of named columns, each a row of cells of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    columns: Vec<(String, Vec<Cell>)>,
}

impl Grid {
    /// A table without columns.
    pub const fn new() -> Self {
        Self {
            columns: Vec::new(),
        }
    }

    /// Adds a column; all must have the same number of cells.
    pub fn push(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = Cell>) {
        self.columns
            .push((name.into(), cells.into_iter().collect()));
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[(String, Vec<Cell>)] {
        &self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, cells)| cells.len())
    }

    /// The table without the columns that are empty in every row.
    pub fn without_empty_columns(mut self) -> Self {
        self.columns
            .retain(|(_, cells)| cells.iter().any(|cell| *cell != Cell::Empty));
        self
    }

    /// Reads a CSV file with a header; every cell is text, or empty.
    ///
    /// # Errors
    /// [`ResultsError::Io`] when the file cannot be read, [`ResultsError::Table`] when it is not such a table.
    pub fn read_csv(path: &Path) -> Result<Self, ResultsError> {
        let frame = Frame::read_csv(path)?;
        let mut grid = Self::new();
        for name in frame.names() {
            let cells = frame.texts(&name)?;
            grid.push(
                name,
                cells
                    .into_iter()
                    .map(|cell| cell.map_or(Cell::Empty, Cell::Text)),
            );
        }
        Ok(grid)
    }

    /// The text of a cell; none where there is no such column or row, or the cell is empty.
    pub fn text(&self, column: &str, row: usize) -> Option<&str> {
        let (_, cells) = self.columns.iter().find(|(name, _)| name == column)?;
        match cells.get(row) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Writes the table as CSV, with a header.
    ///
    /// # Errors
    /// [`ResultsError::Io`] when the file cannot be written, [`ResultsError::Table`] when columns differ in length or name.
    pub fn write_csv(&self, path: &Path) -> Result<(), ResultsError> {
        Frame::new(path, self.series())?.write_csv()
    }

    /// The table as CSV, with a header.
    pub fn csv(&self) -> String {
        let quoted = |cell: String| match cell.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell,
        };
        let names = self.columns.iter().map(|(name, _)| quoted(name.clone()));
        let mut text = names.collect::<Vec<_>>().join(",");
        text.push('\n');
        for row in 0..self.rows() {
            let cells = self
                .columns
                .iter()
                .map(|(_, cells)| quoted(cells.get(row).map_or_else(String::new, Cell::plain)));
            text.push_str(&cells.collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        text
    }

    /// Writes the table as Parquet, with a type for each column.
    ///
    /// # Errors
    /// As [`Self::write_csv`].
    pub fn write_parquet(&self, path: &Path) -> Result<(), ResultsError> {
        Frame::new(path, self.series())?.write_parquet()
    }

    /// Writes the table as Markdown (GitHub's dialect), numbers to the right, below `title`.
    ///
    /// # Errors
    /// [`ResultsError::Io`] when the file cannot be written.
    pub fn write_markdown(&self, path: &Path, title: &str) -> Result<(), ResultsError> {
        let text = format!("# {}\n\n{}", escape(title), self.markdown());
        write_whole(path, text.as_bytes()).map_err(ResultsError::io("write", path))
    }

    /// The table in Markdown.
    pub fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&mut self.columns.iter().map(|(name, _)| escape(name)));
        text.push_str(&line(&mut self.columns.iter().map(|(_, cells)| {
            let number = |cell: &Cell| !matches!(cell, Cell::Text(_) | Cell::Boolean(_));
            if cells.iter().all(number) {
                "---:"
            } else {
                "---"
            }
            .to_owned()
        })));
        for row in 0..self.rows() {
            text.push_str(&line(&mut self.columns.iter().map(|(_, cells)| {
                escape(&cells.get(row).map_or_else(String::new, short))
            })));
        }
        text
    }

    fn series(&self) -> Vec<Column> {
        self.columns
            .iter()
            .map(|(name, cells)| Column::from(series(name, cells)))
            .collect()
    }
}

/// The narrowest type that holds every cell: whole numbers, numbers, switches, or text.
fn series(name: &str, cells: &[Cell]) -> Series {
    let filled = || cells.iter().filter(|cell| **cell != Cell::Empty);
    if filled().all(|cell| matches!(cell, Cell::Integer(_))) && filled().next().is_some() {
        let values = cells.iter().map(|cell| match cell {
            Cell::Integer(value) => Some(*value),
            _ => None,
        });
        return Series::new(name.into(), values.collect::<Vec<Option<i64>>>());
    }
    if filled().all(|cell| matches!(cell, Cell::Integer(_) | Cell::Real(_))) {
        let values = cells.iter().map(|cell| match cell {
            Cell::Integer(value) => Some(*value as f64),
            Cell::Real(value) => Some(*value),
            _ => None,
        });
        return Series::new(name.into(), values.collect::<Vec<Option<f64>>>());
    }
    if filled().all(|cell| matches!(cell, Cell::Boolean(_))) {
        let values = cells.iter().map(|cell| match cell {
            Cell::Boolean(value) => Some(*value),
            _ => None,
        });
        return Series::new(name.into(), values.collect::<Vec<Option<bool>>>());
    }
    let values = cells.iter().map(|cell| match cell {
        Cell::Empty => None,
        other => Some(other.plain()),
    });
    Series::new(name.into(), values.collect::<Vec<Option<String>>>())
}

/// For people: six significant digits.
fn short(cell: &Cell) -> String {
    match cell {
        Cell::Real(value) if *value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e9) => {
            format!("{value:.3e}")
        }
        Cell::Real(value) => {
            let places = (5 - value.abs().max(1e-3).log10().floor() as i32).clamp(0, 6) as usize;
            let text = format!("{value:.places$}");
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
        other => other.plain(),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '\\' | '*' | '_' | '<' | '>' | '`' | '#' => {
                out.push('\\');
                out.push(character);
            }
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new();
        grid.push("degree", [Cell::Integer(2), Cell::Integer(3)]);
        grid.push("mixed", [Cell::Integer(2), Cell::Real(0.5)]);
        grid.push("name", [Cell::text("a|b,\"c\""), Cell::Empty]);
        grid.push("nothing", [Cell::Empty, Cell::Empty]);
        grid.push("on", [Cell::Boolean(true), Cell::Empty]);
        grid
    }

    #[test]
    fn every_format_holds_the_same_cells() {
        let folder = tempfile::tempdir().unwrap();
        let (csv, parquet) = (folder.path().join("a.csv"), folder.path().join("a.parquet"));
        let grid = grid().without_empty_columns();
        assert_eq!(grid.columns().len(), 4);
        grid.write_csv(&csv).unwrap();
        grid.write_parquet(&parquet).unwrap();
        assert_eq!(
            std::fs::read_to_string(&csv).unwrap(),
            "degree,mixed,name,on\n2,2.0,\"a|b,\"\"c\"\"\",true\n3,0.5,,\n"
        );
        let back = Grid::read_csv(&csv).unwrap();
        assert_eq!(back.rows(), 2);
        assert_eq!(back.text("name", 0), Some("a|b,\"c\""));
        assert_eq!((back.text("name", 1), back.text("none", 0)), (None, None));
        let read = Frame::read_parquet(&parquet).unwrap();
        assert!(read.has("mixed") && !read.has("nothing"));
        assert_eq!(
            grid.markdown(),
            "| degree | mixed | name | on |\n| ---: | ---: | --- | --- |\n| 2 | 2 | a\\|b,\"c\" | true |\n| 3 | 0.5 |  |  |\n"
        );
    }

    #[test]
    fn columns_of_different_length_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut grid = grid();
        grid.push("short", [Cell::Integer(1)]);
        assert!(matches!(
            grid.write_csv(&folder.path().join("a.csv")),
            Err(ResultsError::Table { .. })
        ));
    }

    #[test]
    fn numbers_for_people() {
        for (value, text) in [
            (0.0, "0"),
            (0.993_712_3, "0.993712"),
            (1.5e-7, "1.500e-7"),
            (4_512_345.678, "4512346"),
            (12.5, "12.5"),
        ] {
            assert_eq!(short(&Cell::Real(value)), text);
        }
    }
}
