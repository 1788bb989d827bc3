//! RQ3: is the encrypted network as accurate as the plain one? Paired differences on the same images, for every evaluation that was made.

use cryptodl_results::agreement::{STEPS, accuracy_steps};
use cryptodl_results::{Accuracy, Paired, StoredRun, Table as Data, clopper_pearson};

use super::published::Published;
use super::{Part, StudyReport, answered, datasets, provenance};
use crate::format::{self, count, percent};
use crate::names;
use crate::page::{Answer, Block, NONE, Table, fact, or_none};
use crate::plot::axes::accuracy_scale;
use crate::plot::style::{ENCRYPTED, MARGIN, ORIGINAL, OTHER, POLYNOMIAL};
use crate::plot::{Body, Dot, Figure, Rows, RowsRow};
use crate::{ReportError, words};

/// Fewer encrypted images than this say little about accuracy: they are in the table alone.
const MIN_IMAGES: f64 = 1_000.0;
/// The most rows that the chart has room for.
const MAX_ROWS: usize = 18;
/// What a p-value has to be below to count.
const LEVEL: f64 = 0.05;

/// One evaluation of a circuit with what it is compared with.
struct Evaluated<'a> {
    run: &'a StoredRun,
    rows: Data,
    pair: Paired,
}

pub(super) fn part(
    report: &StudyReport,
    encrypted: &Data,
    question: &str,
    published: &Published,
) -> Result<Option<Part>, ReportError> {
    let mut part = Part::default();
    let mut sentences = Vec::new();
    let mut facts = Vec::new();
    let all = datasets(encrypted);
    let main = answered(&all, published);
    for dataset in all {
        let rows = evaluations(&encrypted.with("dataset", &dataset)?)?;
        let name = names::dataset(&dataset);
        let mut found = Vec::new();
        for one in rows.groups(&["row"])? {
            let run = report.runs.of(&one).into_iter().next();
            let pair = run.and_then(|run| Paired::of(&run.predictions, plain(run), "encrypted"));
            found.extend(run.zip(pair).map(|(run, pair)| Evaluated {
                run,
                rows: one,
                pair,
            }));
        }
        if found.is_empty() {
            continue;
        }
        let (many, few): (Vec<&Evaluated<'_>>, Vec<&Evaluated<'_>>) = found
            .iter()
            .partition(|one| one.pair.n as f64 >= MIN_IMAGES);
        let (sentence, figures) = conclude(name, &many, &few);
        part.blocks.push(Block::Heading(format!("On {name}")));
        part.blocks
            .push(Block::Conclusion(sentence.clone(), figures.clone()));
        let is_main = main.contains(&dataset);
        if is_main {
            sentences.push(sentence);
            facts.push(fact(name, figures));
        }
        if let Some(best) = best(&many).filter(|_| is_main) {
            let interval = |accuracy: Accuracy| {
                format!(
                    "{} (95 % interval {} %, n = {})",
                    format::accuracy(&accuracy),
                    format::interval(&accuracy),
                    count(accuracy.n)
                )
            };
            let accuracy = best.run.summary.accuracy.encrypted;
            facts.push(fact(
                &format!("{name}, chosen by validation accuracy"),
                format!(
                    "{}: {} encrypted",
                    best.run.summary.name,
                    or_none(accuracy, interval)
                ),
            ));
        }
        // Of the circuits of one network, the first is enough for a chart.
        let mut networks: Vec<(Option<String>, String)> = Vec::new();
        let is_new = |one: &&Evaluated<'_>| {
            let network = (one.rows.text("trained"), backend(one.run).to_owned());
            let new = !networks.contains(&network);
            networks.push(network);
            new
        };
        let shown: Vec<&Evaluated<'_>> =
            many.iter().copied().filter(is_new).take(MAX_ROWS).collect();
        let note = format!(
            "Bars: 95 % interval (Wilson) over the encrypted images; all dots of a row are of the same images, so the table’s paired differences say more than the overlap of bars.{}",
            if many.len() > shown.len() {
                format!(
                    " One row a network, {} of {} evaluations; the table has all.",
                    shown.len(),
                    many.len()
                )
            } else {
                String::new()
            }
        );
        part.chart(chart(&shown, &dataset, published), note);
        part.blocks.push(Block::Table(differences(&found, name)));
        let tables = [accuracies(&found, name), exactness(&found, name)];
        part.blocks.push(Block::Folded(
            format!("All five accuracies on {name}, and how exactly ciphertexts compute"),
            tables.into_iter().filter_map(Table::block).collect(),
        ));
    }
    if sentences.is_empty() {
        return Ok(None);
    }
    facts.push(fact("The paper", paper(published)));
    part.answer = Some(Answer {
        name: "RQ3".to_owned(),
        question: question.to_owned(),
        sentence: sentences.join(" "),
        facts,
        provenance: provenance(encrypted, "commit.encrypted"),
    });
    Ok(Some(part))
}

