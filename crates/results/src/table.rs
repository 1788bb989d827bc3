//! A table whose columns are known only when it is made, with the queries that reports and sweeps put to it.

use std::path::Path;

use polars::prelude::*;
use serde_json::Value;

use super::ResultsError;
use super::frame::Frame;
use cryptodl_runtime::write_whole;

/// The cells of one row by their columns; a column that is not named is empty.
pub type Row = Vec<(String, Value)>;

/// Named columns of one length, each of whole numbers, numbers, switches or text. A column that is not there reads as an empty one:
/// absent means not asked for.
#[derive(Clone, Debug, Default)]
pub struct Table {
    frame: DataFrame,
}

impl Table {
    /// A table with the columns in the order in which the rows first name them, each of the narrowest type that holds its cells.
    ///
    /// # Errors
    /// None for what rows can hold.
    pub fn from_rows(rows: &[Row]) -> Result<Self, ResultsError> {
        let mut names: Vec<&str> = Vec::new();
        let mut known = std::collections::HashSet::new();
        for (name, _) in rows.iter().flatten() {
            if known.insert(name.as_str()) {
                names.push(name);
            }
        }
        let column = |name: &&str| {
            let cells = rows.iter().map(|row| {
                let cell = row.iter().find(|(key, _)| key == name);
                cell.map_or(&Value::Null, |(_, value)| value)
            });
            Column::from(series(name, &cells.collect::<Vec<_>>()))
        };
        let frame = DataFrame::new_infer_height(names.iter().map(column).collect());
        frame.map(|frame| Self { frame }).map_err(query)
    }

    /// Reads a CSV file with a header; every column has the type that its cells show.
    ///
    /// # Errors
    /// [`ResultsError::Io`] when the file cannot be read, [`ResultsError::Table`] when it is not such a table.
    pub fn read_csv(path: &Path) -> Result<Self, ResultsError> {
        let frame = Frame::read_typed_csv(path)?.into_data();
        Ok(Self { frame })
    }

    /// Fails where a column is not there.
    ///
    /// # Errors
    /// [`ResultsError::MissingColumn`], for the first that is missing in the file `path`.
    pub fn require(&self, path: &Path, columns: &[&str]) -> Result<(), ResultsError> {
        match columns.iter().find(|name| self.frame.column(name).is_err()) {
            None => Ok(()),
            Some(name) => Err(ResultsError::MissingColumn {
                path: path.to_path_buf(),
                column: (*name).to_owned(),
            }),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    /// Names of the columns, in order.
    pub fn columns(&self) -> Vec<&str> {
        let names = self.frame.get_column_names();
        names.into_iter().map(|name| name.as_str()).collect()
    }

    /// The rows whose cell has that text (numbers as they are printed).
    ///
    /// # Errors
    /// None that the data could cause, here and in the queries below: the reader of tables would be at fault.
    pub fn with(&self, column: &str, text: &str) -> Result<Self, ResultsError> {
        let cells = self.text_column(column)?;
        let cells = cells.str().map_err(query)?;
        self.filter(&cells.equal_missing(text))
    }

    /// The rows whose cell has another text, or none.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn without(&self, column: &str, text: &str) -> Result<Self, ResultsError> {
        let cells = self.text_column(column)?;
        let cells = cells.str().map_err(query)?;
        self.filter(&cells.not_equal_missing(text))
    }

    /// The rows whose cell is not empty.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn filled(&self, column: &str) -> Result<Self, ResultsError> {
        self.filter(&self.column(column).is_not_null())
    }

