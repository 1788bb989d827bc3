//! Random changes of training images, so that a network sees each one differently in every epoch.
//!
//! Rotation, size, shift, shear and the elastic field are one map from the pixels of the result to places in the image, and the
//! image is sampled once (bilinear): nothing is blurred twice. What comes from outside the image is background.

#[cfg(test)]
mod tests;

use rand::{Rng, RngExt};

use cryptodl_spec::{AugmentSpec, Border, Flip, Shape};

/// Knots of the elastic field, per side.
const KNOTS: usize = 5;

/// Changes images of one shape at random.
#[derive(Clone, Debug)]
pub struct Augmenter {
    spec: AugmentSpec,
    shape: Shape,
    background: Vec<f32>,
}

impl Augmenter {
    /// An augmenter for images of `shape` on a background of zeros: black where pixels are `byte / 255`, and grey (the mean) where
    /// they are normalised.
    pub fn new(spec: AugmentSpec, shape: Shape) -> Self {
        Self {
            spec,
            shape,
            background: vec![0.0; shape.channels],
        }
    }

    /// Sets the value per channel that stands for "outside": `-mean / std` is black where pixels are normalised. Missing channels
    /// keep theirs, further values are ignored.
    pub fn with_background(mut self, background: &[f32]) -> Self {
        for (mine, &given) in self.background.iter_mut().zip(background) {
            *mine = given;
        }
        self
    }

    /// Whether images would stay as they are.
    pub fn is_identity(&self) -> bool {
        !self.warps() && self.spec.crop == 0 && self.spec.flip == Flip::Off && self.spec.cutout == 0
    }

    /// Whether the image is resampled, rather than only moved by whole pixels.
    fn warps(&self) -> bool {
        let s = &self.spec;
        [s.rotation, s.scale, s.shift, s.shear, s.elastic]
            .iter()
            .any(|&size| size > 0.0)
    }

    /// Writes a changed copy of `image` to `out`, both `[channels, height, width]`. The same `rng` gives the same copy. `turn` says
    /// whether it is the image's turn to be mirrored, where images take turns ([`Flip::Alternating`]).
    ///
    /// # Panics
    /// Where a slice does not have the length of the shape.
    pub fn apply(&self, image: &[f32], turn: bool, rng: &mut impl Rng, out: &mut [f32]) {
        assert_eq!(image.len(), self.shape.len(), "the image's length");
        assert_eq!(out.len(), self.shape.len(), "the output's length");
        let flip = match self.spec.flip {
            Flip::Off => false,
            Flip::Random => rng.random::<bool>(),
            Flip::Alternating => turn,
        };
        let crop = self.spec.crop as i64;
        let mut offset = || {
            if crop > 0 {
                rng.random_range(-crop..=crop)
            } else {
                0
            }
        };
        let moved = (offset(), offset());
        if self.warps() {
            let map = self.random_map(rng, flip, moved);
            self.resample(image, &map, out);
        } else {
            self.shift(image, flip, moved, out);
        }
        if self.spec.cutout > 0 {
            self.cut_out(rng, out);
        }
    }

    /// Moves by whole pixels: pixel `x` of the result is pixel `x + moved.0` of the (mirrored) image, which goes on beyond its border as
    /// the spec says.
    fn shift(&self, image: &[f32], flip: bool, moved: (i64, i64), out: &mut [f32]) {
        let (height, width) = (self.shape.height, self.shape.width);
        let inside = |i: usize, by: i64, size: usize| {
            let at = i as i64 + by;
            let at = match self.spec.border {
                Border::Black => at,
                Border::Reflect => reflected(at, size as i64),
            };
            usize::try_from(at).ok().filter(|&at| at < size)
        };
        let planes = image
            .chunks_exact(height * width)
            .zip(out.chunks_exact_mut(height * width));
        for ((from, to), &background) in planes.zip(&self.background) {
            for (y, row) in to.chunks_exact_mut(width).enumerate() {
                let Some(sy) = inside(y, moved.1, height) else {
                    row.fill(background);
                    continue;
                };
                let source = &from[sy * width..(sy + 1) * width];
                for (x, value) in row.iter_mut().enumerate() {
                    *value = match inside(x, moved.0, width) {
                        Some(sx) if flip => source[width - 1 - sx],
                        Some(sx) => source[sx],
                        None => background,
                    };
                }
            }
        }
    }

    fn random_map(&self, rng: &mut impl Rng, flip: bool, moved: (i64, i64)) -> Map {
        let s = &self.spec;
        let mut about = |size: f64| {
            if size > 0.0 {
                rng.random_range(-size..=size)
            } else {
                0.0
            }
        };
        let (sin, cos) = about(s.rotation).to_radians().sin_cos();
        // From the result back to the image: sizes are divided by. A size of zero or below would turn the image inside out.
        let (scale_x, scale_y) = (
            (1.0 + about(s.scale)).max(0.05),
            (1.0 + about(s.scale)).max(0.05),
        );
        let shear = about(s.shear).tan();
        let (width, height) = (self.shape.width as f64, self.shape.height as f64);
        let shift = (
            about(s.shift) * width + moved.0 as f64,
            about(s.shift) * height + moved.1 as f64,
        );
        let mirror = if flip { -1.0 } else { 1.0 };
        // Rotation after shear after size, then the mirror.
        let matrix = [
            mirror * cos / scale_x,
            mirror * (cos * shear - sin) / scale_y,
            sin / scale_x,
            (sin * shear + cos) / scale_y,
        ];
        let mut field = [[(0.0, 0.0); KNOTS]; KNOTS];
        if s.elastic > 0.0 {
            for knot in field.iter_mut().flatten() {
                *knot = (about(s.elastic) as f32, about(s.elastic) as f32);
            }
        }
        Map {
            matrix: matrix.map(|v| v as f32),
            shift: (shift.0 as f32, shift.1 as f32),
            field,
        }
    }

