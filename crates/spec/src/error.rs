//! What is wrong with a spec: one diagnostic that underlines the place and says what would be right.

use miette::{Diagnostic, LabeledSpan, NamedSource};
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

use super::excerpt::excerpt;
use super::printable::printable;

/// Why there is no [`Experiment`](super::Experiment).
#[derive(Debug, Error, Diagnostic)]
pub enum SpecError {
    /// The file cannot be read.
    #[error("cannot read the spec {}", shown(path))]
    #[diagnostic(help(
        "a spec is a TOML file with at least `name` and `dataset.name`; `configs/` holds examples"
    ))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is far bigger than any spec.
    #[error("{} has more than {limit} bytes: that is no spec", shown(path))]
    #[diagnostic(help("a spec is a TOML file of a few hundred bytes; is this the right file?"))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read, bytes.
        limit: u64,
    },
    /// The file is not text.
    #[error(
        "{} is not UTF-8 text: byte {at} (line {line}) fits no character",
        shown(path)
    )]
    #[diagnostic(help(
        "a spec is a TOML file, and TOML is UTF-8; save it as UTF-8, or check that it is the right file"
    ))]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Offset of the first byte that fits no character.
        at: usize,
        /// Its line, from 1.
        line: usize,
    },
    /// The text is no legal spec.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(Box<Invalid>),
    /// The text is no legal spec for several reasons.
    #[error("{} faults in one spec", .0.len())]
    #[diagnostic()]
    Several(#[related] Vec<SpecError>),
}

/// A spec, or an override of it, that is not legal TOML or asks for something that cannot be.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
pub struct Invalid {
    message: String,
    #[source_code]
    code: NamedSource<String>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
    #[help]
    help: Option<String>,
    exit_code: u8,
}

const SPEC_IS_WRONG: u8 = 2;
const DATA_ARE_WRONG: u8 = 3;

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

impl SpecError {
    /// Exit code of a program that ends with this error: 2, the spec or the arguments are wrong; 3, the images that it names are missing
    /// or wrong.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(invalid) => invalid.exit_code,
            _ => SPEC_IS_WRONG,
        }
    }

    /// The faults one by one.
    pub fn into_each(self) -> Vec<Self> {
        match self {
            Self::Several(all) => all,
            one => vec![one],
        }
    }
}

/// What a check found, before it is known in which text (the file, or an override) its spans lie.
#[derive(Debug)]
pub(super) struct Problem {
    pub message: String,
    /// The first one is where the fault is, the others are what it clashes with.
    pub labels: Vec<(Range<usize>, String)>,
    pub help: Option<String>,
    pub exit_code: u8,
    /// What few need.
    pub more: Box<More>,
}

/// How the check of the rest of a spec goes on after a [`Problem`], and what the reference takes from it.
#[derive(Debug, Default)]
pub(super) struct More {
    /// The value to go on with where the others of a spec are checked as well, as TOML; where there is none, the key that is underlined
    /// first is left out.
    pub instead: Option<String>,
    /// Further faults that were found with this one.
    pub others: Vec<Problem>,
    /// What a value out of its range or list could have been.
    pub allowed: Option<Allowed>,
}

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Allowed {
    /// A number from the first to the second; the third is the default.
    Range([String; 3]),
    /// One of these names.
    Names(Vec<String>),
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            labels: Vec::new(),
            help: None,
            exit_code: SPEC_IS_WRONG,
            more: Box::default(),
        }
    }

    /// Whether [`Self::of_data`] said so.
    pub const fn is_of_data(&self) -> bool {
        self.exit_code == DATA_ARE_WRONG
    }

    /// Says what the value could have been, for the reference.
    pub fn allowed(mut self, allowed: Allowed) -> Self {
        self.more.allowed = Some(allowed);
        self
    }

    /// One problem of several, in the order given; none of none.
    pub fn of_several(problems: Vec<Self>) -> Result<(), Self> {
        let mut problems = problems.into_iter();
        match problems.next() {
            None => Ok(()),
            Some(mut first) => {
                first.more.others.extend(problems);
                Err(first)
            }
        }
    }

    /// The other values of the spec are checked as if this one were `value`, which is TOML.
    pub fn instead(mut self, value: impl Into<String>) -> Self {
        self.more.instead = Some(value.into());
        self
    }

    /// The fault is with the images that the spec names, not with the spec.
    pub fn of_data(self) -> Self {
        Self {
            exit_code: DATA_ARE_WRONG,
            ..self
        }
    }

    /// Underlines `span`, with `label` below.
    pub fn at(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.labels.push((span, label.into()));
        self
    }

    /// Underlines `span` where there is one: a default has no place in the text.
    pub fn at_some(self, span: Option<Range<usize>>, label: impl Into<String>) -> Self {
        match span {
            Some(span) => self.at(span, label),
            None => self,
        }
    }

    /// Says what would be right.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The diagnostic, on `text` called `name`, whose first byte is byte `base` of the spans. Labels outside are left out.
    pub fn on(self, name: &str, text: &str, base: usize) -> SpecError {
        let end = base + text.len();
        let labels = self
            .labels
            .into_iter()
            .filter(|(span, _)| base <= span.start && span.start <= end);
        let (labels, spans): (Vec<String>, Vec<Range<usize>>) = labels
            .map(|(span, label)| {
                let span = visible(text, span.start - base, span.end.min(end) - base);
                (printable(&label), span)
            })
            .unzip();
        let (text, spans) = excerpt(text, &spans);
        let labels = labels
            .into_iter()
            .zip(spans)
            .map(|(label, span)| LabeledSpan::new(Some(label), span.start, span.len()));
        SpecError::Invalid(Box::new(Invalid {
            message: printable(&self.message),
            labels: labels.collect(),
            code: NamedSource::new(printable(name), text),
            help: self.help.map(|help| printable(&help)),
            exit_code: self.exit_code,
        }))
    }
}

/// A place at the end of the text has no character to underline: the last one serves.
fn visible(text: &str, start: usize, end: usize) -> Range<usize> {
    match text.char_indices().next_back() {
        Some((last, _)) if start >= text.len() => last..text.len(),
        _ => start..end.max(start),
    }
}