    /// The rows whose number is at least `least`.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn at_least(&self, column: &str, least: f64) -> Result<Self, ResultsError> {
        let cells = self.real_column(column)?;
        self.filter(&cells.f64().map_err(query)?.gt_eq(least))
    }

    /// The rows whose number is at most `most`.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn at_most(&self, column: &str, most: f64) -> Result<Self, ResultsError> {
        let cells = self.real_column(column)?;
        self.filter(&cells.f64().map_err(query)?.lt_eq(most))
    }

    /// The rows in the order of a column, empty cells last; equals stay in their order.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn sorted(&self, column: &str, descending: bool) -> Result<Self, ResultsError> {
        if self.frame.column(column).is_err() {
            return Ok(self.clone());
        }
        let options = SortMultipleOptions::default()
            .with_order_descending(descending)
            .with_nulls_last(true)
            .with_maintain_order(true);
        let frame = self.frame.sort([column], options).map_err(query)?;
        Ok(Self { frame })
    }

    /// The rows by equal cells in the columns, in the order of their first rows.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn groups(&self, columns: &[&str]) -> Result<Vec<Self>, ResultsError> {
        let there = columns
            .iter()
            .filter(|name| self.frame.column(name).is_ok());
        let there: Vec<&str> = there.copied().collect();
        if there.is_empty() || self.rows() == 0 {
            return Ok(vec![self.clone()]);
        }
        let grouped = self.frame.group_by_stable(there).map_err(query)?;
        let group = |group: GroupsIndicator<'_>| match group {
            GroupsIndicator::Idx((_, rows)) => {
                let rows = IdxCa::from_vec(PlSmallStr::EMPTY, rows.to_vec());
                let frame = self.frame.take(&rows).map_err(query)?;
                Ok(Self { frame })
            }
            GroupsIndicator::Slice([first, length]) => Ok(Self {
                frame: self.frame.slice(i64::from(first), length as usize),
            }),
        };
        grouped.get_groups().iter().map(group).collect()
    }

    /// The first row of each group.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn first_of(&self, columns: &[&str]) -> Result<Self, ResultsError> {
        let mut rows = Vec::new();
        if self.rows() > 0 {
            for group in self.groups(columns)? {
                rows.push(group.frame.slice(0, 1));
            }
        }
        let mut rows = rows.into_iter();
        let Some(mut frame) = rows.next() else {
            return Ok(self.clone());
        };
        for row in rows {
            frame.vstack_mut(&row).map_err(query)?;
        }
        Ok(Self { frame })
    }

    /// Every row with the columns of the one row of `other` that has the same cell in `key`; empty where there is none.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn joined(&self, other: &Self, key: &str) -> Result<Self, ResultsError> {
        if self.frame.column(key).is_err() || other.frame.column(key).is_err() {
            return Ok(self.clone());
        }
        let mut arguments = JoinArgs::new(JoinType::Left);
        arguments.maintain_order = MaintainOrderJoin::Left;
        let frame = self.frame.join(&other.frame, [key], [key], arguments, None);
        frame.map(|frame| Self { frame }).map_err(query)
    }

    /// The columns of those names that are there, in that order.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn select(&self, columns: &[&str]) -> Result<Self, ResultsError> {
        let there = columns
            .iter()
            .filter(|name| self.frame.column(name).is_ok());
        let frame = self.frame.select(there).map_err(query)?;
        Ok(Self { frame })
    }

    /// The table without the columns that are empty in every row.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn without_empty_columns(&self) -> Result<Self, ResultsError> {
        let filled = self
            .frame
            .columns()
            .iter()
            .filter(|column| column.null_count() < column.len());
        let names: Vec<&str> = filled.map(|column| column.name().as_str()).collect();
        self.select(&names)
    }

    /// The different texts of a column, in order.
    pub fn distinct(&self, column: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for text in self.texts(column).into_iter().flatten() {
            if !found.contains(&text) {
                found.push(text);
            }
        }
        found
    }

    /// The cells of a column as text.
    pub fn texts(&self, column: &str) -> Vec<Option<String>> {
        let cells = self.text_column(column);
        let cells = cells.as_ref().ok().and_then(|cells| cells.str().ok());
        match cells {
            Some(cells) => cells.iter().map(|cell| cell.map(str::to_owned)).collect(),
            None => vec![None; self.rows()],
        }
    }

    /// The numbers of a column.
    pub fn reals(&self, column: &str) -> Vec<Option<f64>> {
        let cells = self.real_column(column);
        let cells = cells.as_ref().ok().and_then(|cells| cells.f64().ok());
        match cells {
            Some(cells) => cells.iter().collect(),
            None => vec![None; self.rows()],
        }
    }

    /// The numbers of a column, empty cells left out.
    pub fn numbers(&self, column: &str) -> Vec<f64> {
        self.reals(column).into_iter().flatten().collect()
    }

    /// The text of the first row.
    pub fn text(&self, column: &str) -> Option<String> {
        self.texts(column).into_iter().next().flatten()
    }

    /// The number of the first row.
    pub fn real(&self, column: &str) -> Option<f64> {
        self.reals(column).into_iter().next().flatten()
    }

    /// Whether a column holds numbers.
    pub fn is_number(&self, column: &str) -> bool {
        self.column(column).dtype().is_primitive_numeric()
    }

    /// The table as CSV, with a header.
    ///
    /// # Errors
    /// See [`Self::with`].
    pub fn csv(&self) -> Result<String, ResultsError> {
        let mut bytes = Vec::new();
        CsvWriter::new(&mut bytes)
            .finish(&mut self.frame.clone())
            .map_err(query)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes the table as CSV, with a header.
    ///
    /// # Errors
    /// [`ResultsError::Io`] when the file cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<(), ResultsError> {
        write_whole(path, self.csv()?.as_bytes()).map_err(ResultsError::io("write", path))
    }

    /// Writes the table as Parquet, with a type for each column.
    ///
    /// # Errors
    /// As [`Self::write_csv`].
    pub fn write_parquet(&self, path: &Path) -> Result<(), ResultsError> {
        Frame::of(path, self.frame.clone()).write_parquet()
    }

    /// The table in Markdown (GitHub's dialect), numbers to the right, with six significant digits.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let names = self.columns();
        let mut text = line(names.iter().map(|name| escape(name)).collect());
        let marks = names
            .iter()
            .map(|name| if self.is_number(name) { "---:" } else { "---" });
        text.push_str(&line(marks.map(str::to_owned).collect()));
        let cells: Vec<Vec<String>> = names.iter().map(|name| self.readable(name)).collect();
        for row in 0..self.rows() {
            let cell = |column: &Vec<String>| column.get(row).cloned().unwrap_or_default();
            text.push_str(&line(cells.iter().map(cell).collect()));
        }
        text
    }

    fn readable(&self, column: &str) -> Vec<String> {
        if self.column(column).dtype().is_float() {
            let cells = self.reals(column).into_iter();
            return cells
                .map(|cell| cell.map_or_else(String::new, short))
                .collect();
        }
        let cells = self.texts(column).into_iter();
        cells
            .map(|cell| escape(&cell.unwrap_or_default()))
            .collect()
    }

    fn filter(&self, mask: &BooleanChunked) -> Result<Self, ResultsError> {
        let frame = self.frame.filter(mask).map_err(query)?;
        Ok(Self { frame })
    }

    fn column(&self, name: &str) -> Column {
        let empty = || Column::full_null(name.into(), self.rows(), &DataType::String);
        self.frame.column(name).cloned().unwrap_or_else(|_| empty())
    }

    fn text_column(&self, name: &str) -> Result<Column, ResultsError> {
        self.column(name).cast(&DataType::String).map_err(query)
    }

    fn real_column(&self, name: &str) -> Result<Column, ResultsError> {
        self.column(name).cast(&DataType::Float64).map_err(query)
    }
}

