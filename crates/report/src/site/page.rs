//! The report over all studies as one page: it works without a network, sorts and copies its tables, and follows the reader's theme.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::Chart;
use crate::document::Document;
use crate::html::{blocks, fonts, style};
use crate::render::escape;

const STYLE: &str = include_str!("site.css");
const SCRIPT: &str = include_str!("site.js");

/// The page.
pub(super) fn page(document: &Document, charts: &[Chart]) -> String {
    let mut out = String::with_capacity(1 << 20);
    out.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n");
    // Whatever a value may hold: the page runs its own script alone and loads nothing.
    let digest = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    out.push_str(&format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; font-src data:\">\n"
    ));
    out.push_str(&format!(
        "<title>{}</title>\n<style>\n",
        escape(&document.title)
    ));
    out.push_str(&fonts());
    out.push_str(&style());
    out.push_str(STYLE);
    out.push_str("</style>\n</head>\n<body>\n<nav>\n");
    for section in &document.sections {
        let short = section
            .title
            .split_once(':')
            .map_or(section.title.as_str(), |(name, _)| name);
        out.push_str(&format!(
            "<a href=\"#{}\">{}</a>\n",
            anchor(&section.title),
            escape(short)
        ));
    }
    out.push_str(
        "<button type=\"button\" id=\"theme\" hidden>Dark</button>\n</nav>\n<main>\n<header>\n",
    );
    out.push_str(&format!(
        "<h1>{}</h1>\n<p class=\"subtitle\">{}</p>\n<p class=\"headline\">{}</p>\n</header>\n",
        escape(&document.title),
        escape(&document.subtitle),
        escape(&document.headline)
    ));
    for section in &document.sections {
        out.push_str(&format!(
            "<section id=\"{}\">\n<h2>{}</h2>\n",
            anchor(&section.title),
            escape(&section.title)
        ));
        blocks(&mut out, &section.blocks, charts, "");
        out.push_str("</section>\n");
    }
    out.push_str("</main>\n<p id=\"said\" role=\"status\"></p>\n<script>");
    out.push_str(SCRIPT);
    out.push_str("</script>\n</body>\n</html>\n");
    out
}

/// A title as the name of a place in the page.
fn anchor(title: &str) -> String {
    let mut out = String::new();
    for character in title.chars().flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            out.push(character);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_plain() {
        assert_eq!(anchor("RQ1: approximation, <b>"), "rq1-approximation-b");
    }
}
