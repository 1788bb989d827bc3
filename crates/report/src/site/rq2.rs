//! RQ2: how do degree, activation, method and depth affect accuracy?

use super::figure::{Estimate, sources};
use super::input::{PointStanding, Site};
use super::palette::{activation_name, dataset_name};
use super::published::Published;
use super::rq2_charts as charts;
use super::views::{View, network, one_a_seed, trained_network, twins, views};
use super::{Part, first_dataset};
use crate::document::{Answer, Block, NONE, Table};
use crate::render::render;
use crate::{ReportError, format};
use cryptodl_results::RunRecord;

const QUESTION: &str = "How does the degree of the polynomial affect the accuracy of the network?";

/// Networks of one activation that differ in their seed alone.
pub(super) struct Headline<'a> {
    pub function: String,
    pub runs: Vec<&'a RunRecord>,
    pub original: Option<Estimate>,
    pub polynomial: Estimate,
    /// Mean validation accuracy.
    pub validation: Option<f64>,
}

impl Headline<'_> {
    /// The activation and its degree.
    fn words(&self) -> String {
        let degree = self
            .runs
            .first()
            .and_then(|run| run.summary.activation.degree);
        let name = activation_name(&self.function);
        degree.map_or(name.to_owned(), |degree| {
            format!("{name} (degree {degree})")
        })
    }
}

pub(super) fn part(site: &Site, published: &Published) -> Result<Part, ReportError> {
    let views = views(site);
    let views: Vec<View<'_>> = views
        .into_iter()
        .filter(|view| view.done.iter().any(|(_, run)| polynomial(run).is_some()))
        .collect();
    let datasets = super::datasets(views.iter().map(|view| view.dataset.as_str()));
    let Some(first) = first_dataset(&datasets) else {
        return Ok(Part::empty(missing(published)));
    };
    let mut found = Part::empty(missing(published));
    for dataset in &datasets {
        let own: Vec<View<'_>> = views
            .iter()
            .filter(|view| view.dataset == *dataset)
            .cloned()
            .collect();
        let headlines = headlines(&own);
        if *dataset == first {
            found.answer = answer(&own, &headlines, dataset, published);
        }
        let name = dataset_name(dataset);
        if datasets.len() > 1 {
            found.blocks.push(Block::Heading(format!("On {name}")));
        }
        for chart in charts::all(&own, dataset) {
            found.blocks.push(Block::Chart(
                chart.drawing.name.clone().into(),
                format!("{} {}", chart.note, sources(&chart.runs)),
            ));
            found.charts.push(render(&chart.drawing)?);
        }
        if let Some((dots, note, runs)) = charts::methods(&own, dataset) {
            let note = format!("{note} {}", sources(&runs));
            found
                .blocks
                .push(Block::Chart(dots.name.clone().into(), note));
            found.charts.push(render(&dots)?);
        }
        found
            .blocks
            .extend(beside_the_paper(&headlines, dataset, published));
        found.blocks.extend(trouble(&own, dataset));
        found.blocks.push(every_point(&own, dataset));
    }
    Ok(found)
}

/// Accuracy of the polynomial network on the whole test set.
pub(super) fn polynomial(run: &RunRecord) -> Option<cryptodl_results::Accuracy> {
    run.summary.accuracy.polynomial
}

/// Of each activation: the networks with the most seeds; of those with one seed alone, the one that validation chose.
fn headlines<'a>(views: &[View<'a>]) -> Vec<Headline<'a>> {
    let mut runs: Vec<&RunRecord> = Vec::new();
    for run in views.iter().flat_map(View::runs) {
        if polynomial(run).is_some() && !runs.iter().any(|other| std::ptr::eq(*other, run)) {
            runs.push(run);
        }
    }
    // The encryption does not change what is trained.
    let groups = twins(runs, |key| key.starts_with("encryption."));
    let groups: Vec<Vec<&RunRecord>> = groups.iter().map(|group| one_a_seed(group)).collect();
    let mut functions: Vec<&str> = Vec::new();
    for group in &groups {
        if let Some(run) = group.first()
            && !functions.contains(&run.summary.activation.function.as_str())
        {
            functions.push(&run.summary.activation.function);
        }
    }
    let mut found = Vec::new();
    for function in functions {
        let own: Vec<&Vec<&RunRecord>> = groups
            .iter()
            .filter(|group| {
                group
                    .first()
                    .is_some_and(|run| run.summary.activation.function == function)
            })
            .collect();
        let most = own.iter().map(|group| group.len()).max().unwrap_or(0);
        let validation = |group: &Vec<&RunRecord>| group.first().and_then(|run| run.validation);
        let chosen: Vec<&Vec<&RunRecord>> = if most > 1 {
            own.into_iter()
                .filter(|group| group.len() == most)
                .collect()
        } else {
            let best = own.into_iter().reduce(|best, next| {
                if validation(next) > validation(best) {
                    next
                } else {
                    best
                }
            });
            best.into_iter().collect()
        };
        found.extend(chosen.into_iter().filter_map(|group| {
            let polynomials: Vec<_> = group.iter().filter_map(|run| polynomial(run)).collect();
            let originals: Vec<_> = group
                .iter()
                .filter_map(|run| run.summary.accuracy.original)
                .collect();
            Some(Headline {
                function: function.to_owned(),
                runs: group.clone(),
                validation: mean(group.iter().filter_map(|run| run.validation)),
                original: Estimate::of(&originals),
                polynomial: Estimate::of(&polynomials)?,
            })
        }));
    }
    found
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