/// What the encrypted evaluation is compared with: the network in f32.
fn plain(run: &StoredRun) -> &'static str {
    if run.predictions.predicted("polynomial").is_some() {
        "polynomial"
    } else {
        "original"
    }
}

/// Every evaluation once; of the evaluations of one circuit those on the most images, by validation accuracy.
fn evaluations(rows: &Data) -> Result<Data, ReportError> {
    let mut kept = Vec::new();
    for circuit in rows.first_of(&["evaluation"])?.groups(&["circuit"])? {
        let most = circuit
            .numbers("accuracy.encrypted.n")
            .into_iter()
            .fold(0.0, f64::max);
        let most = circuit.at_least("accuracy.encrypted.n", most)?;
        // On other options of the engine, the same network is another circuit; the same options twice are two evaluations.
        kept.extend(most.numbers("row"));
    }
    let rows = rows.first_of(&["row"])?;
    let keep = kept
        .into_iter()
        .map(|row| vec![("row".to_owned(), serde_json::json!(row as u64))]);
    let keep = Data::from_rows(&keep.collect::<Vec<_>>())?;
    let columns: Vec<&str> = rows.columns().into_iter().collect();
    Ok(keep
        .joined(&rows.select(&columns)?, "row")?
        .sorted("validation", true)?)
}

/// The system that validation chose, never the test set.
fn best<'a, 'r>(found: &[&'a Evaluated<'r>]) -> Option<&'a Evaluated<'r>> {
    let validation = |one: &Evaluated<'_>| one.rows.real("validation").unwrap_or(0.0);
    found.iter().copied().reduce(|best, next| {
        if validation(next) > validation(best) {
            next
        } else {
            best
        }
    })
}

/// The conclusion for one data set, and the figures behind it.
fn conclude(name: &str, many: &[&Evaluated<'_>], few: &[&Evaluated<'_>]) -> (String, String) {
    let Some(worst) = many.iter().max_by(|a, b| {
        a.pair
            .difference()
            .abs()
            .total_cmp(&b.pair.difference().abs())
    }) else {
        let (same, n) = few.iter().fold((0, 0), |(same, n), one| {
            (same + one.pair.n - one.pair.differ, n + one.pair.n)
        });
        let (low, _) = clopper_pearson(same, n);
        let sentence = format!("On {name}, too few images were encrypted to say.");
        return (
            sentence,
            format!(
                "Of {} images, {} predictions are the same: at least {} would be (95 %, Clopper and Pearson).",
                count(n),
                count(same),
                percent(low)
            ),
        );
    };
    let mut networks: Vec<Option<String>> =
        many.iter().map(|one| one.rows.text("trained")).collect();
    networks.sort();
    networks.dedup();
    let largest = format!(
        "{} points",
        format::decimals(100.0 * worst.pair.difference().abs(), 2)
    );
    let telling: Vec<&&Evaluated<'_>> = many
        .iter()
        .filter(|one| one.pair.p_value() < LEVEL)
        .collect();
    let networks = names::counted(networks.len(), "network");
    let sentence = match telling.len() {
        0 => format!(
            "On {name}, yes, as far as the test images can tell: encryption changes the accuracy of {networks} by at most {largest}, no measurable difference."
        ),
        // So many are expected by chance alone.
        some if (some as f64) <= (LEVEL * many.len() as f64).ceil() && many.len() > 10 => format!(
            "On {name}, yes, but for what chance explains: encryption changes the accuracy of {networks} by at most {largest}."
        ),
        some => format!(
            "On {name}, not always: encryption changes the accuracy of {some} of {networks} measurably, by at most {largest}."
        ),
    };
    let agreement = |one: &&&Evaluated<'_>| 1.0 - one.pair.differ as f64 / one.pair.n as f64;
    let least = many
        .iter()
        .min_by(|a, b| agreement(a).total_cmp(&agreement(b)))
        .map_or(1.0, |one| agreement(&one));
    let change = [plain(worst.run), "encrypted"].map(|evaluation| {
        or_none(share(worst.run, evaluation), |accuracy| {
            format::accuracy(&accuracy)
        })
    });
    let figures = format!(
        "{}; the largest change is {} → {} ({}, {} of {} predictions differ, {}); at least {} of the predictions stay the same everywhere; {} of {} p-values are below {LEVEL}.",
        names::counted(many.len(), "evaluation"),
        change[0],
        change[1],
        worst.run.summary.name,
        count(worst.pair.differ),
        count(worst.pair.n),
        format_args!("p = {}", words::p_value(worst.pair.p_value())),
        percent(least),
        telling.len(),
        many.len()
    );
    (sentence, figures)
}

