//! From a glyph to the line that the pen draws: every writer's hand is a little different.

use super::glyphs::{GLYPHS, Point, Stroke};
use super::random::Dice;
use super::{SIDE, SIDE_F};

/// A point of the drawn line, in pixels, and the radius of the pen there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dot {
    pub x: f32,
    pub y: f32,
    pub radius: f32,
}

/// Pieces of curve between two given points.
const PIECES: usize = 6;

/// Knots of the elastic field, per side.
const KNOTS: usize = 4;

/// Draws the strokes of `digit` in one of its forms, with a random hand and pose. Each line is a polyline.
pub(super) fn strokes(digit: usize, dice: &mut Dice) -> Vec<Vec<Dot>> {
    let forms = GLYPHS[digit];
    let glyph = forms[dice.below(forms.len())];
    let warp = Warp::new(dice, 0.09);
    let pose = Pose::new(dice);
    let pen = dice.range(0.75, 1.75);
    let jitter = dice.range(0.01, 0.052);
    glyph
        .iter()
        .map(|stroke| line(stroke, dice, &warp, &pose, pen, jitter))
        .collect()
}

/// A short line that does not belong to the digit.
pub(super) fn stray(dice: &mut Dice) -> Vec<Dot> {
    let (x, y) = (dice.range(2.0, SIDE_F - 2.0), dice.range(2.0, SIDE_F - 2.0));
    let (dx, dy) = (dice.about(5.0), dice.about(5.0));
    let radius = dice.range(0.4, 0.8);
    vec![
        Dot { x, y, radius },
        Dot {
            x: x + dx,
            y: y + dy,
            radius,
        },
    ]
}

fn line(
    stroke: Stroke,
    dice: &mut Dice,
    warp: &Warp,
    pose: &Pose,
    pen: f32,
    jitter: f32,
) -> Vec<Dot> {
    let points: Vec<Point> = stroke
        .iter()
        .map(|&(x, y)| (x + jitter * dice.bell(), y + jitter * dice.bell()))
        .collect();
    // The pen presses harder at one end.
    let (start, end) = (pen * dice.range(0.85, 1.15), pen * dice.range(0.85, 1.15));
    let curve = catmull_rom(&points);
    let last = curve.len().saturating_sub(1).max(1) as f32;
    let dots = curve.into_iter().enumerate().map(|(i, point)| {
        let (x, y) = pose.apply(warp.apply(point));
        Dot {
            x,
            y,
            radius: start + (end - start) * (i as f32 / last),
        }
    });
    dots.collect()
}

/// A uniform Catmull-Rom spline through `points`, the end points doubled.
fn catmull_rom(points: &[Point]) -> Vec<Point> {
    let at = |i: isize| points[i.clamp(0, points.len() as isize - 1) as usize];
    let mut curve = Vec::with_capacity(points.len() * PIECES);
    for i in 0..points.len().saturating_sub(1) as isize {
        let (p0, p1, p2, p3) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        let blend = |a: f32, b: f32, c: f32, d: f32, t: f32| {
            0.5 * (2.0 * b
                + t * (c - a
                    + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * b - a - 3.0 * c + d))))
        };
        for k in 0..PIECES {
            let t = k as f32 / PIECES as f32;
            curve.push((
                blend(p0.0, p1.0, p2.0, p3.0, t),
                blend(p0.1, p1.1, p2.1, p3.1, t),
            ));
        }
    }
    curve.extend(points.last());
    curve
}

/// A smooth random bending of the unit square: displacements on a grid of knots, bilinear in between.
struct Warp {
    knots: [[Point; KNOTS]; KNOTS],
}

impl Warp {
    fn new(dice: &mut Dice, size: f32) -> Self {
        let mut knots = [[(0.0, 0.0); KNOTS]; KNOTS];
        for knot in knots.iter_mut().flatten() {
            *knot = (dice.about(size), dice.about(size));
        }
        Self { knots }
    }

    fn apply(&self, (x, y): Point) -> Point {
        let cell = |v: f32| {
            let v = v.clamp(0.0, 1.0) * (KNOTS - 1) as f32;
            let i = (v as usize).min(KNOTS - 2);
            (i, v - i as f32)
        };
        let ((i, u), (j, v)) = (cell(x), cell(y));
        let mix = |a: Point, b: Point, t: f32| (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t);
        let top = mix(self.knots[j][i], self.knots[j][i + 1], u);
        let bottom = mix(self.knots[j + 1][i], self.knots[j + 1][i + 1], u);
        let (dx, dy) = mix(top, bottom, v);
        (x + dx, y + dy)
    }
}

/// An affine map from the unit square to pixels.
struct Pose {
    matrix: [f32; 4],
    centre: Point,
}

impl Pose {
    fn new(dice: &mut Dice) -> Self {
        let height = dice.range(14.5, 21.0);
        let width = height * dice.range(0.55, 0.95);
        let shear = dice.about(0.3) + 0.1;
        // Rational parametrisation of a rotation: t = tan(angle / 2), here up to 18 degrees.
        let t = dice.about(0.158);
        let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        // Rotation after (x, y) -> (width x - shear height y, height y): a slant to the right for a positive shear.
        let matrix = [
            cos * width,
            -cos * shear * height - sin * height,
            sin * width,
            -sin * shear * height + cos * height,
        ];
        let middle = (SIDE as f32 - 1.0) / 2.0;
        Self {
            matrix,
            centre: (middle + dice.about(2.5), middle + dice.about(2.5)),
        }
    }

    fn apply(&self, (x, y): Point) -> Point {
        let (x, y) = (x - 0.5, y - 0.5);
        let [a, b, c, d] = self.matrix;
        (self.centre.0 + a * x + b * y, self.centre.1 + c * x + d * y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_runs_through_its_points() {
        let points = [(0.0, 0.0), (0.3, 0.8), (0.9, 0.1)];
        let curve = catmull_rom(&points);
        assert_eq!(curve.len(), 2 * PIECES + 1);
        for (i, point) in points.iter().enumerate() {
            let on_curve = curve[i * PIECES];
            assert!((on_curve.0 - point.0).abs() < 1e-6 && (on_curve.1 - point.1).abs() < 1e-6);
        }
    }

    #[test]
    fn a_warp_of_size_zero_and_the_middle_of_a_pose_stay_put() {
        let mut dice = Dice::new([1; 32], 0);
        assert_eq!(Warp::new(&mut dice, 0.0).apply((0.3, 0.9)), (0.3, 0.9));
        let pose = Pose::new(&mut dice);
        assert_eq!(pose.apply((0.5, 0.5)), pose.centre);
    }
}
