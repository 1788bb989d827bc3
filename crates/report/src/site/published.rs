//! The published figures that ours stand beside: read from one data file, each with its source mark.

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
    pub source: Source,
}

/// Accuracies of ReLU on MNIST by degree, per cent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaperDegree {
    pub low: f64,
    pub high: f64,
    pub source: Source,
}

/// The paper's encrypted networks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaperEncrypted {
    pub dataset: String,
    pub accuracy: f64,
    pub per_hour: Option<f64>,
    pub source: Source,
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
    pub latency_s: Option<f64>,
    pub time: String,
    pub hardware: String,
    #[serde(default)]
    pub gpu: bool,
    pub source: Source,
}

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Source {
    /// Printed in the paper.
    P,
    /// From its authors' published coefficients.
    C,
    /// From other literature.
    L,
}

impl Source {
    /// The mark with its meaning.
    pub fn words(self) -> &'static str {
        match self {
            Self::P => "printed in the paper",
            Self::C => "from the authors’ published coefficients",
            Self::L => "from other literature",
        }
    }

    /// The mark.
    pub fn mark(self) -> &'static str {
        match self {
            Self::P => "P",
            Self::C => "C",
            Self::L => "L",
        }
    }
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
        }
    }
}
