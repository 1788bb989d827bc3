//! A [`Document`] as one self-contained HTML page: nothing is loaded, it follows the reader's theme, and its tables sort and copy.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::{Answer, Block, Card, Document, Section, Table};
use crate::plot::{Chart, FAMILY, REGULAR, SEMIBOLD, in_address};

/// Colours on light pages, and those that the inks of charts become on dark ones.
const LIGHT: &str = include_str!("light.css");
const DARK: &str = include_str!("dark.css");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Longer cells of a table wrap, characters.
const MAX_LINE: usize = 48;

/// The page.
pub(crate) fn html(document: &Document, charts: &[Chart]) -> String {
    // Whatever a value may hold: the page runs its own script alone and loads nothing.
    let digest = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; font-src data:"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (document.title) }
                style { (PreEscaped(style())) }
            }
            body {
                nav {
                    @for section in &document.sections { a href={ "#" (anchor(&section.title)) } { (short(&section.title)) } }
                    button type="button" id="theme" hidden { "Dark" }
                }
                main {
                    header {
                        h1 { (document.title) }
                        p.subtitle { (document.subtitle) }
                        (warning(document))
                        p.headline { (document.headline) }
                    }
                    (cards(&document.cards))
                    @for section in &document.sections { (of_section(section, document, charts)) }
                }
                p #said role="status" {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Fonts, colours and layout: the system's theme, and `data-theme` on the root where that is set.
fn style() -> String {
    let face = |(font, weight): (&[u8], u32)| {
        let data = in_address(font);
        format!(
            "@font-face{{font-family:Inter;font-weight:{weight};src:url(data:font/otf;base64,{data})format(\"opentype\")}}\n"
        )
    };
    let fonts = [(REGULAR, 400), (SEMIBOLD, 700)].map(face).concat();
    format!(
        "{fonts}:root{{{LIGHT}}}\n@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{{DARK}}}}}\n:root[data-theme=dark]{{{DARK}}}\n{STYLE}"
    )
}

fn warning(document: &Document) -> Markup {
    html! { @if let Some(warning) = &document.warning { p.warning { "Warning: " (warning) } } }
}

fn cards(cards: &[Card]) -> Markup {
    html! {
        @if !cards.is_empty() {
            dl.cards { @for card in cards { div { dt { (card.label) } dd { (card.value) } dd.note { (card.note) } } } }
        }
    }
}

fn of_section(section: &Section, document: &Document, charts: &[Chart]) -> Markup {
    html! {
        section id=(anchor(&section.title)) {
            h2 { (section.title) }
            @for block in &section.blocks { (of_block(block, document, charts)) }
        }
    }
}

fn of_block(block: &Block, document: &Document, charts: &[Chart]) -> Markup {
    match block {
        Block::Heading(text) => html! { h3 { (text) } },
        Block::Text(text) => html! { p { (text) } },
        Block::Conclusion(text, figures) => {
            html! { p { strong { (text) } @if !figures.is_empty() { " " (figures) } } }
        }
        Block::Facts(pairs) => html! { dl.facts { (facts(pairs)) } },
        Block::Table(content) => table(content, document),
        Block::Chart(name, note) => html! {
            @if let Some(chart) = charts.iter().find(|chart| chart.name == *name) {
                figure {
                    div.chart tabindex="0" { (PreEscaped(inline(&chart.svg))) }
                    figcaption { (note) (data_link(chart)) }
                }
            }
        },
        Block::Answers(answers) => html! { @for one in answers { (answer(one)) } },
        Block::Folded(title, blocks) => html! {
            details { summary { (title) } @for block in blocks { (of_block(block, document, charts)) } }
        },
        Block::Source(_, text) => html! { pre { code { (text.trim_end()) } } },
        Block::Files(files) => html! {
            p { @for (index, (what, name)) in files.iter().enumerate() { @if index > 0 { ", " } a href=(name) { (what) } } }
        },
    }
}

fn facts(pairs: &[(String, String)]) -> Markup {
    html! { @for (name, value) in pairs { dt { (name) } dd { (value) } } }
}

fn answer(answer: &Answer) -> Markup {
    html! {
        article.answer {
            h3 { b { (answer.name) } " " (answer.question) }
            p { (answer.sentence) }
            dl { (facts(&answer.facts)) }
            @if !answer.provenance.is_empty() { details { summary { "Where this comes from" } p { (answer.provenance) } } }
        }
    }
}

/// The link to what a chart shows, as a file in the link itself.
fn data_link(chart: &Chart) -> Markup {
    html! {
        @if let Some(data) = &chart.data {
            " "
            a.data download={ (chart.name) ".csv" } href={ "data:text/csv;charset=utf-8;base64," (in_address(data.as_bytes())) } { "Data (CSV)" }
        }
    }
}

fn table(table: &Table, document: &Document) -> Markup {
    // Sentences may wrap; names and numbers may not.
    let class = |column: usize, cell: &str| match table.columns.get(column) {
        _ if cell.chars().count() > MAX_LINE => Some("long"),
        Some((_, true)) => Some("number"),
        _ => None,
    };
    html! {
        div.box {
            div.about { div { (warning(document)) p { (table.caption) } } }
            div.table tabindex="0" {
                table {
                    thead { tr { @for (name, number) in &table.columns { th scope="col" class=[number.then_some("number")] { (name) } } } }
                    tbody {
                        @for row in &table.rows {
                            tr {
                                @for (column, cell) in row.iter().enumerate() {
                                    @if column == 0 { th scope="row" class=[class(0, cell)] { (cell) } } @else { td class=[class(column, cell)] { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A title as the name of a place in the page.
fn anchor(title: &str) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() {
            character
        } else {
            ' '
        }
    };
    let words: String = title.to_lowercase().chars().map(plain).collect();
    words.split_whitespace().collect::<Vec<_>>().join("-")
}

/// What stands before the colon of a title.
fn short(title: &str) -> &str {
    title.split_once(':').map_or(title, |(name, _)| name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_plain() {
        assert_eq!(anchor("RQ1: approximation, <b>"), "rq1-approximation-b");
        assert_eq!(short("RQ1: approximation"), "RQ1");
    }
}