    fn resample(&self, image: &[f32], map: &Map, out: &mut [f32]) {
        let Shape { height, width, .. } = self.shape;
        let framed = Framed::new(image, self.shape, &self.background);
        let (cx, cy) = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
        let columns: Vec<Cell> = (0..width).map(|x| Cell::of(x, width)).collect();
        for y in 0..height {
            let knots = map.knots_of_row(Cell::of(y, height));
            let v = y as f32 - cy + map.shift.1;
            for (x, cell) in columns.iter().enumerate() {
                let u = x as f32 - cx + map.shift.0;
                let (ex, ey) = mix(knots[cell.index], knots[cell.index + 1], cell.fraction);
                let [a, b, c, d] = map.matrix;
                let place = framed.place(cx + a * u + b * v + ex, cy + c * u + d * v + ey);
                for channel in 0..self.shape.channels {
                    out[(channel * height + y) * width + x] = framed.sample(channel, &place);
                }
            }
        }
    }

    /// Blanks a square whose middle is any pixel; at the border it is cut off.
    fn cut_out(&self, rng: &mut impl Rng, out: &mut [f32]) {
        let (height, width, side) = (self.shape.height, self.shape.width, self.spec.cutout);
        if height == 0 || width == 0 {
            return;
        }
        let mut span = |size: usize| {
            let middle = rng.random_range(0..size as u64) as usize;
            let end = (middle + side.div_ceil(2)).min(size);
            (middle.saturating_sub(side / 2), end)
        };
        let ((top, bottom), (left, right)) = (span(height), span(width));
        for (plane, &background) in out.chunks_exact_mut(height * width).zip(&self.background) {
            for row in plane.chunks_exact_mut(width).take(bottom).skip(top) {
                row[left..right].fill(background);
            }
        }
    }
}

/// The place that stands for `at` where a row of `size` is mirrored at its first and last pixel, which are not repeated.
fn reflected(at: i64, size: i64) -> i64 {
    let period = (2 * (size - 1)).max(1);
    let at = at.rem_euclid(period);
    at.min(period - at)
}

/// From pixels of the result to places in the image: `centre + matrix (pixel - centre + shift) + field(pixel)`.
struct Map {
    matrix: [f32; 4],
    shift: (f32, f32),
    field: [[(f32, f32); KNOTS]; KNOTS],
}

impl Map {
    /// The knots interpolated to one row.
    fn knots_of_row(&self, row: Cell) -> [(f32, f32); KNOTS] {
        std::array::from_fn(|i| {
            mix(
                self.field[row.index][i],
                self.field[row.index + 1][i],
                row.fraction,
            )
        })
    }
}

fn mix(a: (f32, f32), b: (f32, f32), t: f32) -> (f32, f32) {
    (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t)
}

/// Which knots a row or column lies between.
#[derive(Clone, Copy)]
struct Cell {
    index: usize,
    fraction: f32,
}

impl Cell {
    fn of(i: usize, size: usize) -> Self {
        let at = i as f32 * (KNOTS - 1) as f32 / size.saturating_sub(1).max(1) as f32;
        let index = (at as usize).min(KNOTS - 2);
        Self {
            index,
            fraction: at - index as f32,
        }
    }
}

/// The image in a frame of background, one pixel on the left and top and two on the right and bottom, so that sampling needs no
/// case for the border.
struct Framed {
    values: Vec<f32>,
    stride: usize,
    plane: usize,
    largest: (f32, f32),
}

/// Where to sample: the upper left of four neighbours, and how far from it.
struct Place {
    index: usize,
    u: f32,
    v: f32,
}

impl Framed {
    fn new(image: &[f32], shape: Shape, background: &[f32]) -> Self {
        let Shape { height, width, .. } = shape;
        let stride = width + 3;
        let plane = stride * (height + 3);
        let mut values = Vec::with_capacity(background.len() * plane);
        for (channel, &background) in background.iter().enumerate() {
            values.resize((channel + 1) * plane, background);
            for y in 0..height {
                let from = (channel * height + y) * width;
                let to = channel * plane + (y + 1) * stride + 1;
                values[to..to + width].copy_from_slice(&image[from..from + width]);
            }
        }
        Self {
            values,
            stride,
            plane,
            largest: (width as f32 + 1.0, height as f32 + 1.0),
        }
    }

    /// A place of the image; those outside go to the nearest place of the frame, which is all background.
    fn place(&self, x: f32, y: f32) -> Place {
        let (x, y) = (
            (x + 1.0).clamp(0.0, self.largest.0),
            (y + 1.0).clamp(0.0, self.largest.1),
        );
        let (i, j) = (x as usize, y as usize);
        Place {
            index: j * self.stride + i,
            u: x - i as f32,
            v: y - j as f32,
        }
    }

    fn sample(&self, channel: usize, place: &Place) -> f32 {
        let at = channel * self.plane + place.index;
        let (top, bottom) = (
            &self.values[at..at + 2],
            &self.values[at + self.stride..at + self.stride + 2],
        );
        let upper = top[0] + (top[1] - top[0]) * place.u;
        let lower = bottom[0] + (bottom[1] - bottom[0]) * place.u;
        upper + (lower - upper) * place.v
    }
}
