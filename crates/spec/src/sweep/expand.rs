//! From axes to combinations of settings: products, last axis fastest, without what is excluded.

use super::axes::{Exclusion, Key, Part, Setting};
use crate::error::Problem;
use crate::keys::list;

/// Most points of one study.
pub const MAX_POINTS: usize = 10_000;

/// The combinations of one part, in order.
///
/// # Errors
/// Too many of them; a key that is set twice; an exclusion that names no axis or leaves nothing out, or everything.
pub(super) fn combinations(part: &Part) -> Result<Vec<Vec<&Setting>>, Problem> {
    set_once(part)?;
    let keys: Vec<&Key> = part.axes.iter().flat_map(|axis| &axis.keys).collect();
    for (key, _) in part
        .exclusions
        .iter()
        .flat_map(|exclusion| &exclusion.conditions)
    {
        if !keys.iter().any(|axis| axis.path == key.path) {
            let known = list(keys.iter().map(|key| key.path.as_str()));
            return Err(Problem::new(format!("no axis has the key `{}`", key.path))
                .at(key.span.clone(), "so nothing could be left out by it")
                .help(format!("the axes are {known}")));
        }
    }
    let size = part
        .axes
        .iter()
        .try_fold(1_usize, |size, axis| size.checked_mul(axis.steps.len()));
    if size.is_none_or(|size| size > MAX_POINTS) {
        let span = part
            .axes
            .last()
            .and_then(|axis| axis.keys.first())
            .map(|key| key.span.clone());
        let sizes: Vec<String> = part
            .axes
            .iter()
            .map(|axis| axis.steps.len().to_string())
            .collect();
        return Err(
            Problem::new(format!("a study has at most {MAX_POINTS} points"))
                .at_some(span, format!("the axes make {}", sizes.join(" x ")))
                .help("shorten an axis, or zip two of them with `keys`"),
        );
    }
    let mut rows: Vec<Vec<&Setting>> = vec![part.set.iter().collect()];
    for axis in &part.axes {
        rows = rows
            .iter()
            .flat_map(|row| {
                axis.steps
                    .iter()
                    .map(|step| row.iter().copied().chain(step).collect())
            })
            .collect();
    }
    let before = rows.len();
    for exclusion in &part.exclusions {
        if !rows.iter().any(|row| excludes(exclusion, row)) {
            return Err(Problem::new("an exclusion leaves nothing out")
                .at(
                    exclusion.span.clone(),
                    "no combination has all of these values",
                )
                .help("write values as the axes have them"));
        }
    }
    rows.retain(|row| {
        !part
            .exclusions
            .iter()
            .any(|exclusion| excludes(exclusion, row))
    });
    match part.exclusions.last() {
        Some(last) if rows.is_empty() && before > 0 => Err(Problem::new("nothing is left to run")
            .at(last.span.clone(), "after this, everything is excluded")),
        _ => Ok(rows),
    }
}

fn excludes(exclusion: &Exclusion, row: &[&Setting]) -> bool {
    exclusion.conditions.iter().all(|(key, values)| {
        row.iter().any(|setting| {
            setting.key.path == key.path && values.iter().any(|value| value.same(&setting.value))
        })
    })
}

/// Every key may be set by one axis or setting alone, and so may a section and what is in it.
fn set_once(part: &Part) -> Result<(), Problem> {
    let keys: Vec<&Key> = part
        .set
        .iter()
        .map(|setting| &setting.key)
        .chain(part.axes.iter().flat_map(|axis| &axis.keys))
        .collect();
    for (index, key) in keys.iter().enumerate() {
        if let Some(earlier) = keys[..index]
            .iter()
            .find(|earlier| overlap(&earlier.path, &key.path))
        {
            return Err(
                Problem::new(format!("`{}` is set by two parts of the study", key.path))
                    .at(key.span.clone(), "here")
                    .at(earlier.span.clone(), "and here")
                    .help("a key belongs to one axis, or to [set], or to `seeds`"),
            );
        }
    }
    Ok(())
}

/// Whether two keys are the same, or one is a section around the other.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    within(a, b) || within(b, a)
}
