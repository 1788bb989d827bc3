//! A [`Document`] as one self-contained HTML page: no script, nothing loaded, light and dark.

use super::Chart;
use super::canvas::{FAMILY, REGULAR, SEMIBOLD};
use super::document::{Answer, Block, Card, Document, Section, Table};
use super::render::{escape, in_address};

/// Colours on light pages, and those that the inks of charts become on dark ones.
const LIGHT: &str = include_str!("light.css");
const DARK: &str = include_str!("dark.css");
/// Longer cells of a table wrap, characters.
const MAX_LINE: usize = 64;

const STYLE: &str = include_str!("report.css");

/// The style of every page: it follows what the reader's system prefers, and `data-theme` on the root where that is set.
pub(super) fn style() -> String {
    format!(
        ":root{{{LIGHT}}}\n@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{DARK}}}}}\n:root[data-theme=dark]{{{DARK}}}\n{STYLE}"
    )
}

/// The embedded fonts.
pub(super) fn fonts() -> String {
    let face = |(font, weight): (&[u8], u32)| {
        format!(
            "@font-face{{font-family:Inter;font-weight:{weight};src:url(data:font/otf;base64,{})format(\"opentype\")}}\n",
            in_address(font)
        )
    };
    [(REGULAR, 400), (SEMIBOLD, 700)].map(face).concat()
}

