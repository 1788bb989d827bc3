//! The published figures that ours stand beside: read from one data file, each with its source.

use serde::Deserialize;

/// The file, part of the program.
const FILE: &str = include_str!("published_systems.toml");

/// Everything in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    pub paper: Paper,
    #[serde(rename = "system")]
    pub systems: Vec<System>,
}

/// What the paper reports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paper {
    pub citation: String,
    pub activations: Vec<PaperActivation>,
    pub degree: PaperDegree,
    pub encrypted: Vec<PaperEncrypted>,
}

/// Accuracies of one activation on MNIST, per cent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaperActivation {
    pub function: String,
    pub original: f64,
    pub polynomial: f64,
}

/// Accuracies of ReLU on MNIST by degree, per cent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaperDegree {
    pub low: f64,
    pub high: f64,
}

/// The paper's encrypted networks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaperEncrypted {
    pub dataset: String,
    pub accuracy: f64,
    pub per_hour: Option<f64>,
}

/// One published system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct System {
    pub dataset: String,
    pub name: String,
    pub scheme: String,
    pub accuracy: f64,
    pub accuracy_text: Option<String>,
    pub per_hour: Option<f64>,
    /// Seconds until the answer for one image is there: those of its batch.
    pub latency_s: Option<f64>,
    /// The time as it was published, and what it is of.
    pub time: String,
    /// Images of a batch, as far as they are stated.
    #[serde(default)]
    pub batch: String,
    pub hardware: String,
    #[serde(default)]
    pub gpu: bool,
    pub citation: String,
}

/// Reads the file.
///
/// # Errors
/// The file in the source is not what it should be: said in the words of the reader.
pub(super) fn published() -> Result<Published, toml::de::Error> {
    toml::from_str(FILE)
}

impl Published {
    /// The paper's encrypted network on a data set.
    pub fn encrypted(&self, dataset: &str) -> Option<&PaperEncrypted> {
        self.paper
            .encrypted
            .iter()
            .find(|row| row.dataset == dataset)
    }

    /// The systems on a data set.
    pub fn systems(&self, dataset: &str) -> Vec<&System> {
        self.systems
            .iter()
            .filter(|system| system.dataset == dataset)
            .collect()
    }

    /// What the paper says to the second question.
    pub fn activations(&self) -> String {
        let row = |row: &PaperActivation| {
            let name = crate::names::function(&row.function).0;
            format!("{name} {:.2} → {:.2} %", row.original, row.polynomial)
        };
        let rows: Vec<String> = self.paper.activations.iter().map(row).collect();
        let degree = &self.paper.degree;
        format!(
            "MNIST, original activation → polynomial: {}; ReLU at degree 2 to 3 {:.2} %, at higher degree {:.2} % (printed in the paper)",
            rows.join(", "),
            degree.low,
            degree.high
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_file_can_be_read_and_agrees_with_itself() {
        let published = published().unwrap();
        assert_eq!(published.systems("mnist").len(), 8);
        // 8,192 predictions in 180 s are the paper's 164,000 an hour.
        let paper = published.encrypted("mnist").unwrap();
        assert!((8_192.0 * 3_600.0 / 180.0 - paper.per_hour.unwrap()).abs() < 1_000.0);
        for system in &published.systems {
            assert!((50.0..100.0).contains(&system.accuracy), "{}", system.name);
            assert!(!system.citation.is_empty(), "{}", system.name);
        }
    }
}
