//! The file and the overrides as one long text, so that one span says in which of them something stands.

use super::error::{Problem, SpecError};

/// The texts of a spec, end to end, with one byte between neighbours.
pub(super) struct Sources {
    parts: Vec<Part>,
    /// How many of the parts are files; the others are overrides.
    files: usize,
}

pub(super) struct Part {
    /// Shown above the underlined line.
    pub name: String,
    pub text: String,
    /// Where the text begins in the long text.
    pub base: usize,
}

/// In front of an override, in its text and so in every message about it.
pub(super) const FLAG: &str = "--set ";

impl Sources {
    pub fn new(file_name: &str, text: &str, overrides: &[String]) -> Self {
        Self::of_files(&[(file_name, text)], overrides)
    }

    /// Several files, each a name and a text: the spec, then what else puts values into it.
    pub fn of_files(files: &[(&str, &str)], overrides: &[String]) -> Self {
        let overrides = overrides
            .iter()
            .map(|setting| ("command line", format!("{FLAG}{setting}")));
        let texts = files.iter().map(|(name, text)| (*name, (*text).to_owned()));
        let mut parts = Vec::new();
        let mut base = 0;
        for (name, text) in texts.chain(overrides) {
            let length = text.len();
            parts.push(Part {
                name: name.to_owned(),
                text,
                base,
            });
            base += length + 1;
        }
        Self {
            parts,
            files: files.len(),
        }
    }

    /// The file's text; its spans need no shift.
    pub fn file(&self) -> &str {
        self.parts.first().map_or("", |part| &part.text)
    }

    /// The overrides, in the order given.
    pub fn overrides(&self) -> &[Part] {
        self.parts.get(self.files..).unwrap_or_default()
    }

    /// The diagnostic, on the text that holds the problem's first label (the file where it has none). What stands in another
    /// text is told in the help.
    pub fn report(&self, mut problem: Problem) -> SpecError {
        let at = problem.labels.first().map_or(0, |(span, _)| span.start);
        let Some(part) = self.holding(at) else {
            return problem.on("spec", "", 0);
        };
        for (span, label) in &problem.labels {
            if let Some(other) = self
                .holding(span.start)
                .filter(|other| other.base != part.base)
            {
                let line = 1 + other
                    .text
                    .bytes()
                    .take(span.start - other.base)
                    .filter(|&byte| byte == b'\n')
                    .count();
                let place = if self.parts[..self.files]
                    .iter()
                    .any(|file| file.base == other.base)
                {
                    format!("{} line {line}", other.name)
                } else {
                    other.text.clone()
                };
                let help = problem.help.get_or_insert_default();
                help.push_str(&format!(" ({place}: {label})"));
            }
        }
        problem.on(&part.name, &part.text, part.base)
    }

    fn holding(&self, at: usize) -> Option<&Part> {
        self.parts.iter().rev().find(|part| part.base <= at)
    }
}