/// One network an activation: the one that validation chose, never the test set.
fn leading<'h, 'a>(headlines: &'h [Headline<'a>]) -> Vec<&'h Headline<'a>> {
    let mut kept: Vec<&Headline<'a>> = Vec::new();
    for headline in headlines {
        match kept
            .iter_mut()
            .find(|other| other.function == headline.function)
        {
            Some(other) if headline.validation > other.validation => *other = headline,
            Some(_) => {}
            None => kept.push(headline),
        }
    }
    kept
}

fn paper_words(published: &Published) -> String {
    let paper = &published.paper;
    let rows: Vec<String> = paper
        .activations
        .iter()
        .map(|row| {
            format!(
                "{} {:.2} → {:.2} % ({})",
                activation_name(&row.function),
                row.original,
                row.polynomial,
                row.source.mark()
            )
        })
        .collect();
    format!(
        "MNIST, original activation → polynomial: {}; ReLU at degree 2 to 3 {:.2} %, at higher degree {:.2} % ({}, {}).",
        rows.join(", "),
        paper.degree.low,
        paper.degree.high,
        paper.degree.source.mark(),
        paper.degree.source.words()
    )
}

fn missing(published: &Published) -> Answer {
    Answer {
        name: "RQ2".to_owned(),
        question: QUESTION.to_owned(),
        sentence: "Not answered here: no sweep over trained networks is among the results; `cryptodl sweep experiments/rq2.toml` makes one (about two hours on two cores, MNIST needed)."
            .to_owned(),
        ours: None,
        paper: paper_words(published),
    }
}

