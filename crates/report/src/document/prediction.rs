//! What the planner foretold, beside what came.

use super::{NONE, Table};
use crate::{RunReport, format};
use cryptodl_results::{Compared, ComparedBits, Prediction};

/// Layer by layer and in total; nothing where no prediction was kept.
pub(super) fn table(report: &RunReport) -> Option<Table> {
    let prediction = report.summary.prediction.as_ref()?;
    let mut table = Table::new(
        "Prediction against measurement. Precision: -log2 of the root mean square of what noise changes of the logits, decrypted against \
         the integer circuit. Bound: -log2 of the largest error to expect of any logit, and of the largest that there was.",
        &["What", "#Predicted", "#Measured", "#Off by"],
    );
    let times = times(report, prediction);
    table.rows.extend(times);
    let mut bits = |name: &str, bits: Option<ComparedBits>| {
        let Some(bits) = bits else {
            return;
        };
        let text = |value: f64| format!("{} bit", format::decimals(value, 1));
        let difference = bits.difference;
        let sign = if difference >= 0.0 { "+" } else { "" };
        table.rows.push(vec![
            name.to_owned(),
            text(bits.predicted),
            text(bits.measured),
            format!("{sign}{}", text(difference)),
        ]);
    };
    bits("Precision of the logits", prediction.precision_bits);
    bits("Bound of the logits' errors", prediction.error_bound_bits);
    if let Some(peak) = &prediction.peak_bytes {
        table.rows.push(row("Peak memory", peak, format::bytes));
    }
    Some(table)
}

/// Every layer, what is not of any layer, and the whole.
fn times(report: &RunReport, prediction: &Prediction) -> Vec<Vec<String>> {
    let whole = &prediction.evaluate_s;
    let mut rest = (whole.predicted, whole.measured);
    let mut rows = Vec::new();
    for layer in &report.layers {
        rest.1 -= layer.seconds;
        rows.push(match layer.predicted_seconds {
            Some(predicted) => {
                rest.0 -= predicted;
                row(
                    &layer.name,
                    &Compared::new(predicted, layer.seconds),
                    format::seconds,
                )
            }
            None => vec![
                layer.name.clone(),
                NONE.to_owned(),
                format::seconds(layer.seconds),
                NONE.to_owned(),
            ],
        });
    }
    let rest = Compared::new(rest.0, rest.1);
    // Layers that were timed together may add up to all there is.
    if rest.predicted > 0.0 && rest.measured > 1e-6 * whole.measured {
        rows.push(row(
            "Reading the upload, its masks, writing the reply",
            &rest,
            format::seconds,
        ));
    }
    rows.push(row("Evaluation of all batches", whole, format::seconds));
    rows
}

fn row(name: &str, compared: &Compared, text: impl Fn(f64) -> String) -> Vec<String> {
    let ratio = if compared.ratio.is_finite() {
        format!("{}x", format::decimals(compared.ratio, 2))
    } else {
        NONE.to_owned()
    };
    vec![
        name.to_owned(),
        text(compared.predicted),
        text(compared.measured),
        ratio,
    ]
}
