//! What augmentation changes, and what it leaves alone.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

const OFF: AugmentSpec = AugmentSpec {
    rotation: 0.0,
    scale: 0.0,
    shift: 0.0,
    shear: 0.0,
    elastic: 0.0,
    crop: 0,
    border: Border::Black,
    flip: Flip::Off,
    cutout: 0,
};
const ALL: AugmentSpec = AugmentSpec {
    rotation: 11.0,
    scale: 0.12,
    shift: 0.12,
    shear: 0.2,
    elastic: 1.5,
    crop: 2,
    border: Border::Black,
    flip: Flip::Random,
    cutout: 8,
};
const GREY: Shape = Shape {
    channels: 1,
    height: 28,
    width: 28,
};
const COLOUR: Shape = Shape {
    channels: 3,
    height: 32,
    width: 32,
};

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn ramp(shape: Shape) -> Vec<f32> {
    (0..shape.len()).map(|i| 1.0 + i as f32).collect()
}

fn run(spec: AugmentSpec, shape: Shape, seed: u64) -> Vec<f32> {
    let mut out = vec![f32::NAN; shape.len()];
    Augmenter::new(spec, shape).apply(&ramp(shape), false, &mut rng(seed), &mut out);
    out
}

#[test]
fn nothing_asked_for_changes_nothing() {
    assert_eq!(run(OFF, COLOUR, 1), ramp(COLOUR));
    assert!(Augmenter::new(OFF, GREY).is_identity());
    assert!(
        !Augmenter::new(
            AugmentSpec {
                elastic: 0.1,
                ..OFF
            },
            GREY
        )
        .is_identity()
    );
}

#[test]
fn the_same_generator_gives_the_same_image() {
    for shape in [GREY, COLOUR] {
        assert_eq!(run(ALL, shape, 5), run(ALL, shape, 5));
        assert_ne!(run(ALL, shape, 5), run(ALL, shape, 6));
        assert!(run(ALL, shape, 5).iter().all(|value| value.is_finite()));
    }
}

#[test]
fn resampling_by_next_to_nothing_keeps_the_image() {
    let tiny = AugmentSpec {
        rotation: 1e-9,
        scale: 1e-9,
        shear: 1e-9,
        shift: 1e-9,
        elastic: 1e-9,
        ..OFF
    };
    for (changed, original) in run(tiny, COLOUR, 2).iter().zip(ramp(COLOUR)) {
        assert!((changed - original).abs() < 0.02, "{changed} {original}");
    }
}

#[test]
fn a_crop_is_one_of_the_shifts_and_the_rest_is_background() {
    let image = ramp(GREY);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut out = vec![0.0; GREY.len()];
        let augmenter =
            Augmenter::new(AugmentSpec { crop: 1, ..OFF }, GREY).with_background(&[-7.0]);
        augmenter.apply(&image, false, &mut rng(seed), &mut out);
        let middle = out[14 * 28 + 14] - image[14 * 28 + 14];
        let (dx, dy) = (
            (middle as i32 + 29).rem_euclid(28) - 1,
            (middle as i32 + 14).div_euclid(28),
        );
        seen.insert((dx, dy));
        assert_eq!(
            out.iter().filter(|&&value| value == -7.0).count() as i32,
            28 * 28 - (28 - dx.abs()) * (28 - dy.abs())
        );
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
}

#[test]
fn half_of_the_images_are_mirrored_resampled_or_not() {
    for spec in [
        AugmentSpec {
            flip: Flip::Random,
            ..OFF
        },
        AugmentSpec {
            flip: Flip::Random,
            elastic: 1e-9,
            ..OFF
        },
    ] {
        let mirrored = (0..400)
            .filter(|&seed| run(spec, GREY, seed)[0] > 14.0)
            .count();
        assert!((150..250).contains(&mirrored), "{mirrored}");
        let seed = (0..400)
            .find(|&seed| run(spec, GREY, seed)[0] > 14.0)
            .unwrap_or(0);
        assert!((run(spec, GREY, seed)[0] - 28.0).abs() < 1e-3);
    }
}

