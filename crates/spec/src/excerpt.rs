//! The text of a diagnostic: what stands around the labels, however long its lines are and whatever is in them.

use super::printable;
use std::ops::Range;

/// The most characters of a line that are shown: the diagnostic is laid out in columns, of which a terminal has hundreds.
const WIDTH: usize = 240;
/// Characters in front of a label in a line that is cut.
const BEFORE: usize = 80;

/// `text` with control characters escaped and long lines cut down to what is around their first label, and where the labels' `spans` are
/// in it. It has as many lines as `text`.
pub(super) fn excerpt(text: &str, spans: &[Range<usize>]) -> (String, Vec<Range<usize>>) {
    let mut out = String::with_capacity(text.len());
    let mut moved = Moved::new(spans);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let shown = window(line, at, spans);
        if shown.start > 0 {
            out.push('…');
        }
        for (place, (offset, character)) in line.char_indices().enumerate() {
            moved.pass(at + offset, out.len());
            let ends = matches!(line.get(offset..), Some("\n" | "\r\n"));
            if character == '\n' {
                if shown.end < place {
                    out.push('…');
                }
                out.push(character);
            } else if shown.contains(&place) && !ends {
                printable::push(&mut out, character);
            }
        }
        at += line.len();
    }
    moved.pass(text.len(), out.len());
    (out, moved.ends(spans))
}

/// The characters of a line that are shown.
fn window(line: &str, at: usize, spans: &[Range<usize>]) -> Range<usize> {
    let length = line.chars().count();
    if length <= WIDTH {
        return 0..length;
    }
    let label = spans
        .iter()
        .map(|span| span.start)
        .find(|start| (at..at + line.len()).contains(start))
        .map_or(0, |start| {
            let before = line
                .char_indices()
                .take_while(|(offset, _)| at + offset < start);
            before.count()
        });
    let from = label.saturating_sub(BEFORE).min(length - WIDTH);
    from..from + WIDTH
}

/// Where the ends of spans have gone.
struct Moved {
    /// Ends in order, and how many of them were passed.
    ends: Vec<usize>,
    moved: Vec<usize>,
}

impl Moved {
    fn new(spans: &[Range<usize>]) -> Self {
        let mut ends: Vec<usize> = spans
            .iter()
            .flat_map(|span| [span.start, span.end])
            .collect();
        ends.sort_unstable();
        ends.dedup();
        Self {
            moved: Vec::with_capacity(ends.len()),
            ends,
        }
    }

    /// Byte `from` of the text is byte `to` of the excerpt. Bytes come in order.
    fn pass(&mut self, from: usize, to: usize) {
        while self
            .ends
            .get(self.moved.len())
            .is_some_and(|end| *end <= from)
        {
            self.moved.push(to);
        }
    }

    fn ends(mut self, spans: &[Range<usize>]) -> Vec<Range<usize>> {
        let last = self.moved.last().copied().unwrap_or(0);
        self.moved.resize(self.ends.len(), last);
        let to = |end: usize| {
            self.ends
                .binary_search(&end)
                .map_or(last, |index| self.moved[index])
        };
        spans
            .iter()
            .map(|span| to(span.start)..to(span.end))
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_text_stays_as_it_is() {
        let text = "name = \"ä\"\ndegree = 3\n";
        assert_eq!(
            excerpt(text, &[12..18, 21..22]),
            (text.to_owned(), vec![12..18, 21..22])
        );
    }

    #[test]
    fn escaped_characters_move_what_follows_them() {
        let (text, spans) = excerpt("a\u{1b}b = 1\r\nc", &[2..3, 9..10]);
        assert_eq!(text, "a\\u{1b}b = 1\nc");
        assert_eq!(
            (&text[spans[0].clone()], &text[spans[1].clone()]),
            ("b", "c")
        );
    }

    #[test]
    fn a_long_line_is_cut_around_its_label() {
        let text = format!("{}WRONG{}\nnext", "a".repeat(70_000), "b".repeat(70_000));
        let (shown, spans) = excerpt(&text, &[70_000..70_005]);
        let mut lines = shown.lines();
        assert_eq!(lines.next().unwrap_or_default().chars().count(), WIDTH + 2);
        assert_eq!(lines.next(), Some("next"));
        assert_eq!(&shown[spans[0].clone()], "WRONG");
        let (_, beyond) = excerpt(&text, &[0..140_000]);
        assert_eq!(beyond[0].start, 0);
        assert!(beyond[0].end <= shown.len());
    }
}
