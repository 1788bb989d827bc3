//! One report over all studies: the four answers, then a part for each question, then the runs they rest on.
//!
//! Everything comes from stored results. [`write_site`] writes `index.html`, which holds everything; `report.md`; `charts/*.png` for
//! slides; and `data/*.csv`, what each chart shows.

mod backends;
mod figure;
mod frontier;
mod input;
mod page;
mod palette;
mod plots;
mod published;
mod rq1;
mod rq2;
mod rq2_charts;
mod rq3;
mod rq4;
mod rq4_charts;
mod runs;
#[cfg(test)]
mod tests;
mod views;

use std::fs;
use std::path::{Path, PathBuf};

pub use input::{PointRecord, PointStanding, Site, SourcedRun, SweepRecord};

use super::document::{Answer, Block, Document, Section};
use super::{Chart, ReportError, markdown, write};

/// What no file of a report may pass, bytes.
pub const MAX_BYTES: usize = 1_000_000;

/// What was written.
#[derive(Clone, Debug, Default)]
pub struct SiteFiles {
    /// Every file, in order.
    pub files: Vec<PathBuf>,
    /// The four answers, one sentence each.
    pub answers: Vec<(String, String)>,
}

/// What one question contributes.
struct Part {
    answer: Answer,
    blocks: Vec<Block>,
    charts: Vec<Chart>,
}

impl Part {
    fn empty(answer: Answer) -> Self {
        Self {
            answer,
            blocks: Vec::new(),
            charts: Vec::new(),
        }
    }

    fn add(&mut self, chart: Chart, note: String) {
        self.blocks.push(Block::Chart(chart.name.clone(), note));
        self.charts.push(chart);
    }
}

/// Writes the report. Charts and data of an earlier report in the same folder are replaced.
///
/// # Errors
/// The folder cannot be written, or a file would pass [`MAX_BYTES`].
pub fn write_site(folder: &Path, site: &Site) -> Result<SiteFiles, ReportError> {
    let (document, charts) = document(site)?;
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| ReportError::Io { path, source }
    };
    let mut written = SiteFiles::default();
    let mut files: Vec<(PathBuf, Vec<u8>)> = vec![
        (
            folder.join("index.html"),
            page::page(&document, &charts).into_bytes(),
        ),
        (
            folder.join("report.md"),
            markdown::page_with(
                &document,
                &charts,
                markdown::Files {
                    charts: "charts/",
                    extension: "png",
                    data: "data/",
                },
            )
            .into_bytes(),
        ),
    ];
    for chart in &charts {
        files.push((
            folder.join("charts").join(format!("{}.png", chart.name)),
            chart.png.clone(),
        ));
        if let Some(data) = &chart.data {
            files.push((
                folder.join("data").join(format!("{}.csv", chart.name)),
                data.clone().into_bytes(),
            ));
        }
    }
    if let Some((path, bytes)) = files.iter().find(|(_, bytes)| bytes.len() > MAX_BYTES) {
        return Err(ReportError::TooLarge {
            path: path.clone(),
            bytes: bytes.len(),
            limit: MAX_BYTES,
        });
    }
    for (name, extension) in [("charts", "png"), ("data", "csv")] {
        let inner = folder.join(name);
        fs::create_dir_all(&inner).map_err(io(&inner))?;
        clear(&inner, extension).map_err(io(&inner))?;
    }
    for (path, bytes) in files {
        write(&path, &bytes)?;
        written.files.push(path);
    }
    for block in document.sections.iter().flat_map(|part| &part.blocks) {
        if let Block::Answers(answers) = block {
            written.answers.extend(
                answers
                    .iter()
                    .map(|answer| (answer.name.clone(), answer.sentence.clone())),
            );
        }
    }
    Ok(written)
}

/// Removes what an earlier report left: a chart that is no longer made must not stay.
fn clear(folder: &Path, extension: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(is_chart_name);
        if ours && path.extension().is_some_and(|found| found == extension) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Whether a file has the name of a chart of this report.
fn is_chart_name(name: &str) -> bool {
    let kinds = ["rq2_", "rq3_", "rq4_", "polynomials_", "degrees_", "shape_"];
    kinds.iter().any(|kind| name.starts_with(kind))
}

fn document(site: &Site) -> Result<(Document, Vec<Chart>), ReportError> {
    let published = published::published().map_err(|error| ReportError::Published {
        message: error.to_string(),
    })?;
    let parts = [
        ("RQ1: approximation", rq1::part(site, &published)?),
        ("RQ2: accuracy in the clear", rq2::part(site, &published)?),
        ("RQ3: accuracy on ciphertexts", rq3::part(site, &published)?),
        ("RQ4: speed, size and cost", rq4::part(site, &published)?),
    ];
    let mut charts = Vec::new();
    let mut answers = Vec::new();
    let mut sections = Vec::new();
    for (title, part) in parts {
        let mut blocks = part.blocks;
        if blocks.is_empty() {
            blocks.push(Block::Text(part.answer.sentence.clone()));
        }
        answers.push(part.answer);
        charts.extend(part.charts);
        sections.push(Section {
            title: title.to_owned(),
            blocks,
        });
    }
    sections.insert(
        0,
        Section {
            title: "The four answers".to_owned(),
            blocks: vec![Block::Answers(answers)],
        },
    );
    sections.push(runs::section(site));
    let document = Document {
        title: "Neural networks on encrypted images".to_owned(),
        subtitle: format!(
            "The four questions of {}, measured again by cryptodl {}",
            published.paper.citation,
            env!("CARGO_PKG_VERSION")
        ),
        headline: runs::headline(site),
        warning: None,
        cards: Vec::new(),
        sections,
    };
    Ok((document, charts))
}

/// The different data sets, the paper's first.
fn datasets<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    let order = ["mnist", "cifar10", "fashion-mnist"];
    found.sort_by_key(|name| {
        order
            .iter()
            .position(|known| known == name)
            .unwrap_or(order.len())
    });
    found
}

/// The data set that an answer is about.
fn first_dataset<'a>(datasets: &[&'a str]) -> Option<&'a str> {
    datasets.first().copied()
}
