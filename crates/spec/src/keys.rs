//! The keys of a spec: which exist, which was meant, and what a place in the text is called.

use super::error::Problem;
use super::raw::*;
use serde::de::value::Error as Never;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A section's name and its keys.
type Section = (&'static str, &'static [&'static str]);

/// Refuses every key that does not exist, and anything but a table where a table belongs.
///
/// # Errors
/// The [`Problem`] that stands first in the text, with the others.
pub(super) fn check(root: &DeTable<'_>) -> Result<(), Problem> {
    let mut problems = Problems(Vec::new());
    problems.unknown(root, "", fields::<RawSpec>());
    for (name, keys) in sections() {
        if let Some(value) = find(root, name) {
            match value.get_ref() {
                DeValue::Table(table) => problems.unknown(table, name, keys),
                DeValue::Boolean(_) if name == AUGMENT => {}
                other => problems.no_table(value.span(), name, other),
            }
        }
    }
    let layers = find(root, "network.layers").and_then(|value| value.get_ref().as_array());
    for value in layers.into_iter().flat_map(|layers| layers.iter()) {
        match value.get_ref() {
            DeValue::Table(table) => {
                problems.unknown(table, "network.layers", fields::<RawLayer>())
            }
            other => problems.no_table(value.span(), "network.layers", other),
        }
    }
    problems.0.sort_by_key(|(start, _)| *start);
    Problem::of_several(problems.0.into_iter().map(|(_, problem)| problem).collect())
}

const AUGMENT: &str = "train.augment";

fn sections() -> [Section; 7] {
    [
        ("dataset", fields::<RawDataset>()),
        ("activation", fields::<RawActivation>()),
        ("network", fields::<RawNetwork>()),
        ("train", fields::<RawTrain>()),
        (AUGMENT, fields::<RawAugmentTable>()),
        ("encryption", fields::<RawEncryption>()),
        ("output", fields::<RawOutput>()),
    ]
}

fn find<'a, 'i>(root: &'a DeTable<'i>, path: &str) -> Option<&'a Spanned<DeValue<'i>>> {
    let mut parts = path.split('.');
    let first = root.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get_ref().as_table()?.get(part))
}

struct Problems(Vec<(usize, Problem)>);

impl Problems {
    fn unknown(&mut self, table: &DeTable<'_>, section: &str, keys: &'static [&'static str]) {
        for (key, value) in table {
            let word: &str = key.get_ref();
            if keys.contains(&word) {
                continue;
            }
            let what = match (section, value.get_ref()) {
                ("", DeValue::Table(_)) => format!("there is no section [{word}]"),
                ("", _) => format!("there is no key `{word}` outside the sections"),
                ("network.layers", _) => format!("a layer has no key `{word}`"),
                _ => format!("[{section}] has no key `{word}`"),
            };
            let label = match (suggest(word, keys.iter().copied()), home(word)) {
                (Some(meant), _) => format!("did you mean `{meant}`?"),
                (None, Some(home)) => format!("`{word}` belongs in [{home}]"),
                (None, None) => "not known".to_owned(),
            };
            let help = format!("here belong {}", list(keys.iter().copied()));
            let problem = Problem::new(what).at(key.span(), label).help(help);
            let problem = match suggest(word, keys.iter().copied()) {
                Some(meant) => problem.instead(meant),
                None => problem,
            };
            self.0.push((key.span().start, problem));
        }
    }

    fn no_table(&mut self, span: Range<usize>, name: &str, found: &DeValue<'_>) {
        let found = found.type_str();
        let article = if found.starts_with(['a', 'i']) {
            "an"
        } else {
            "a"
        };
        let (what, help) = match name {
            "network.layers" => (
                "a layer is a table".to_owned(),
                "write { type = \"conv\", channels = 16, kernel = 5, stride = 2 }".to_owned(),
            ),
            AUGMENT => (
                format!("`{name}` is a switch or a section"),
                format!("write true, false, or its keys under a [{name}] header"),
            ),
            _ => (
                format!("`{name}` is a section"),
                format!("write its keys under a [{name}] header"),
            ),
        };
        let problem = Problem::new(what)
            .at(span.clone(), format!("this is {article} {found}"))
            .help(help);
        self.0.push((span.start, problem));
    }
}

/// The section that has this key, where only one has.
fn home(word: &str) -> Option<&'static str> {
    let mut homes = sections()
        .into_iter()
        .filter(|(_, keys)| keys.contains(&word))
        .map(|(name, _)| name);
    match (homes.next(), homes.next()) {
        (Some(home), None) => Some(home),
        _ => None,
    }
}

/// `a`, `b`, `c`
pub(super) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What others call the same thing.
const OTHER_NAMES: [(&str, &str); 8] = [
    ("swish", "silu"),
    ("logistic", "sigmoid"),
    ("lr", "learning_rate"),
    ("batch-size", "batch"),
    ("linear", "dense"),
    ("fc", "dense"),
    ("fmnist", "fashion-mnist"),
    ("remez", "minimax"),
];

/// The candidate that was probably meant: another name of it, or close in spelling, or the same but for case, `-` and `_`.
pub(super) fn suggest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    let mut candidates = candidates;
    if let Some((_, meant)) = OTHER_NAMES.iter().find(|(other, _)| *other == word) {
        return candidates.find(|candidate| candidate == meant);
    }
    let bare = word.replace('-', "");
    let distance = |candidate: &str| match plain(candidate) {
        candidate if candidate.replace('-', "") == bare => 0,
        candidate => strsim::damerau_levenshtein(&word, &candidate),
    };
    // A third of the letters wrong is a typo; more is another word.
    let limit = word.chars().count().div_ceil(3);
    candidates
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The keys of a raw table, from its `Deserialize`: a second list could drift from it.
fn fields<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    struct Capture<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for Capture<'_> {
        type Error = Never;
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Never> {
            *self.0 = fields;
            Err(Never::custom("the fields are all that was wanted"))
        }
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Never> {
            Err(Never::custom("not a struct"))
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut found: &'static [&'static str] = &[];
    // Always the error above.
    let _ = T::deserialize(Capture(&mut found));
    found
}

