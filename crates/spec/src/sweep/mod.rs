//! Studies: one file that stands for many experiments (a sweep), or for a table of approximations.
//!
//! ```text
//! study file -> reader (keys, spans) -> axes -> expansion -> for each point: base + values -> the checks of any experiment
//! ```
//! A value of an axis goes into the base spec with its place in the study's text, so that a fault of a point is underlined in the axis.

mod approximation;
mod axes;
mod charts;
mod expand;
mod points;
mod reader;
mod study;
#[cfg(test)]
mod tests;
mod value;

pub use approximation::ApproximationSpec;
pub use charts::{StudyChart, StudyPage};
pub use expand::MAX_POINTS;
pub use study::{Point, Study, StudyKind, Sweep};
pub use value::Value;
