//! Content keys: equal inputs have equal keys, in whatever order their fields are written.

use super::Experiment;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// BLAKE3 of the canonical JSON of something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentKey([u8; 32]);

impl ContentKey {
    /// The key of a value: a section of the spec, or a tuple or JSON object of sections, stage versions and earlier keys.
    ///
    /// # Errors
    /// The value has no JSON form (a map whose keys are no text).
    ///
    /// ```
    /// # use cryptodl_spec::ContentKey;
    /// let key = ContentKey::of(&("train", 1, [0.5, 2.0]))?;
    /// assert_eq!(key.short().len(), 8);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self(
            *blake3::hash(canonical_json(value)?.as_bytes()).as_bytes(),
        ))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 8 hexadecimal digits, for the names of folders.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKey({self})")
    }
}

impl Serialize for ContentKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Experiment {
    /// The key of the whole experiment.
    ///
    /// # Errors
    /// None for an experiment that was checked.
    pub fn key(&self) -> Result<ContentKey, serde_json::Error> {
        ContentKey::of(self)
    }
}

/// JSON without spaces, object keys sorted, `-0.0` as `0.0`.
///
/// `serde_json` alone does not do: whether its objects are sorted depends on a feature that any crate of the build may turn on.
///
/// # Errors
/// The value has no JSON form.
pub fn canonical_json<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    write(&serde_json::to_value(value)?, &mut text)?;
    Ok(text)
}

fn write(value: &Value, text: &mut String) -> Result<(), serde_json::Error> {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                separate(index, text);
                text.push_str(&serde_json::to_string(key)?);
                text.push(':');
                write(value, text)?;
            }
            text.push('}');
        }
        Value::Array(array) => {
            text.push('[');
            for (index, value) in array.iter().enumerate() {
                separate(index, text);
                write(value, text)?;
            }
            text.push(']');
        }
        Value::Number(number) if number.is_f64() && number.as_f64() == Some(0.0) => {
            text.push_str("0.0")
        }
        plain => text.push_str(&serde_json::to_string(plain)?),
    }
    Ok(())
}

fn separate(index: usize, text: &mut String) {
    if index > 0 {
        text.push(',');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn experiment(text: &str) -> Experiment {
        Experiment::from_str_named(text, "spec.toml", &[]).unwrap()
    }

    #[test]
    fn canonical_json_sorts_and_normalises() {
        #[derive(Serialize)]
        struct Two {
            b: f64,
            a: [Option<u8>; 2],
        }
        assert_eq!(
            canonical_json(&Two {
                b: -0.0,
                a: [Some(1), None]
            })
            .unwrap(),
            r#"{"a":[1,null],"b":0.0}"#
        );
        assert_eq!(canonical_json("a\"b").unwrap(), r#""a\"b""#);
    }

    #[test]
    fn field_order_does_not_change_a_key() {
        #[derive(Serialize)]
        struct Forward {
            x: u8,
            y: u8,
        }
        #[derive(Serialize)]
        struct Backward {
            y: u8,
            x: u8,
        }
        assert_eq!(
            ContentKey::of(&Forward { x: 1, y: 2 }).unwrap(),
            ContentKey::of(&Backward { y: 2, x: 1 }).unwrap()
        );
    }

    #[test]
    fn order_defaults_and_spelling_of_a_spec_do_not_change_its_key() {
        let short =
            experiment("name = \"a\"\n[dataset]\nname = \"mnist\"\n[train]\nepochs = 3\nema = 0.5");
        let long = experiment(
            "seed = 0\nname = 'a'\n[train]\nema = 5e-1\nepochs = 0x3\nbatch = 128\n[dataset]\ntrain = 60000\nname = 'mnist'\n[activation]\ninterval = [-4, 4.0]\n[output]\n",
        );
        assert_eq!(short.key().unwrap(), long.key().unwrap());
    }

    #[test]
    fn any_change_changes_the_key() {
        let base = experiment("name = \"a\"\ndataset.name = \"mnist\"");
        let other = experiment(
            "name = \"a\"\ndataset.name = \"mnist\"\ntrain.weight_decay = 0.010000000000000002",
        );
        assert_ne!(base.key().unwrap(), other.key().unwrap());
        assert_ne!(
            ContentKey::of(&base.train).unwrap(),
            ContentKey::of(&other.train).unwrap()
        );
        assert_eq!(
            ContentKey::of(&base.network).unwrap(),
            ContentKey::of(&other.network).unwrap()
        );
    }

    #[test]
    fn a_key_is_stable() {
        // Stores on disk hold keys: this value may change only together with the stage versions.
        let key = ContentKey::of(&("mnist", 1, [0.5])).unwrap();
        assert_eq!(
            key.as_bytes(),
            blake3::hash(br#"["mnist",1,[0.5]]"#).as_bytes()
        );
        assert_eq!(key.short(), "f9db060c");
    }
}
