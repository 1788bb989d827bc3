//! The report over all studies: the answers, a section for each study, then the runs they rest on. Everything comes from stored results.

mod approximation;
mod encrypted;
mod published;
mod speed;
mod sweep;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use cryptodl_results::{
    PointRecord, Row, RunTable, Standing, StoredRun, Table as Data, point_table,
};
use serde::Deserialize;
use serde_json::json;

pub use approximation::{
    APPROXIMATION_COLUMNS, ApproximationReport, MeasuredInputs, write_approximations,
};

use crate::format;
use crate::names;
use crate::page::{
    Answer, Block, Document, Links, NONE, Section, Table, fact, html, markdown, or_none,
};
use crate::plot::{Chart, Figure, render_all};
use crate::{ReportError, write};
use published::{Published, published};

/// What no file of a report may pass, bytes.
pub const MAX_BYTES: usize = 1_000_000;

/// The paper's questions, each with the command that answers it.
const QUESTIONS: [(&str, &str, &str); 4] = [
    (
        "RQ1",
        "Can activations be approximated accurately by low-degree polynomials?",
        "`cryptodl sweep experiments/rq1.toml` answers it in seconds",
    ),
    (
        "RQ2",
        "How does the degree of the polynomial affect the accuracy of the network?",
        "`cryptodl sweep experiments/rq2.toml` answers it (some hours on two cores, MNIST needed)",
    ),
    (
        "RQ3",
        "Is the network on encrypted images as accurate as the plain one?",
        "`cryptodl sweep experiments/rq3.toml` answers it",
    ),
    (
        "RQ4",
        "How fast, how large and how costly is encrypted inference?",
        "`cryptodl sweep experiments/rq4.toml --jobs 1` answers it",
    ),
];

/// Everything that the report shows.
#[derive(Clone, Debug, Default)]
pub struct StudyReport {
    /// The studies of approximations.
    pub approximations: Vec<ApproximationReport>,
    /// The sweeps, one a study.
    pub sweeps: Vec<SweepRecord>,
    /// Every run that was found, once; points of sweeps name their places.
    pub runs: RunTable,
    /// What could not be read, and what was left out, each in a sentence.
    pub notes: Vec<String>,
    /// Price of a core for an hour, US dollars.
    pub price_per_core_hour: f64,
}

/// A sweep as its folder holds it.
#[derive(Clone, Debug)]
pub struct SweepRecord {
    /// The study's name.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// What it asks; the title where it says nothing else.
    pub question: String,
    /// The paper's question that it answers: `RQ2`.
    pub answers: Option<String>,
    /// Its folder, relative to where the report was asked for.
    pub place: String,
    /// The keys that its axes set.
    pub keys: Vec<String>,
    /// Its charts, as the study declares them; where it declares none, every part is charted by what it varies.
    pub charts: Vec<ChartRecord>,
    /// The points, in order.
    pub points: Vec<PointRecord>,
}

/// A chart that a study declares.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ChartRecord {
    /// The part that it shows; all points where there is none.
    pub part: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The key along the axis: `activation.degree`.
    pub x: Option<String>,
    /// The figure, by its place in `summary.json`: `accuracy.polynomial`, `timing.images_per_hour`; or `rate`.
    pub y: Option<String>,
    /// The key that makes one series a value.
    pub series: Option<String>,
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub struct ReportFiles {
    /// Every file, in order.
    pub files: Vec<PathBuf>,
    /// The answers, one sentence each.
    pub answers: Vec<(String, String)>,
}

/// What one study or question contributes.
#[derive(Default)]
struct Part {
    answer: Option<Answer>,
    blocks: Vec<Block>,
    figures: Vec<Figure>,
}

impl Part {
    fn chart(&mut self, figure: Option<Figure>, note: impl Into<String>) {
        if let Some(figure) = figure {
            self.blocks
                .push(Block::Chart(figure.name.clone(), note.into()));
            self.figures.push(figure);
        }
    }
}