/// Accuracy on the encrypted images.
fn share(run: &StoredRun, name: &str) -> Option<Accuracy> {
    let steps = accuracy_steps(&run.predictions);
    steps.into_iter().find(|step| step.name == name)?.accuracy
}

fn paper(published: &Published) -> String {
    let rows = published
        .paper
        .encrypted
        .iter()
        .map(|row| format!("{} {:.2} %", names::dataset(&row.dataset), row.accuracy));
    let relu = published
        .paper
        .activations
        .iter()
        .find(|row| row.function == "relu");
    let plain = relu.map_or_else(String::new, |row| {
        format!(" (its ReLU network on MNIST {:.2} %)", row.original)
    });
    format!(
        "{}{plain}; printed in the paper, without intervals or paired figures",
        rows.collect::<Vec<_>>().join(", ")
    )
}

/// A network in a few words.
pub(super) fn network(run: &StoredRun) -> String {
    let depth = match run.summary.network.depth {
        0 => "no convolution".to_owned(),
        depth => names::counted(depth, "convolution"),
    };
    format!(
        "{}, {depth}, {} weights",
        activation(run),
        format::short(run.summary.network.parameters as f64)
    )
}

/// `ReLU, degree 2`, or `exact ReLU`.
pub(super) fn activation(run: &StoredRun) -> String {
    let activation = &run.summary.activation;
    let name = names::function(&activation.function).0;
    match activation.degree {
        Some(_) => format!("{name}, {}", words::degree(activation)),
        None => format!("exact {name}"),
    }
}

pub(super) fn backend(run: &StoredRun) -> &str {
    run.summary
        .encryption
        .as_ref()
        .map_or("clear", |encryption| &encryption.backend)
}

fn chart(shown: &[&Evaluated<'_>], dataset: &str, published: &Published) -> Option<Figure> {
    let colors = [ORIGINAL, POLYNOMIAL, OTHER, MARGIN, ENCRYPTED];
    let labels = [
        "original activation",
        "polynomial, f32",
        "integer circuit",
        "simulated noise",
        "encrypted",
    ];
    let published = published.encrypted(dataset).map(|row| row.accuracy / 100.0);
    let shares = shown.iter().flat_map(|one| {
        STEPS
            .iter()
            .filter_map(|(name, _)| share(one.run, name))
            .flat_map(|accuracy| [accuracy.low, accuracy.high])
    });
    let (scale, place) = accuracy_scale(shares.chain(published));
    let row = |one: &&Evaluated<'_>| {
        let dot = |accuracy: Accuracy| Dot {
            value: place(accuracy.value),
            low: place(accuracy.low),
            high: place(accuracy.high),
        };
        RowsRow {
            label: activation(one.run),
            detail: format!("{}, {}", one.run.summary.name, backend(one.run)),
            note: format!(
                "{} points, p = {}",
                words::signed(one.pair.difference()),
                words::p_value(one.pair.p_value())
            ),
            dots: STEPS
                .iter()
                .map(|(name, _)| share(one.run, name).map(dot))
                .collect(),
            published: published.map(place),
            ..RowsRow::default()
        }
    };
    let header = [
        "spec",
        "backend",
        "evaluation",
        "accuracy",
        "low",
        "high",
        "n",
    ];
    let cells = shown.iter().flat_map(|one| {
        STEPS.iter().filter_map(|(name, _)| {
            let Accuracy {
                value,
                low,
                high,
                n,
                ..
            } = share(one.run, name)?;
            let words = [one.run.summary.name.as_str(), backend(one.run), name].map(str::to_owned);
            Some(
                words
                    .into_iter()
                    .chain([value, low, high].map(|number| number.to_string()))
                    .chain([n.to_string()])
                    .collect(),
            )
        })
    });
    // One row is no chart.
    (shown.len() > 1 || shown.iter().any(|one| one.run.predictions.columns.len() > 2)).then(|| Figure {
        name: format!("rq3_accuracy_{dataset}"),
        title: format!("Five accuracies of each network, {}", names::dataset(dataset)),
        subtitle: "From the original activation to real ciphertexts, on the same test images; best validation accuracy first.".to_owned(),
        watermark: None,
        data: Some(format::csv(&header, cells)),
        body: Body::Rows(Rows {
            axis: Some((scale, "Test accuracy, %".to_owned())),
            key: labels.into_iter().map(str::to_owned).zip(colors).collect(),
            notes: "Encrypted minus f32".to_owned(),
            notes_width: 180.0,
            proportional: false,
            rows: shown.iter().map(row).collect(),
        }),
    })
}