fn query(error: PolarsError) -> ResultsError {
    ResultsError::Query {
        message: error.to_string(),
    }
}

/// The narrowest type that holds every cell: whole numbers, numbers, switches, or text.
fn series(name: &str, cells: &[&Value]) -> Series {
    let all = |fits: fn(&Value) -> bool| cells.iter().all(|cell| cell.is_null() || fits(cell));
    let name = PlSmallStr::from(name);
    if all(|cell| cell.is_i64()) && cells.iter().any(|cell| !cell.is_null()) {
        return Series::new(
            name,
            cells.iter().map(|cell| cell.as_i64()).collect::<Vec<_>>(),
        );
    }
    if all(Value::is_number) {
        return Series::new(
            name,
            cells.iter().map(|cell| cell.as_f64()).collect::<Vec<_>>(),
        );
    }
    if all(Value::is_boolean) {
        return Series::new(
            name,
            cells.iter().map(|cell| cell.as_bool()).collect::<Vec<_>>(),
        );
    }
    let text = |cell: &&Value| match cell {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Series::new(name, cells.iter().map(text).collect::<Vec<_>>())
}

/// Six significant digits.
fn short(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e9) {
        return format!("{value:.3e}");
    }
    let places = (5 - value.abs().max(1e-3).log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
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
    use serde_json::json;

    fn table() -> Table {
        let row = |cells: &[(&str, Value)]| -> Row {
            let cells = cells.iter();
            cells
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect()
        };
        Table::from_rows(&[
            row(&[
                ("degree", json!(2)),
                ("mixed", json!(2)),
                ("name", json!("a|b,\"c\"")),
                ("on", json!(true)),
                ("nothing", Value::Null),
            ]),
            row(&[("degree", json!(3)), ("mixed", json!(0.5))]),
            row(&[
                ("degree", json!(2)),
                ("mixed", Value::Null),
                ("name", json!("b")),
            ]),
        ])
        .unwrap()
    }

    #[test]
    fn every_format_holds_the_same_cells() {
        let folder = tempfile::tempdir().unwrap();
        let (csv, parquet) = (folder.path().join("a.csv"), folder.path().join("a.parquet"));
        let table = table().without_empty_columns().unwrap();
        assert_eq!(table.columns(), ["degree", "mixed", "name", "on"]);
        table.write_csv(&csv).unwrap();
        table.write_parquet(&parquet).unwrap();
        assert_eq!(
            std::fs::read_to_string(&csv).unwrap(),
            "degree,mixed,name,on\n2,2.0,\"a|b,\"\"c\"\"\",true\n3,0.5,,\n2,,b,\n"
        );
        let back = Table::read_csv(&csv).unwrap();
        assert_eq!(
            back.texts("name"),
            [Some("a|b,\"c\"".to_owned()), None, Some("b".to_owned())]
        );
        assert_eq!(back.reals("degree"), [Some(2.0), Some(3.0), Some(2.0)]);
        assert_eq!((back.text("none"), back.real("none")), (None, None));
        assert!(back.require(&csv, &["degree"]).is_ok() && back.require(&csv, &["none"]).is_err());
        assert_eq!(
            table.markdown(),
            "| degree | mixed | name | on |\n| ---: | ---: | --- | --- |\n| 2 | 2 | a\\|b,\"c\" | true |\n| 3 | 0.5 |  |  |\n| 2 |  | b |  |\n"
        );
    }

    #[test]
    fn queries_choose_group_and_join() {
        let table = table();
        assert_eq!(table.with("degree", "2").unwrap().rows(), 2);
        assert_eq!(table.without("degree", "2").unwrap().rows(), 1);
        assert_eq!(
            table.without("name", "b").unwrap().rows(),
            2,
            "an empty cell is not `b`"
        );
        assert_eq!(table.filled("name").unwrap().rows(), 2);
        assert_eq!(table.filled("none").unwrap().rows(), 0);
        assert_eq!(table.at_least("mixed", 1.0).unwrap().rows(), 1);
        assert_eq!(
            table.sorted("mixed", false).unwrap().reals("mixed"),
            [Some(0.5), Some(2.0), None]
        );
        let groups = table.groups(&["degree", "none"]).unwrap();
        assert_eq!(groups.iter().map(Table::rows).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(
            table.first_of(&["degree"]).unwrap().texts("name"),
            [Some("a|b,\"c\"".to_owned()), None]
        );
        assert_eq!(table.distinct("degree"), ["2", "3"]);
        let names = Table::from_rows(&[vec![
            ("degree".to_owned(), json!(3)),
            ("word".to_owned(), json!("three")),
        ]])
        .unwrap();
        assert_eq!(
            table.joined(&names, "degree").unwrap().texts("word"),
            [None, Some("three".to_owned()), None]
        );
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
            assert_eq!(short(value), text);
        }
    }
}
