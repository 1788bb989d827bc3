//! Text from outside, made fit for a terminal.

use std::fmt::Write;

/// The longest line of a message, characters.
const MAX_LINE: usize = 2_000;

/// `text` with every control character but the ends of lines escaped (`\u{1b}`), so that nothing in it moves the cursor, changes colours
/// or turns the direction of writing, and with what is beyond the 2,000th character of a line left out.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut length = 0;
    for character in text.chars() {
        if character == '\n' {
            out.push(character);
            length = 0;
            continue;
        }
        length += 1;
        match length.cmp(&MAX_LINE) {
            std::cmp::Ordering::Less => push(&mut out, character),
            std::cmp::Ordering::Equal => out.push('…'),
            std::cmp::Ordering::Greater => {}
        }
    }
    out
}

/// The same for what is no message: whatever the length of its lines.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push(character),
            _ => push(&mut out, character),
        }
    }
    out
}

/// Appends a character, escaped where it is not one to be seen. A tab is.
pub(super) fn push(out: &mut String, character: char) {
    if character != '\t' && (character.is_control() || turns(character)) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}", character.escape_unicode());
    } else {
        out.push(character);
    }
}

/// Whether a character has no shape of its own and turns the direction of those around it.
fn turns(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(
            printable("a\u{1b}[31mb\r\u{7}\nc\td\u{202e}e\u{9b}f"),
            "a\\u{1b}[31mb\\u{d}\\u{7}\nc\td\\u{202e}e\\u{9b}f"
        );
        assert_eq!(printable("größe µ 図"), "größe µ 図");
        assert_eq!(escaped("a\u{1b}b\nc"), "a\\u{1b}b\nc");
    }

    #[test]
    fn long_lines_are_cut_each_for_itself() {
        let text = format!("{}\nshort\n{}", "x".repeat(100_000), "y".repeat(1_999));
        let shown = printable(&text);
        let lengths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lengths, [2_000, 5, 1_999]);
        assert!(shown.starts_with("xxx") && shown.contains("x…\nshort"));
    }
}
