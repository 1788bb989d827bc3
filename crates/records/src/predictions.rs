//! The predictions of a run by test image: what `predictions.parquet` holds, with or without the logits.

use super::{Evaluation, Predictions};

/// One evaluation of the test images.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionColumn {
    /// `original`, `polynomial`, `circuit`, `simulated` or `encrypted`.
    pub name: String,
    /// Predicted class by test image; `None` where that image was not evaluated.
    pub predicted: Vec<Option<u16>>,
    /// The logits of the first images, where they were kept.
    pub evaluation: Option<Evaluation>,
}

/// Labels and predictions of all test images.
///
/// Unlike [`Predictions`] it can do without logits, which published tables leave out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PredictionTable {
    /// True class by test image.
    pub labels: Vec<u16>,
    /// One for each evaluation that was made.
    pub columns: Vec<PredictionColumn>,
}

impl From<&Predictions> for PredictionTable {
    /// Images past the end of an evaluation were not evaluated; evaluations past the last label are cut off.
    fn from(predictions: &Predictions) -> Self {
        let images = predictions.labels.len();
        let columns = predictions
            .evaluations
            .iter()
            .map(|(name, evaluation)| {
                let mut evaluation = evaluation.clone();
                evaluation.logits.truncate(images * evaluation.classes);
                let mut predicted: Vec<_> = evaluation.predicted().into_iter().map(Some).collect();
                predicted.resize(images, None);
                PredictionColumn {
                    name: name.clone(),
                    predicted,
                    evaluation: Some(evaluation),
                }
            })
            .collect();
        Self {
            labels: predictions.labels.clone(),
            columns,
        }
    }
}

impl PredictionTable {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&PredictionColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Predicted classes by test image.
    pub fn predicted(&self, name: &str) -> Option<&[Option<u16>]> {
        self.column(name).map(|column| column.predicted.as_slice())
    }

    /// Logits of the first images, where they were kept.
    pub fn evaluation(&self, name: &str) -> Option<&Evaluation> {
        self.column(name)
            .and_then(|column| column.evaluation.as_ref())
    }

    /// The first images alone, without logits.
    #[must_use]
    pub fn first(&self, images: usize) -> Self {
        let mut first = self.clone().without_logits();
        first.labels.truncate(images);
        for column in &mut first.columns {
            column.predicted.truncate(images);
        }
        first
    }

    /// The same table without logits.
    #[must_use]
    pub fn without_logits(mut self) -> Self {
        for column in &mut self.columns {
            column.evaluation = None;
        }
        self
    }

    /// Back to [`Predictions`], where all logits were kept.
    pub fn to_predictions(&self) -> Option<Predictions> {
        let evaluations = self
            .columns
            .iter()
            .map(|column| Some((column.name.clone(), column.evaluation.clone()?)))
            .collect::<Option<_>>()?;
        Some(Predictions {
            labels: self.labels.clone(),
            evaluations,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn images_past_the_end_were_not_evaluated() {
        let predictions = Predictions {
            labels: vec![1, 0],
            evaluations: vec![(
                "encrypted".into(),
                Evaluation {
                    classes: 2,
                    logits: vec![0.0, 1.0],
                },
            )],
        };
        let table = PredictionTable::from(&predictions);
        assert_eq!(table.predicted("encrypted"), Some(&[Some(1), None][..]));
        assert_eq!(table.predicted("circuit"), None);
        assert_eq!(table.to_predictions(), Some(predictions));
        assert_eq!(table.without_logits().to_predictions(), None);
    }

    #[test]
    fn an_evaluation_longer_than_the_labels_is_cut() {
        let predictions = Predictions {
            labels: vec![1],
            evaluations: vec![(
                "circuit".into(),
                Evaluation {
                    classes: 1,
                    logits: vec![0.0, 1.0],
                },
            )],
        };
        let table = PredictionTable::from(&predictions);
        assert_eq!(table.predicted("circuit").unwrap().len(), 1);
        assert_eq!(table.evaluation("circuit").unwrap().images(), 1);
    }
}