/// Writes `index.html`, which holds everything, `report.md`, `charts/*.png` for slides, and `data/*.csv`, what each chart shows. Charts and
/// data of an earlier report in the same folder are replaced.
///
/// # Errors
/// The folder cannot be written, or a file would pass [`MAX_BYTES`].
pub fn write_studies(folder: &Path, report: &StudyReport) -> Result<ReportFiles, ReportError> {
    let (document, figures, answers) = document(report)?;
    let charts = render_all(figures)?;
    let links = Links {
        charts: "charts/",
        extension: "png",
        data: "data/",
    };
    let mut files: Vec<(PathBuf, Vec<u8>)> = vec![
        (
            folder.join("index.html"),
            html(&document, &charts).into_bytes(),
        ),
        (
            folder.join("report.md"),
            markdown(&document, &charts, links).into_bytes(),
        ),
    ];
    for Chart {
        name, png, data, ..
    } in charts
    {
        files.push((folder.join("charts").join(format!("{name}.png")), png));
        let data = data.map(|data| {
            (
                folder.join("data").join(format!("{name}.csv")),
                data.into_bytes(),
            )
        });
        files.extend(data);
    }
    if let Some((path, bytes)) = files.iter().find(|(_, bytes)| bytes.len() > MAX_BYTES) {
        return Err(ReportError::TooLarge {
            path: path.clone(),
            bytes: bytes.len(),
            limit: MAX_BYTES,
        });
    }
    for name in ["charts", "data"] {
        let inner = folder.join(name);
        let made = fs::create_dir_all(&inner).and_then(|()| clear(&inner));
        made.map_err(|source| ReportError::Io {
            path: inner,
            source,
        })?;
    }
    for (path, bytes) in &files {
        write(path, bytes)?;
    }
    Ok(ReportFiles {
        files: files.into_iter().map(|(path, _)| path).collect(),
        answers: answers
            .into_iter()
            .map(|answer| (answer.name, answer.sentence))
            .collect(),
    })
}