fn answer(
    views: &[View<'_>],
    headlines: &[Headline<'_>],
    dataset: &str,
    published: &Published,
) -> Answer {
    let mut clauses = Vec::new();
    let headlines = leading(headlines);
    if let Some((function, low, high)) = charts::ends_of_degrees(views) {
        clauses.push(format!(
            "{} by degree {} gives {} and by degree {} {}",
            activation_name(&function),
            low.0,
            low.1.percent(),
            high.0,
            high.1.percent()
        ));
    }
    let pairs: Vec<String> = headlines
        .iter()
        .map(|headline| {
            let name = headline.words();
            match &headline.original {
                Some(original) => format!(
                    "{name} {} → {}",
                    original.percent(),
                    headline.polynomial.percent()
                ),
                None => format!("{name} {}", headline.polynomial.percent()),
            }
        })
        .collect();
    if !pairs.is_empty() {
        let what = match headlines.iter().any(|headline| headline.original.is_some()) {
            true => "from the original activation to its polynomial",
            false => "networks with polynomials reach",
        };
        clauses.push(format!("{what}: {}", pairs.join(", ")));
    }
    let sentence = if clauses.is_empty() {
        "Not answered here: no point of the sweep has an accuracy.".to_owned()
    } else {
        format!("On {}, {}.", dataset_name(dataset), clauses.join("; "))
    };
    let ours: Vec<String> = headlines
        .iter()
        .map(|headline| format!("{}: {}", headline.words(), headline.polynomial.full()))
        .collect();
    let runs: Vec<&RunRecord> = headlines
        .iter()
        .flat_map(|headline| headline.runs.iter().copied())
        .collect();
    Answer {
        name: "RQ2".to_owned(),
        question: QUESTION.to_owned(),
        sentence,
        ours: (!ours.is_empty()).then(|| format!("{}. {}", ours.join("; "), sources(&runs))),
        paper: paper_words(published),
    }
}

/// The paper's rows beside ours.
fn beside_the_paper(
    headlines: &[Headline<'_>],
    dataset: &str,
    published: &Published,
) -> Option<Block> {
    let mut table = Table::new(
        format!(
            "Original activation and polynomial on {}. Of each activation the networks trained with the most seeds; where there is one seed alone, the one \
             with the best validation accuracy. Intervals: 95 %, Wilson over images for one seed, Student's t over seeds for several. The paper's figures \
             are for MNIST, {} ({}).",
            dataset_name(dataset),
            published.paper.citation,
            super::published::Source::P.words()
        ),
        &[
            "Activation",
            "Network",
            "#Original",
            "#Polynomial",
            "#95 % interval",
            "Over",
            "#Paper: original",
            "#Paper: polynomial",
            "Spec",
        ],
    );
    for headline in headlines {
        let Some(run) = headline.runs.first() else {
            continue;
        };
        let paper = published
            .paper
            .activations
            .iter()
            .find(|row| row.function == headline.function && dataset == "mnist");
        let published =
            |value: Option<f64>| value.map_or(NONE.to_owned(), |value| format!("{value:.2} %"));
        table.rows.push(vec![
            activation_name(&headline.function).to_owned(),
            network(run),
            headline
                .original
                .as_ref()
                .map_or(NONE.to_owned(), Estimate::percent),
            headline.polynomial.percent(),
            format!("{} %", headline.polynomial.interval()),
            headline.polynomial.over(),
            published(paper.map(|row| row.original)),
            published(paper.map(|row| row.polynomial)),
            run.summary.name.clone(),
        ]);
    }
    (!table.rows.is_empty()).then_some(Block::Table(table))
}

/// What failed, and what is missing.
fn trouble(views: &[View<'_>], dataset: &str) -> Vec<Block> {
    let mut table = Table::new(
        format!(
            "Points on {} without a result, and why.",
            dataset_name(dataset)
        ),
        &["Study", "Point", "Why"],
    );
    let mut missing = 0;
    let mut seen: Vec<&str> = Vec::new();
    for view in views {
        for point in &view.open {
            if seen.contains(&point.id.as_str()) {
                continue;
            }
            seen.push(&point.id);
            let why = match &point.state {
                PointStanding::Failed(why) => why,
                PointStanding::Lost(why) => why,
                _ => {
                    missing += 1;
                    continue;
                }
            };
            table.rows.push(vec![
                view.sweep.name.clone(),
                point.label.clone(),
                why.lines().collect::<Vec<_>>().join(" "),
            ]);
        }
    }
    let mut blocks = Vec::new();
    if missing > 0 {
        blocks.push(Block::Text(format!(
            "{missing} {} not run yet: charts and tables show what is there.",
            if missing == 1 {
                "point has"
            } else {
                "points have"
            }
        )));
    }
    if !table.rows.is_empty() {
        blocks.push(Block::Table(table));
    }
    blocks
}

/// One row a point.
fn every_point(views: &[View<'_>], dataset: &str) -> Block {
    let mut table = Table::new(
        format!(
            "Every trained network on {}. Accuracies on the whole test set; interval: Wilson, 95 %. Outside: the largest share of an activation's inputs outside the interval.",
            dataset_name(dataset)
        ),
        &[
            "Spec",
            "Part",
            "Activation",
            "#Degree",
            "Method",
            "Trained from there",
            "#Convolutions",
            "#Seed",
            "#Original",
            "#Polynomial",
            "#95 % interval",
            "#n",
            "#Outside",
        ],
    );
    // What only varies the encryption is the same network.
    let mut seen: Vec<String> = Vec::new();
    for (view, point, run) in views
        .iter()
        .flat_map(|view| view.done.iter().map(move |(point, run)| (view, point, run)))
    {
        let Some(accuracy) = polynomial(run) else {
            continue;
        };
        let network = trained_network(run);
        if seen.contains(&network) {
            continue;
        }
        seen.push(network);
        let activation = &run.summary.activation;
        table.rows.push(vec![
            run.summary.name.clone(),
            if view.part.is_empty() {
                NONE.to_owned()
            } else {
                point.parts.join(", ")
            },
            activation_name(&activation.function).to_owned(),
            activation
                .degree
                .map_or(NONE.to_owned(), |degree| degree.to_string()),
            super::palette::method_name(&activation.method),
            trained(run),
            run.summary.network.depth.to_string(),
            super::views::seed(run).to_owned(),
            run.summary
                .accuracy
                .original
                .map_or(NONE.to_owned(), |original| format::accuracy(&original)),
            format::accuracy(&accuracy),
            format!("{} %", format::interval(&accuracy)),
            format::count(accuracy.n),
            run.outside.map_or(NONE.to_owned(), format::percent),
        ]);
    }
    Block::Table(table)
}

/// Whether training changed the coefficients.
pub(super) fn trained(run: &RunRecord) -> String {
    match run.spec.get("activation.trainable").map(String::as_str) {
        Some("false") => "no".to_owned(),
        Some("layer") => "a layer".to_owned(),
        Some("channel") => "a channel".to_owned(),
        _ => NONE.to_owned(),
    }
}