#[test]
fn a_cutout_blanks_at_most_its_square_in_every_channel() {
    for seed in 0..50 {
        let out = run(AugmentSpec { cutout: 8, ..OFF }, COLOUR, seed);
        let blank = |channel: usize| {
            out[channel * 1024..][..1024]
                .iter()
                .filter(|&&value| value == 0.0)
                .count()
        };
        assert!((16..=64).contains(&blank(0)), "{}", blank(0));
        assert!(blank(0) == blank(1) && blank(1) == blank(2));
    }
}

#[test]
fn changes_stay_within_what_was_asked_for() {
    // A dot in the middle: rotation, size and shear leave it there, a shift moves it by at most 12 % of 28 pixels.
    let mut dot = vec![0.0; GREY.len()];
    for i in [13 * 28 + 13, 13 * 28 + 14, 14 * 28 + 13, 14 * 28 + 14] {
        dot[i] = 1.0;
    }
    let centre = |spec, seed| {
        let mut out = vec![0.0; GREY.len()];
        Augmenter::new(spec, GREY).apply(&dot, false, &mut rng(seed), &mut out);
        let total: f32 = out.iter().sum();
        let x: f32 = out
            .iter()
            .enumerate()
            .map(|(i, v)| v * (i % 28) as f32)
            .sum::<f32>()
            / total;
        let y: f32 = out
            .iter()
            .enumerate()
            .map(|(i, v)| v * (i / 28) as f32)
            .sum::<f32>()
            / total;
        ((x - 13.5).abs(), (y - 13.5).abs())
    };
    let mut farthest: f32 = 0.0;
    for seed in 0..200 {
        let (x, y) = centre(
            AugmentSpec {
                rotation: 90.0,
                scale: 0.3,
                shear: 0.5,
                ..OFF
            },
            seed,
        );
        assert!(x < 0.05 && y < 0.05, "{x} {y}");
        let (x, y) = centre(AugmentSpec { shift: 0.12, ..OFF }, seed);
        farthest = farthest.max(x).max(y);
    }
    assert!((3.0..0.12 * 28.0 + 0.01).contains(&farthest), "{farthest}");
}

#[test]
fn far_outside_is_background() {
    let mut out = vec![0.0; GREY.len()];
    let spec = AugmentSpec { shift: 50.0, ..OFF };
    Augmenter::new(spec, GREY).with_background(&[-0.42]).apply(
        &ramp(GREY),
        false,
        &mut rng(1),
        &mut out,
    );
    assert!(out.iter().all(|&value| value == -0.42));
}

#[test]
fn images_that_take_turns_are_mirrored_when_it_is_theirs() {
    let spec = AugmentSpec {
        flip: Flip::Alternating,
        ..OFF
    };
    let augmenter = Augmenter::new(spec, COLOUR);
    assert!(!augmenter.is_identity());
    let (mut plain, mut mirrored) = (vec![0.0; COLOUR.len()], vec![0.0; COLOUR.len()]);
    augmenter.apply(&ramp(COLOUR), false, &mut rng(1), &mut plain);
    augmenter.apply(&ramp(COLOUR), true, &mut rng(1), &mut mirrored);
    assert_eq!(plain, ramp(COLOUR));
    for (plain, mirrored) in plain.chunks(32).zip(mirrored.chunks(32)) {
        assert!(plain.iter().eq(mirrored.iter().rev()));
    }
}

#[test]
fn a_reflected_border_repeats_the_image_backwards() {
    assert_eq!(
        (-3..7).map(|at| reflected(at, 4)).collect::<Vec<_>>(),
        [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    );
    assert_eq!(reflected(5, 1), 0);
    let spec = AugmentSpec {
        crop: 3,
        border: Border::Reflect,
        ..OFF
    };
    // Every pixel is one of the image's own, and neighbours stay neighbours.
    for seed in 0..50 {
        let out = run(spec, GREY, seed);
        for row in out.chunks(28) {
            assert!(row.windows(2).all(|pair| (pair[0] - pair[1]).abs() == 1.0));
        }
    }
}
