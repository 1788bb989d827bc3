//! The value of an axis at one point.

use serde::{Serialize, Serializer};
use std::fmt;
use toml::de::DeValue;

/// What a key is set to: a cell of the sweep's table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// Text; of a list or a table, its TOML.
    Text(String),
}

impl Value {
    /// Of a TOML value; `source` is how it is written.
    pub(super) fn of(value: &DeValue<'_>, source: &str) -> Self {
        match value {
            DeValue::Boolean(value) => Self::Boolean(*value),
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or_else(|_| Self::Text(source.to_owned()), Self::Integer),
            DeValue::Float(float) => float
                .as_str()
                .parse()
                .map_or_else(|_| Self::Text(source.to_owned()), Self::Real),
            DeValue::Array(array) => {
                let inner = array
                    .iter()
                    .map(|value| Self::of(value.get_ref(), "").to_string());
                Self::Text(format!("[{}]", inner.collect::<Vec<_>>().join(", ")))
            }
            _ => Self::Text(source.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }

    /// Of a value of the checked experiment; none for what is absent.
    pub(super) fn of_json(value: &serde_json::Value) -> Option<Self> {
        use serde_json::Value as Json;
        Some(match value {
            Json::Null => return None,
            Json::Bool(value) => Self::Boolean(*value),
            Json::String(text) => Self::Text(text.clone()),
            Json::Number(number) => match number.as_i64() {
                Some(integer) => Self::Integer(integer),
                None => Self::Real(number.as_f64()?),
            },
            Json::Array(array) => {
                let inner = array
                    .iter()
                    .map(|value| Some(Self::of_json(value)?.to_string()));
                Self::Text(format!(
                    "[{}]",
                    inner.collect::<Option<Vec<_>>>()?.join(", ")
                ))
            }
            Json::Object(_) => return None,
        })
    }

    /// The number, of either kind.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(*integer as f64),
            Self::Real(real) => Some(*real),
            _ => None,
        }
    }

    /// Whether a spec would read both as the same: `3` and `3.0` are.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a == b,
            _ => self == other,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Real(real) => write!(f, "{real}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(integer) => serializer.serialize_i64(*integer),
            Self::Real(real) => serializer.serialize_f64(*real),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}
