//! Views of the test images: an image, and where the spec asks for two, its mirror image. The logits of an image are the mean over its
//! views.

use super::PipelineError;
use crate::data::Images;
use crate::results::Evaluation;

/// Ending of the name of an evaluation of one view, where there are more.
pub(super) const ONE_VIEW: &str = "_one_view";

/// Logits averaged over the views, and those of the first view alone where there are more.
pub(super) struct Viewed {
    pub all: Evaluation,
    pub one: Option<Evaluation>,
}

/// Evaluates every view of `images`.
pub(super) fn over_views(
    views: usize,
    images: &Images,
    mut evaluate: impl FnMut(&Images) -> Result<Evaluation, PipelineError>,
) -> Result<Viewed, PipelineError> {
    let first = evaluate(images)?;
    if views < 2 {
        return Ok(Viewed {
            all: first,
            one: None,
        });
    }
    let second = evaluate(&images.mirrored())?;
    Ok(Viewed {
        all: mean(&first, &second),
        one: Some(first),
    })
}

/// Half the sum of the logits of two evaluations of equally many images.
fn mean(a: &Evaluation, b: &Evaluation) -> Evaluation {
    let pairs = a.logits.iter().zip(&b.logits);
    Evaluation {
        classes: a.classes,
        logits: pairs.map(|(a, b)| 0.5 * (a + b)).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spec::Shape;

    #[test]
    fn two_views_are_the_image_and_its_mirror_image() {
        let shape = Shape {
            channels: 1,
            height: 2,
            width: 3,
        };
        let images = Images::new(shape, vec![1, 2, 3, 4, 5, 6], vec![0]).unwrap();
        let mut seen = Vec::new();
        let mut first_pixel = |images: &Images| {
            seen.push(images.pixels.clone());
            Ok(Evaluation {
                classes: 1,
                logits: vec![f32::from(images.pixels[0])],
            })
        };
        let viewed = over_views(2, &images, &mut first_pixel).unwrap();
        assert_eq!(viewed.all.logits, [2.0]);
        assert_eq!(viewed.one.unwrap().logits, [1.0]);
        assert!(
            over_views(1, &images, &mut first_pixel)
                .unwrap()
                .one
                .is_none()
        );
        assert_eq!(
            seen,
            [
                vec![1, 2, 3, 4, 5, 6],
                vec![3, 2, 1, 6, 5, 4],
                vec![1, 2, 3, 4, 5, 6]
            ]
        );
    }
}
