//! A [`Document`] as Markdown (GitHub's dialect).

use super::Chart;
use super::document::{Block, Document, Table};

/// Where a page's charts and their data lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files {
    /// Folder of the charts, closed by a slash, or nothing.
    pub charts: &'static str,
    /// Extension of the charts.
    pub extension: &'static str,
    /// Folder of the charts' data, closed by a slash.
    pub data: &'static str,
}

/// The page; charts are links to the SVG files beside it.
pub(super) fn page(document: &Document, charts: &[Chart]) -> String {
    let files = Files {
        charts: "",
        extension: "svg",
        data: "",
    };
    page_with(document, charts, files)
}

/// The page; charts are links to files.
pub(super) fn page_with(document: &Document, charts: &[Chart], files: Files) -> String {
    let mut out = format!(
        "# {}\n\n{}\n\n",
        escape(&document.title),
        escape(&document.subtitle)
    );
    let warning = document
        .warning
        .as_deref()
        .map(|warning| format!("> **WARNING: {}**\n\n", escape(warning)));
    let warning = warning.unwrap_or_default();
    out.push_str(&warning);
    out.push_str(&format!("**{}**\n\n", escape(&document.headline)));
    if !document.cards.is_empty() {
        let rows = document
            .cards
            .iter()
            .map(|card| vec![card.label.clone(), card.value.clone(), card.note.clone()]);
        let columns = vec![
            ("Figure".to_owned(), false),
            ("Value".to_owned(), true),
            ("Note".to_owned(), false),
        ];
        table(
            &mut out,
            &Table {
                caption: String::new(),
                columns,
                rows: rows.collect(),
            },
        );
    }
    for section in &document.sections {
        out.push_str(&format!("## {}\n\n", escape(&section.title)));
        for block in &section.blocks {
            match block {
                Block::Heading(text) => out.push_str(&format!("### {}\n\n", escape(text))),
                Block::Text(text) => out.push_str(&format!("{}\n\n", escape(text))),
                Block::Facts(facts) => {
                    for (name, value) in facts {
                        out.push_str(&format!("- {}: {}\n", escape(name), escape(value)));
                    }
                    out.push('\n');
                }
                Block::Table(content) => {
                    out.push_str(&warning);
                    table(&mut out, content);
                }
                Block::Chart(name, note) => {
                    if let Some(chart) = charts.iter().find(|chart| chart.name == *name) {
                        let Files {
                            charts, extension, ..
                        } = files;
                        out.push_str(&format!(
                            "![{}]({charts}{name}.{extension})\n\n{}",
                            escape(&chart.title),
                            escape(note)
                        ));
                        if chart.data.is_some() && !files.data.is_empty() {
                            out.push_str(&format!(" [Data (CSV)]({}{name}.csv)", files.data));
                        }
                        out.push_str("\n\n");
                    }
                }
                Block::Answers(answers) => {
                    for answer in answers {
                        out.push_str(&format!(
                            "**{}: {}** {}\n\n",
                            escape(&answer.name),
                            escape(&answer.question),
                            escape(&answer.sentence)
                        ));
                        if let Some(ours) = &answer.ours {
                            out.push_str(&format!("- Here: {}\n", escape(ours)));
                        }
                        out.push_str(&format!("- The paper: {}\n\n", escape(&answer.paper)));
                    }
                }
                Block::Files(files) => {
                    for (what, name) in files {
                        out.push_str(&format!("- [{}]({name})\n", escape(what)));
                    }
                    out.push('\n');
                }
                Block::Source(title, language, text) => {
                    let fence = fence(text);
                    out.push_str(&format!(
                        "### {}\n\n{fence}{language}\n{}\n{fence}\n\n",
                        escape(title),
                        text.trim_end()
                    ));
                }
            }
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn table(out: &mut String, table: &Table) {
    if !table.caption.is_empty() {
        out.push_str(&format!("{}\n\n", escape(&table.caption)));
    }
    let mut row = |cells: &mut dyn Iterator<Item = String>| {
        out.push('|');
        for cell in cells {
            out.push_str(&format!(" {cell} |"));
        }
        out.push('\n');
    };
    row(&mut table.columns.iter().map(|(name, _)| escape(name)));
    row(&mut table
        .columns
        .iter()
        .map(|(_, number)| if *number { "---:" } else { "---" }.to_owned()));
    for cells in &table.rows {
        row(&mut cells.iter().map(|cell| escape(cell)));
    }
    out.push('\n');
}

/// Text that Markdown must not read as markup; one line.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' => {
                out.push('\\');
                out.push(character);
            }
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// More backticks than the text has in a row.
fn fence(text: &str) -> String {
    let longest = text
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_values_stays_text() {
        assert_eq!(escape("a|b_c <x>\n*y*"), "a\\|b\\_c \\<x\\> \\*y\\*");
        assert_eq!(fence("a ``` b"), "````");
        assert_eq!(fence(""), "```");
    }
}
