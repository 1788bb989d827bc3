//! What a page says, before it looks like anything: plain text in sections. The page of a run and that of the studies are the same components,
//! in HTML and in Markdown.

mod html;
mod markdown;

pub(crate) use html::html;
pub(crate) use markdown::{Links, markdown};

/// A whole page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub title: String,
    pub subtitle: String,
    /// The result in one sentence.
    pub headline: String,
    /// A warning that belongs to every figure on the page.
    pub warning: Option<String>,
    /// The figures to remember.
    pub cards: Vec<Card>,
    pub sections: Vec<Section>,
}

/// One figure to remember.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub label: String,
    /// The figure with its unit.
    pub value: String,
    /// What belongs to it: interval, n.
    pub note: String,
}

/// A part of a page under a heading.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// A heading within the section.
    Heading(String),
    Text(String),
    /// What a chart shows, in a sentence, and the figures behind it.
    Conclusion(String, String),
    /// Names and values.
    Facts(Vec<(String, String)>),
    Table(Table),
    /// The chart of that name, where it was drawn, and how to read it.
    Chart(String, String),
    /// Questions with their answers.
    Answers(Vec<Answer>),
    /// Folded away where the page can: a title and what is below it.
    Folded(String, Vec<Block>),
    /// Text as it is: language, text.
    Source(&'static str, String),
    /// Files beside the page: what they hold, and their names.
    Files(Vec<(String, String)>),
}

/// A question, its conclusion in one sentence, and what it rests on.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its short name: `RQ1`.
    pub name: String,
    pub question: String,
    /// The conclusion; or what would give one.
    pub sentence: String,
    /// The figures, each with its name.
    pub facts: Vec<(String, String)>,
    /// Where they come from.
    pub provenance: String,
}

/// A table of plain text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub caption: String,
    /// Headings; `true` where the column holds numbers.
    pub columns: Vec<(String, bool)>,
    /// One cell a column.
    pub rows: Vec<Vec<String>>,
}

/// Stands where there is no value.
pub(crate) const NONE: &str = "–";

impl Table {
    /// A table without rows. A heading that starts with `#` is of a column of numbers.
    pub fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        let column = |column: &&str| match column.strip_prefix('#') {
            Some(name) => (name.to_owned(), true),
            None => ((*column).to_owned(), false),
        };
        Self {
            caption: caption.into(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table without the columns that say nothing in any row.
    pub fn without_empty_columns(mut self) -> Self {
        let filled = |column: &usize| {
            self.rows.iter().any(|row| {
                row.get(*column)
                    .is_some_and(|cell| cell != NONE && !cell.is_empty())
            })
        };
        let kept: Vec<usize> = (0..self.columns.len())
            .filter(|column| *column == 0 || filled(column))
            .collect();
        self.columns = kept
            .iter()
            .map(|column| self.columns[*column].clone())
            .collect();
        for row in &mut self.rows {
            *row = kept
                .iter()
                .filter_map(|column| row.get(*column).cloned())
                .collect();
        }
        self
    }

    /// As a block, unless it has no rows.
    pub fn block(self) -> Option<Block> {
        (!self.rows.is_empty()).then_some(Block::Table(self))
    }
}

/// The value in words, or the sign for none.
pub(crate) fn or_none<T>(value: Option<T>, words: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| NONE.to_owned(), words)
}

/// A name and a value.
pub(crate) fn fact(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}
