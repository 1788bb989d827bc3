//! The specification: TOML text becomes a raw struct with spans, then, checked once, an immutable [`Experiment`].
//!
//! ```text
//! text + overrides -> source (one text, spans) -> keys (unknown keys) -> raw (serde) -> check -> Experiment
//! ```
//! Every error is one [`SpecError`]: it underlines what is wrong and says what would be right.
//!
//! ```
//! use cryptodl_spec::Experiment;
//!
//! let text = "name = \"small\"\ndataset.name = \"digits\"\n";
//! let experiment = Experiment::from_str_named(text, "small.toml", &["train.epochs=2".to_owned()])?;
//! assert_eq!(experiment.train.epochs, 2);
//! // Every default is filled in, and the resolved spec says the same again.
//! let resolved = experiment.to_toml();
//! assert_eq!(Experiment::from_str_named(&resolved, "spec.toml", &[])?, experiment);
//! # Ok::<(), cryptodl_spec::SpecError>(())
//! ```

mod check;
mod dataset;
mod error;
mod excerpt;
mod experiment;
mod key;
mod keys;
mod layers;
mod overrides;
mod printable;
mod raw;
mod read;
mod reference;
mod resolved;
mod schema;
mod shape;
mod size;
mod source;
mod sweep;

pub use dataset::*;
pub use error::{Invalid, SpecError};
use experiment::is_false;
pub use experiment::*;
pub use key::{ContentKey, canonical_json};
pub use printable::{escaped, printable};
pub use read::MAX_BYTES;
pub use reference::{KeyKind, KeyReference, SectionReference, reference, starting_spec};
pub use schema::{reference_page, schema};
pub use shape::{Shape, Window};
pub use sweep::*;