/// The page.
pub(super) fn page(document: &Document, charts: &[Chart]) -> String {
    let mut out = String::with_capacity(256 * 1024);
    out.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n");
    // Whatever a value may hold: the page runs nothing and loads nothing.
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:\">\n",
    );
    out.push_str(&format!(
        "<title>{}</title>\n<style>\n",
        escape(&document.title)
    ));
    out.push_str(&fonts());
    out.push_str(&style());
    out.push_str("</style>\n</head>\n<body>\n");
    let warning = document
        .warning
        .as_deref()
        .map(|warning| format!("<p class=\"warning\">Warning: {}</p>\n", escape(warning)));
    let warning = warning.unwrap_or_default();
    out.push_str("<main>\n<header>\n");
    out.push_str(&format!(
        "<h1>{}</h1>\n<p class=\"subtitle\">{}</p>\n",
        escape(&document.title),
        escape(&document.subtitle)
    ));
    out.push_str(&warning);
    out.push_str(&format!(
        "<p class=\"headline\">{}</p>\n</header>\n",
        escape(&document.headline)
    ));
    cards(&mut out, &document.cards);
    for part in &document.sections {
        section(&mut out, part, charts, &warning);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn cards(out: &mut String, cards: &[Card]) {
    if cards.is_empty() {
        return;
    }
    out.push_str("<dl class=\"cards\">\n");
    for card in cards {
        out.push_str(&format!(
            "<div><dt>{}</dt><dd>{}</dd><dd class=\"note\">{}</dd></div>\n",
            escape(&card.label),
            escape(&card.value),
            escape(&card.note)
        ));
    }
    out.push_str("</dl>\n");
}

fn section(out: &mut String, section: &Section, charts: &[Chart], warning: &str) {
    out.push_str(&format!("<section>\n<h2>{}</h2>\n", escape(&section.title)));
    blocks(out, &section.blocks, charts, warning);
    out.push_str("</section>\n");
}

/// What stands in a section.
pub(super) fn blocks(out: &mut String, blocks: &[Block], charts: &[Chart], warning: &str) {
    for block in blocks {
        match block {
            Block::Heading(text) => out.push_str(&format!("<h3>{}</h3>\n", escape(text))),
            Block::Text(text) => out.push_str(&format!("<p>{}</p>\n", escape(text))),
            Block::Facts(facts) => {
                out.push_str("<dl class=\"facts\">\n");
                for (name, value) in facts {
                    out.push_str(&format!(
                        "<dt>{}</dt><dd>{}</dd>\n",
                        escape(name),
                        escape(value)
                    ));
                }
                out.push_str("</dl>\n");
            }
            Block::Table(content) => table(out, content, warning),
            Block::Chart(name, note) => {
                if let Some(chart) = charts.iter().find(|chart| chart.name == *name) {
                    out.push_str(&format!(
                        "<figure>\n<div class=\"chart\" tabindex=\"0\">\n{}</div>\n<figcaption>{}{}</figcaption>\n</figure>\n",
                        inline(&chart.svg),
                        escape(note),
                        data_link(chart)
                    ));
                }
            }
            Block::Source(title, _, text) => out.push_str(&format!(
                "<details>\n<summary>{}</summary>\n<pre><code>{}</code></pre>\n</details>\n",
                escape(title),
                escape(text.trim_end())
            )),
            Block::Answers(answers) => answers.iter().for_each(|one| answer(out, one)),
            Block::Files(files) => {
                let links: Vec<String> = files
                    .iter()
                    .map(|(what, name)| {
                        format!("<a href=\"{}\">{}</a>", escape(name), escape(what))
                    })
                    .collect();
                out.push_str(&format!("<p>{}</p>\n", links.join(", ")));
            }
        }
    }
}

fn answer(out: &mut String, answer: &Answer) {
    out.push_str(&format!(
        "<article class=\"answer\">\n<h3><b>{}</b> {}</h3>\n<p>{}</p>\n<dl>\n",
        escape(&answer.name),
        escape(&answer.question),
        escape(&answer.sentence)
    ));
    if let Some(ours) = &answer.ours {
        out.push_str(&format!("<dt>Here</dt><dd>{}</dd>\n", escape(ours)));
    }
    out.push_str(&format!(
        "<dt>The paper</dt><dd>{}</dd>\n</dl>\n</article>\n",
        escape(&answer.paper)
    ));
}

/// The link to what a chart shows, as a file in the link itself.
fn data_link(chart: &Chart) -> String {
    chart.data.as_ref().map_or_else(String::new, |data| {
        format!(
            " <a class=\"data\" download=\"{}.csv\" href=\"data:text/csv;charset=utf-8;base64,{}\">Data (CSV)</a>",
            escape(&chart.name),
            in_address(data.as_bytes())
        )
    })
}

fn table(out: &mut String, table: &Table, warning: &str) {
    let class = |column: usize| {
        if table.columns.get(column).is_some_and(|(_, number)| *number) {
            " class=\"number\""
        } else {
            ""
        }
    };
    // Sentences may wrap; names and numbers may not.
    let cell_class = |column: usize, cell: &str| {
        if cell.chars().count() > MAX_LINE {
            " class=\"long\""
        } else {
            class(column)
        }
    };
    out.push_str("<div class=\"table\" tabindex=\"0\">\n<table>\n");
    out.push_str(&format!(
        "<caption>{warning}{}</caption>\n<thead><tr>",
        escape(&table.caption)
    ));
    for (column, (name, _)) in table.columns.iter().enumerate() {
        out.push_str(&format!(
            "<th scope=\"col\"{}>{}</th>",
            class(column),
            escape(name)
        ));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let (open, close) = if column == 0 {
                ("th scope=\"row\"", "th")
            } else {
                ("td", "td")
            };
            out.push_str(&format!(
                "<{open}{}>{}</{close}>",
                cell_class(column, cell),
                escape(cell)
            ));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

/// An SVG file as part of a page: it needs no name space there, gets its font from the page, and leaves out what is so anyway.
fn inline(svg: &str) -> String {
    let font = format!(" font-family=\"{}\"", FAMILY.replace('\'', "&apos;"));
    let mut inline = svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
    for given in [
        font.as_str(),
        " opacity=\"1\"",
        " stroke=\"none\"",
        " text-anchor=\"start\"",
    ] {
        inline = inline.replace(given, "");
    }
    inline
}