/// The paired differences: what the claim rests on.
fn differences(found: &[Evaluated<'_>], name: &str) -> Table {
    let mut table = Table::new(
        format!(
            "Encrypted against f32 on the same images of {name}: each row is one evaluation of one circuit. The difference is encrypted minus f32 in percentage points, with its 95 % interval (Bonett and Price); p is McNemar’s exact two-sided test on the images that only one of them has right. A p-value below 0.05 is expected once in twenty rows without any effect."
        ),
        &[
            "Spec",
            "#Seed",
            "Backend",
            "#n",
            "#f32",
            "#Encrypted",
            "#95 % interval",
            "#Differ",
            "#Only f32 right",
            "#Only encrypted right",
            "#Difference",
            "#p",
        ],
    );
    for one in found {
        let (run, pair) = (one.run, one.pair);
        let accuracy = share(run, "encrypted");
        let (low, high) = pair.interval();
        table.push([
            run.summary.name.clone(),
            or_none(run.spec.get("seed"), String::clone),
            backend(run).to_owned(),
            count(pair.n),
            or_none(share(run, plain(run)), |accuracy| {
                format::accuracy(&accuracy)
            }),
            or_none(accuracy, |accuracy| format::accuracy(&accuracy)),
            or_none(accuracy, |accuracy| format::interval(&accuracy)),
            count(pair.differ),
            count(pair.only_first),
            count(pair.only_second),
            format!(
                "{} [{}, {}]",
                words::signed(pair.difference()),
                words::signed(low),
                words::signed(high)
            ),
            words::p_value(pair.p_value()),
        ]);
    }
    table
}

fn accuracies(found: &[Evaluated<'_>], name: &str) -> Table {
    let mut table = Table::new(
        format!("Accuracies on the encrypted images of {name}."),
        &[
            "Spec",
            "Network",
            "Backend",
            "#n",
            "#Original",
            "#Polynomial, f32",
            "#Integer circuit",
            "#Simulated",
            "#Encrypted",
        ],
    );
    for one in found {
        let words = [
            one.run.summary.name.clone(),
            network(one.run),
            backend(one.run).to_owned(),
            count(one.pair.n),
        ];
        let shares = STEPS
            .iter()
            .map(|(name, _)| or_none(share(one.run, name), |accuracy| format::accuracy(&accuracy)));
        table.push(words.into_iter().chain(shares));
    }
    table
}

fn exactness(found: &[Evaluated<'_>], name: &str) -> Table {
    let mut table = Table::new(
        format!(
            "How exactly ciphertexts compute, {name}: predictions that are the same as by the integer circuit, the largest error of a logit against it, and the smallest predicted precision of a layer."
        ),
        &[
            "Spec",
            "#Same as the circuit",
            "#Original and polynomial agree",
            "#Largest logit error",
            "#Precision, bits",
            "#Security, bits",
        ],
    );
    for one in found {
        let (agreement, encryption) = (
            &one.run.summary.agreement,
            one.run.summary.encryption.as_ref(),
        );
        table.push([
            one.run.summary.name.clone(),
            or_none(agreement.encrypted_vs_circuit, |value| {
                format::agreement(&value)
            }),
            or_none(agreement.polynomial_vs_original, |value| {
                format::agreement(&value)
            }),
            or_none(agreement.max_logit_error, format::significant),
            or_none(encryption.and_then(|one| one.min_precision_bits), |bits| {
                format::decimals(bits, 1)
            }),
            encryption.map_or(NONE.to_owned(), |one| one.security_bits.to_string()),
        ]);
    }
    table
}