/// What each value of a text is called, `train.epochs` or `network.layers[2].kernel`, by its span.
pub(super) struct Names(Vec<(Range<usize>, String)>);

impl Names {
    pub fn of(root: &DeTable<'_>) -> Self {
        let mut names = Self(Vec::new());
        names.table(root, "");
        names
    }

    /// The name of the smallest value that holds `span`, in backquotes.
    pub fn at(&self, span: &Range<usize>) -> Option<&str> {
        let holding = self
            .0
            .iter()
            .filter(|(place, _)| place.start <= span.start && span.end <= place.end);
        holding
            .min_by_key(|(place, _)| place.len())
            .map(|(_, name)| name.as_str())
    }

    fn table(&mut self, table: &DeTable<'_>, prefix: &str) {
        for (key, value) in table {
            self.value(value, &format!("{prefix}{}", key.get_ref()));
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, name: &str) {
        self.0.push((value.span(), format!("`{name}`")));
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, &format!("{name}.")),
            DeValue::Array(array) => {
                for (index, value) in array.iter().enumerate() {
                    self.value(value, &format!("{name}[{index}]"));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_come_from_the_raw_tables() {
        assert_eq!(fields::<RawOutput>(), ["charts", "report", "logits"]);
        assert!(fields::<RawLayer>().contains(&"type"));
        assert_eq!(fields::<RawSpec>().len(), 8);
        assert!(sections().iter().all(|(_, keys)| !keys.is_empty()));
    }

    #[test]
    fn suggestions_are_close_in_spelling() {
        let names = || ["mnist", "fashion-mnist", "cifar10", "digits"].into_iter();
        assert_eq!(suggest("minst", names()), Some("mnist"));
        assert_eq!(suggest("Fashion_MNIST", names()), Some("fashion-mnist"));
        assert_eq!(suggest("fashionmnist", names()), Some("fashion-mnist"));
        assert_eq!(suggest("cifar-10", names()), Some("cifar10"));
        assert_eq!(suggest("imagenet", names()), None);
        assert_eq!(suggest("", names()), None);
    }

    #[test]
    fn a_key_of_another_section_is_found() {
        assert_eq!(home("epochs"), Some("train"));
        assert_eq!(home("flip"), Some("train.augment"));
        assert_eq!(home("threads"), None, "two sections have it");
    }
}
