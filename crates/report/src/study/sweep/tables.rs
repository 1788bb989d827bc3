//! What a study compared, and what it lacks.

use cryptodl_results::{Estimate, RunTable, Table as Data, key_column};

use super::super::SweepRecord;
use crate::format::{self, percent};
use crate::page::{Block, Table, or_none};
use crate::{ReportError, names, words};

/// One row for networks that differ in their seed alone, with the paired difference to the original activation.
pub(super) fn compared(
    record: &SweepRecord,
    done: &Data,
    runs: &RunTable,
) -> Result<Option<Block>, ReportError> {
    let mut table = Table::new(
        "Networks of the study; seeds of one network are one row. Degree: that of the polynomial. The difference is polynomial minus original activation on the same test images, in percentage points with its 95 % interval; p by McNemar’s exact test where there is one seed. Outside: the largest share of an activation’s inputs outside the interval.",
        &[
            "Network",
            "#Degree",
            "#Seeds",
            "#Original",
            "#Polynomial",
            "#95 % interval",
            "#Difference",
            "#p",
            "#Encrypted",
            "#Encrypted images",
            "#Outside",
            "#Validation",
        ],
    );
    let conditions: Vec<String> = record
        .keys
        .iter()
        .filter(|key| *key != "seed")
        .map(|key| key_column(key))
        .collect();
    let conditions: Vec<&str> = conditions.iter().map(String::as_str).collect();
    // What has the same degree, method and training is the same network.
    let mut seen: Vec<Vec<String>> = Vec::new();
    for group in done.groups(&conditions)? {
        let rows = group.first_of(&["seed"])?;
        let identity: Vec<String> = rows
            .texts("trained")
            .into_iter()
            .flatten()
            .chain(rows.text("evaluation"))
            .collect();
        if seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        let label = rows.text("label").unwrap_or_default();
        let label = label.split(", seed ").next().unwrap_or_default().to_owned();
        let accuracy = |evaluation: &str| runs.accuracy(&rows, evaluation);
        let (original, polynomial) = (accuracy("original"), accuracy("polynomial"));
        let change = runs.difference((&rows, "original"), (&rows, "polynomial"));
        let p = runs.paired((&rows, "original"), (&rows, "polynomial"));
        let encrypted = accuracy("encrypted");
        let share =
            |estimate: Option<Estimate>| or_none(estimate, |estimate| percent(estimate.value));
        let mean = |column: &str| {
            Some(rows.numbers(column))
                .filter(|all| !all.is_empty())
                .map(|all| all.iter().sum::<f64>() / all.len() as f64)
        };
        table.push([
            label,
            or_none(rows.text("degree"), |degree| degree),
            rows.rows().to_string(),
            share(original),
            share(polynomial),
            or_none(polynomial, |estimate| words::interval(&estimate)),
            or_none(change, |change| words::points(&change)),
            or_none(p, |pair| words::p_value(pair.p_value())),
            share(encrypted),
            or_none(rows.real("accuracy.encrypted.n"), |n| {
                format::count(n as u64)
            }),
            or_none(mean("outside"), percent),
            or_none(mean("validation"), percent),
        ]);
    }
    let title = format!("All {}", names::counted(table.rows.len(), "network"));
    Ok(table
        .without_empty_columns()
        .block()
        .map(|table| Block::Folded(title, vec![table])))
}

/// What failed and why, and how many points are missing.
pub(super) fn gaps(record: &SweepRecord, table: &Data) -> Result<Vec<Block>, ReportError> {
    let mut failed = Table::new("Points without a result, and why.", &["Point", "Why"]);
    for rows in table.filled("error")?.groups(&["id"])? {
        if let (Some(label), Some(why)) = (rows.text("label"), rows.text("error")) {
            failed.push([label, why.lines().collect::<Vec<_>>().join(" ")]);
        }
    }
    let missing = table.with("state", "missing")?.rows();
    let mut blocks = Vec::new();
    if missing > 0 {
        let points = names::counted(missing, "point");
        let verb = if missing == 1 { "has" } else { "have" };
        blocks.push(Block::Text(format!(
            "{points} of {} {verb} not run yet: charts and tables show what is there.",
            record.name
        )));
    }
    blocks.extend(failed.block());
    Ok(blocks)
}
