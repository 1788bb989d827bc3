//! A [`Document`] as Markdown (GitHub's dialect).

use super::{Block, Document, Table};
use crate::plot::Chart;

/// Where a page's charts and their data lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    /// Folder of the charts, closed by a slash, or nothing.
    pub charts: &'static str,
    /// Extension of the charts.
    pub extension: &'static str,
    /// Folder of the charts' data, closed by a slash; empty where there is none.
    pub data: &'static str,
}

/// The page; charts are links to files.
pub(crate) fn markdown(document: &Document, charts: &[Chart], links: Links) -> String {
    let mut page = Page {
        out: format!(
            "# {}\n\n{}\n\n",
            escape(&document.title),
            escape(&document.subtitle)
        ),
        warning: document
            .warning
            .as_ref()
            .map_or_else(String::new, |warning| {
                format!("> **WARNING: {}**\n\n", escape(warning))
            }),
        charts,
        links,
    };
    let headline = format!("{}**{}**\n\n", page.warning, escape(&document.headline));
    page.out.push_str(&headline);
    let mut cards = Table::new("", &["Figure", "#Value", "Note"]);
    for card in &document.cards {
        cards.push([card.label.clone(), card.value.clone(), card.note.clone()]);
    }
    if !cards.rows.is_empty() {
        page.table(&cards);
    }
    for section in &document.sections {
        page.line(&format!("## {}", escape(&section.title)));
        section.blocks.iter().for_each(|block| page.block(block));
    }
    let mut out = page.out;
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

struct Page<'a> {
    out: String,
    warning: String,
    charts: &'a [Chart],
    links: Links,
}

impl Page<'_> {
    /// A paragraph.
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push_str("\n\n");
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading(text) => self.line(&format!("### {}", escape(text))),
            Block::Text(text) => self.line(&escape(text)),
            Block::Conclusion(text, figures) => {
                self.line(format!("**{}** {}", escape(text), escape(figures)).trim())
            }
            Block::Facts(facts) => self.facts(facts),
            Block::Table(table) => {
                self.out.push_str(&self.warning.clone());
                self.table(table);
            }
            Block::Chart(name, note) => {
                let Links {
                    charts,
                    extension,
                    data,
                } = self.links;
                if let Some(chart) = self.charts.iter().find(|chart| chart.name == *name) {
                    let mut text = format!(
                        "![{}]({charts}{name}.{extension})\n\n{}",
                        escape(&chart.title),
                        escape(note)
                    );
                    if chart.data.is_some() && !data.is_empty() {
                        text.push_str(&format!(" [Data (CSV)]({data}{name}.csv)"));
                    }
                    self.line(text.trim());
                }
            }
            Block::Answers(answers) => {
                for answer in answers {
                    self.line(&format!(
                        "**{}: {}** {}",
                        escape(&answer.name),
                        escape(&answer.question),
                        escape(&answer.sentence)
                    ));
                    let mut facts = answer.facts.clone();
                    if !answer.provenance.is_empty() {
                        facts.push((
                            "Where this comes from".to_owned(),
                            answer.provenance.clone(),
                        ));
                    }
                    self.facts(&facts);
                }
            }
            Block::Folded(title, blocks) => {
                self.line(&format!("<details><summary>{}</summary>", escape(title)));
                blocks.iter().for_each(|block| self.block(block));
                self.line("</details>");
            }
            Block::Files(files) => {
                let links = files
                    .iter()
                    .map(|(what, name)| format!("- [{}]({name})\n", escape(what)));
                self.line(links.collect::<String>().trim_end());
            }
            Block::Source(language, text) => {
                let fence = fence(text);
                self.line(&format!("{fence}{language}\n{}\n{fence}", text.trim_end()));
            }
        }
    }

    fn facts(&mut self, facts: &[(String, String)]) {
        let lines = facts
            .iter()
            .map(|(name, value)| format!("- {}: {}\n", escape(name), escape(value)));
        self.line(lines.collect::<String>().trim_end());
    }

    fn table(&mut self, table: &Table) {
        if !table.caption.is_empty() {
            self.line(&escape(&table.caption));
        }
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = row(table.columns.iter().map(|(name, _)| escape(name)).collect());
        let marks = table
            .columns
            .iter()
            .map(|(_, number)| if *number { "---:" } else { "---" });
        text.push_str(&row(marks.map(str::to_owned).collect()));
        for cells in &table.rows {
            text.push_str(&row(cells.iter().map(|cell| escape(cell)).collect()));
        }
        self.line(text.trim_end());
    }
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
    let runs = text.split(|character| character != '`').map(str::len);
    "`".repeat((runs.max().unwrap_or(0) + 1).max(3))
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