/// Removes what an earlier report left: a chart that is no longer made must not stay.
fn clear(folder: &Path) -> std::io::Result<()> {
    const KINDS: [&str; 8] = [
        "study_",
        "rq2_",
        "rq3_",
        "rq4_",
        "polynomials_",
        "degrees_",
        "shape_",
        "speed_",
    ];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if KINDS.iter().any(|kind| name.starts_with(kind))
            && (name.ends_with(".png") || name.ends_with(".csv"))
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The page, the charts on it, and the answers it opens with.
fn document(report: &StudyReport) -> Result<(Document, Vec<Figure>, Vec<Answer>), ReportError> {
    let published = published().map_err(|error| ReportError::Published {
        message: error.to_string(),
    })?;
    let mut sections = Vec::new();
    let (mut answers, mut figures) = (Vec::new(), Vec::new());
    let mut add = |title: String, part: Part| {
        sections.push(Section {
            title,
            blocks: part.blocks,
        });
        answers.extend(part.answer);
        figures.extend(part.figures);
    };
    let encrypted = encrypted_runs(report)?;
    for (name, question, command) in QUESTIONS {
        let found = match name {
            "RQ1" => approximations(report, question)?,
            "RQ2" => sweep::answers(report, name, question, &published)?,
            "RQ3" => encrypted::part(report, &encrypted, question, &published)?,
            _ => speed::part(report, &encrypted, question, &published)?,
        };
        let title = [
            "approximation",
            "accuracy in the clear",
            "accuracy on ciphertexts",
            "speed, size and cost",
        ];
        let title = QUESTIONS
            .iter()
            .position(|(known, ..)| *known == name)
            .and_then(|place| title.get(place))
            .unwrap_or(&"");
        add(
            format!("{name}: {title}"),
            found.unwrap_or_else(|| unanswered(name, question, command, &published)),
        );
    }
    for record in report
        .sweeps
        .iter()
        .filter(|record| record.question_of().is_none())
    {
        let mut part = sweep::part(report, record)?;
        part.answer = Some(sweep::answer(
            &part.blocks,
            &record.name,
            &record.question,
            Vec::new(),
        ));
        add(format!("{}: {}", record.name, record.title), part);
    }
    sections.insert(
        0,
        Section {
            title: "The answers".to_owned(),
            blocks: vec![Block::Answers(answers.clone())],
        },
    );
    sections.push(sources(report)?);
    let document = Document {
        title: "Neural networks on encrypted images".to_owned(),
        subtitle: format!(
            "The four questions of {}, re-evaluated with cryptodl {}",
            published.paper.citation,
            env!("CARGO_PKG_VERSION")
        ),
        headline: headline(report)?,
        sections,
        ..Document::default()
    };
    Ok((document, figures, answers))
}

fn unanswered(name: &str, question: &str, command: &str, published: &Published) -> Part {
    let sentence = format!("Not answered here: no such results were found; {command}.");
    let paper = match name {
        "RQ2" => published.activations(),
        _ => published
            .encrypted("mnist")
            .map_or_else(String::new, |row| {
                format!(
                    "MNIST {:.2} % encrypted, {} predictions an hour",
                    row.accuracy,
                    or_none(row.per_hour, |rate| format::count(rate as u64))
                )
            }),
    };
    let answer = Answer {
        name: name.to_owned(),
        question: question.to_owned(),
        sentence: sentence.clone(),
        facts: vec![fact("The paper", paper)],
        provenance: String::new(),
    };
    Part {
        answer: Some(answer),
        blocks: vec![Block::Text(sentence)],
        figures: Vec::new(),
    }
}

fn approximations(report: &StudyReport, question: &str) -> Result<Option<Part>, ReportError> {
    let Some(study) = report
        .approximations
        .iter()
        .max_by_key(|study| study.table.rows())
    else {
        return Ok(None);
    };
    Ok(Some(Part {
        answer: Some(approximation::answer(study, question)?),
        blocks: approximation::blocks(study)?,
        figures: approximation::figures(study, &study.shown())?,
    }))
}

impl SweepRecord {
    /// The paper's question that it answers: as it declares, or by its name.
    fn question_of(&self) -> Option<&str> {
        let named = |(question, ..): &(&'static str, &str, &str)| {
            self.name
                .starts_with(&question.to_lowercase())
                .then_some(*question)
        };
        let backends = (self.name == "backends").then_some("RQ4");
        self.answers
            .as_deref()
            .or_else(|| QUESTIONS.iter().find_map(named))
            .or(backends)
    }

    /// The points with the figures of their runs.
    fn table(&self, runs: &RunTable) -> Result<Data, ReportError> {
        Ok(point_table(&self.points, runs)?)
    }

    fn done(&self) -> impl Iterator<Item = usize> {
        self.points.iter().filter_map(|point| {
            if let Standing::Done(place) = point.standing {
                Some(place)
            } else {
                None
            }
        })
    }
}

/// The encrypted runs that RQ3 and RQ4 are about: those of the studies that answer these questions, and those that belong to no study.
fn encrypted_runs(report: &StudyReport) -> Result<Data, ReportError> {
    let swept: Vec<usize> = report.sweeps.iter().flat_map(SweepRecord::done).collect();
    let asked = |record: &&SweepRecord| matches!(record.question_of(), Some("RQ3" | "RQ4"));
    let studied = report
        .sweeps
        .iter()
        .filter(asked)
        .flat_map(SweepRecord::done);
    let alone = (0..report.runs.runs.len()).filter(|place| !swept.contains(place));
    // A spec of its own has a better name than a point of a study.
    let rows: Vec<Row> = alone
        .chain(studied)
        .map(|place| vec![("row".to_owned(), json!(place))])
        .collect();
    let rows = Data::from_rows(&rows)?
        .first_of(&["row"])?
        .joined(&report.runs.table, "row")?;
    Ok(rows.filled("accuracy.encrypted.n")?)
}

/// The data sets, the paper's first.
fn datasets(rows: &Data) -> Vec<String> {
    let order = ["mnist", "cifar10", "fashion-mnist"];
    let mut found = rows.distinct("dataset");
    found.sort_by_key(|name| {
        order
            .iter()
            .position(|known| known == name)
            .unwrap_or(order.len())
    });
    found
}

/// Those of them that an answer is about: where the paper has figures; all where it has none.
fn answered(datasets: &[String], published: &Published) -> Vec<String> {
    let own: Vec<String> = datasets
        .iter()
        .filter(|name| published.encrypted(name).is_some())
        .cloned()
        .collect();
    if own.is_empty() {
        datasets.to_vec()
    } else {
        own
    }
}

/// Where figures come from, in one line: specs, machines, and the commits that computed them.
fn provenance(rows: &Data, commit: &str) -> String {
    let listed = |texts: Vec<String>, most: usize| match texts.len().saturating_sub(most) {
        0 => texts.join("; "),
        more => format!("{} and {more} more", texts[..most].join("; ")),
    };
    let mut machines: Vec<String> = rows
        .distinct("machine")
        .iter()
        .map(|machine| short_machine(machine))
        .collect();
    machines.dedup();
    let mut commits = rows.distinct(commit);
    let unknown = rows
        .texts(commit)
        .iter()
        .filter(|commit| commit.is_none())
        .count();
    if unknown > 0 {
        commits.push(format!(
            "not recorded for {}",
            names::counted(unknown, "run")
        ));
    }
    format!(
        "Spec: {}. Machine: {}. Commit: {}.",
        listed(rows.distinct("name"), 4),
        listed(machines, 2),
        listed(commits, 4)
    )
}

/// The machine without its instruction sets.
fn short_machine(machine: &str) -> String {
    machine
        .split_once(" (")
        .map_or(machine, |(machine, _)| machine)
        .to_owned()
}

/// What the report is made from, in one sentence.
fn headline(report: &StudyReport) -> Result<String, ReportError> {
    let polynomials: usize = report
        .approximations
        .iter()
        .map(|study| study.table.rows())
        .sum();
    let encrypted = report.runs.table.filled("accuracy.encrypted.n")?.rows();
    let mut parts = Vec::new();
    if polynomials > 0 {
        parts.push(format!("{} polynomials", format::count(polynomials as u64)));
    }
    if !report.runs.runs.is_empty() {
        parts.push(format!(
            "{}, {encrypted} of them on real ciphertexts",
            names::counted(report.runs.runs.len(), "run")
        ));
    }
    Ok(match parts.is_empty() {
        true => "No results were found.".to_owned(),
        false => format!("Made from stored results alone: {}.", parts.join(" and ")),
    })
}

/// Notes, sweeps and runs.
fn sources(report: &StudyReport) -> Result<Section, ReportError> {
    let mut blocks = Vec::new();
    if !report.notes.is_empty() {
        blocks.push(Block::Heading("What is not in this report".to_owned()));
        blocks.extend(report.notes.iter().cloned().map(Block::Text));
    }
    let mut sweeps = Table::new(
        "Studies over runs.",
        &[
            "Study", "Question", "#Points", "#Done", "#Failed", "#Not run", "Folder",
        ],
    );
    for record in &report.sweeps {
        let count = |words: &[&str]| {
            record
                .points
                .iter()
                .filter(|point| words.contains(&point.standing.as_str()))
                .count()
                .to_string()
        };
        sweeps.push([
            record.name.clone(),
            record.question.clone(),
            record.points.len().to_string(),
            count(&["done"]),
            count(&["failed"]),
            count(&["missing", "lost"]),
            record.place.clone(),
        ]);
    }
    let mut runs = Table::new(
        "Every run: its folder holds the whole spec (`spec.toml`), the manifest and the raw tables. Commits are those of the programs that computed the stages.",
        &[
            "Spec",
            "Data",
            "#Seed",
            "Backend",
            "#Encrypted images",
            "Trained at",
            "Encrypted at",
            "Day",
            "Machine",
            "Folder",
        ],
    );
    for StoredRun {
        summary,
        manifest,
        folder,
        spec,
        ..
    } in &report.runs.runs
    {
        let run = runs.rows.len();
        let commit = |stage: &str| or_none(report.runs.runs[run].commit(stage), |commit| commit);
        runs.push([
            summary.name.clone(),
            names::dataset(&summary.dataset).to_owned(),
            or_none(spec.get("seed"), String::clone),
            summary
                .encryption
                .as_ref()
                .map_or("clear".to_owned(), |encryption| encryption.backend.clone()),
            or_none(summary.accuracy.encrypted, |accuracy| {
                format::count(accuracy.n)
            }),
            if summary.activation.degree.is_some() {
                commit("train")
            } else {
                commit("original")
            },
            commit("encrypted"),
            manifest.started.get(..10).unwrap_or(NONE).to_owned(),
            short_machine(&manifest.machine.describe()),
            folder.to_string_lossy().into_owned(),
        ]);
    }
    blocks.extend(sweeps.block());
    blocks.extend(runs.block().map(|table| {
        Block::Folded(
            format!("All {}", names::counted(report.runs.runs.len(), "run")),
            vec![table],
        )
    }));
    Ok(Section {
        title: "Where the figures come from".to_owned(),
        blocks,
    })
}
