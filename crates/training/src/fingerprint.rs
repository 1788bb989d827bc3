//! What a checkpoint belongs to.

use cryptodl_data::Dataset;
use cryptodl_model::{Activations, ModelError, Precision, TrainedNetwork, to_bytes};
use cryptodl_spec::{Experiment, TrainSpec};

/// Digest of everything that the trained network depends on. The number of threads is not among it: a run may go on with another.
pub(super) fn fingerprint(
    experiment: &Experiment,
    dataset: &Dataset,
    activations: Activations<'_>,
    original: Option<&TrainedNetwork>,
) -> Result<blake3::Hash, ModelError> {
    let polynomial = match activations {
        Activations::Original => None,
        Activations::Polynomial(polynomial) => Some(polynomial.coefficients()),
    };
    // What is learned from it depends on every number of it.
    let original = original
        .map(|network| {
            Ok::<_, ModelError>(*blake3::hash(&to_bytes(network, Precision::Single)?).as_bytes())
        })
        .transpose()?;
    let spec = TrainSpec {
        threads: 0,
        baseline: false,
        ..experiment.train
    };
    let steps = &experiment.dataset;
    let preprocessing = (
        steps.standardize,
        steps.zca,
        steps.local_contrast,
        steps.soft_clamp,
    );
    let inputs = serde_json::to_vec(&(
        "cryptodl training 3",
        (experiment.seed, preprocessing),
        &experiment.activation,
        &experiment.network,
        spec,
        (polynomial, original),
        dataset.digest,
        dataset.train.len(),
        (&dataset.mean, &dataset.std),
    ));
    match inputs {
        Ok(inputs) => Ok(blake3::hash(&inputs)),
        Err(error) => Err(ModelError::Network(error.to_string())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::tests::dataset;
    use cryptodl_reference as reference;
    use polyapprox::Polynomial;

    #[test]
    fn what_changes_the_network_changes_the_fingerprint_and_threads_do_not() {
        let polynomial = Polynomial::new(vec![0.0, 0.5, 0.2]).unwrap();
        let experiment = reference::experiment(1);
        let data = dataset();
        let of = |experiment: &Experiment| {
            fingerprint(
                experiment,
                &data,
                Activations::Polynomial(&polynomial),
                None,
            )
            .unwrap()
        };
        let base = of(&experiment);
        let mut same = experiment.clone();
        (same.name, same.train.threads, same.train.baseline) = ("other".to_owned(), 5, true);
        assert_eq!(of(&same), base);
        let changes: [fn(&mut Experiment); 5] = [
            |changed| changed.seed = 2,
            |changed| changed.train.epochs = 4,
            |changed| changed.train.augment.shift = 0.1,
            |changed| changed.activation.trainable = cryptodl_spec::Trainable::Layer,
            |changed| changed.dataset.standardize = cryptodl_spec::Standardize::PerImage,
        ];
        for change in changes {
            let mut changed = experiment.clone();
            change(&mut changed);
            assert_ne!(of(&changed), base);
        }
        assert_ne!(
            fingerprint(&experiment, &data, Activations::Original, None).unwrap(),
            base
        );
        let mut other = dataset();
        other.digest = [8; 32];
        assert_ne!(
            fingerprint(
                &experiment,
                &other,
                Activations::Polynomial(&polynomial),
                None
            )
            .unwrap(),
            base
        );
    }
}
