//! From the pen's lines to grey pixels.

use super::random::Dice;
use super::shape::Dot;
use super::{PIXELS, SIDE};

/// An image of ink, `[row][column]`, 0 (none) to 1.
pub(super) struct Canvas {
    ink: [[f32; SIDE]; SIDE],
}

impl Canvas {
    pub fn new() -> Self {
        Self {
            ink: [[0.0; SIDE]; SIDE],
        }
    }

    /// Draws a polyline with a round pen, the edge smoothed over one pixel. Where lines cross the ink is no darker.
    pub fn draw(&mut self, line: &[Dot], strength: f32) {
        for pair in line.windows(2) {
            self.segment(pair[0], pair[1], strength);
        }
    }

    fn segment(&mut self, a: Dot, b: Dot, strength: f32) {
        let reach = a.radius.max(b.radius) + 0.5;
        let (left, right) = span(a.x, b.x, reach);
        let (top, bottom) = span(a.y, b.y, reach);
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let length2 = dx * dx + dy * dy;
        for (row, line) in self.ink.iter_mut().enumerate().take(bottom).skip(top) {
            let py = row as f32 - a.y;
            for (column, ink) in line.iter_mut().enumerate().take(right).skip(left) {
                let px = column as f32 - a.x;
                // The nearest point of the segment, as a fraction of it.
                let t = if length2 > 0.0 {
                    ((px * dx + py * dy) / length2).clamp(0.0, 1.0)
                } else {
                    0.0
                };
                let (ex, ey) = (px - t * dx, py - t * dy);
                let radius = a.radius + t * (b.radius - a.radius);
                let cover = (radius + 0.5 - (ex * ex + ey * ey).sqrt()).clamp(0.0, 1.0);
                *ink = ink.max(strength * cover);
            }
        }
    }

    /// Blurs rows and columns with the kernel `amount, 1 - 2 amount, amount`.
    pub fn blur(&mut self, amount: f32) {
        let mut rows = [[0.0; SIDE]; SIDE];
        for (blurred, row) in rows.iter_mut().zip(&self.ink) {
            blur_line(row, blurred, amount);
        }
        for column in 0..SIDE {
            let line: [f32; SIDE] = std::array::from_fn(|row| rows[row][column]);
            let mut blurred = [0.0; SIDE];
            blur_line(&line, &mut blurred, amount);
            for (row, value) in self.ink.iter_mut().zip(blurred) {
                row[column] = value;
            }
        }
    }

    /// Bytes, `[row][column]`, with the ink's strength and noise of standard deviation `noise`.
    pub fn develop(&self, ink: f32, noise: f32, dice: &mut Dice) -> [u8; PIXELS] {
        let mut bytes = [0; PIXELS];
        for (byte, value) in bytes.iter_mut().zip(self.ink.iter().flatten()) {
            let value = ink * value + noise * dice.bell();
            *byte = (255.0 * value.clamp(0.0, 1.0) + 0.5) as u8;
        }
        bytes
    }
}

/// Pixels that a segment from `a` to `b` may touch, cut off at the border.
fn span(a: f32, b: f32, reach: f32) -> (usize, usize) {
    let first = (a.min(b) - reach).ceil().clamp(0.0, SIDE as f32);
    let last = (a.max(b) + reach).floor().clamp(-1.0, SIDE as f32 - 1.0);
    (first as usize, (last + 1.0) as usize)
}

fn blur_line(line: &[f32; SIDE], blurred: &mut [f32; SIDE], amount: f32) {
    for (i, value) in blurred.iter_mut().enumerate() {
        let left = if i > 0 { line[i - 1] } else { 0.0 };
        let right = line.get(i + 1).copied().unwrap_or(0.0);
        *value = (1.0 - 2.0 * amount) * line[i] + amount * (left + right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(x: f32, y: f32) -> Dot {
        Dot { x, y, radius: 1.0 }
    }

    #[test]
    fn a_line_has_its_width_and_a_smooth_edge() {
        let mut canvas = Canvas::new();
        canvas.draw(&[dot(5.0, 10.25), dot(20.0, 10.25)], 1.0);
        let column: Vec<f32> = (8..13).map(|row| canvas.ink[row][12]).collect();
        assert_eq!(column, [0.0, 0.25, 1.0, 0.75, 0.0]);
    }

    #[test]
    fn lines_beyond_the_border_are_cut_off() {
        let mut canvas = Canvas::new();
        canvas.draw(
            &[dot(-50.0, -50.0), dot(100.0, 100.0), dot(100.0, -1000.0)],
            1.0,
        );
        assert_eq!(canvas.ink[14][14], 1.0);
        canvas.draw(&[dot(3.0, 3.0), dot(3.0, 3.0)], 1.0);
        assert_eq!(canvas.ink[3][3], 1.0);
    }

    #[test]
    fn blur_keeps_the_ink_of_a_dot_and_spreads_it() {
        let mut canvas = Canvas::new();
        canvas.ink[10][10] = 1.0;
        canvas.blur(0.2);
        let total: f32 = canvas.ink.iter().flatten().sum();
        assert!((total - 1.0).abs() < 1e-6);
        assert!(
            (canvas.ink[10][10] - 0.36).abs() < 1e-6 && (canvas.ink[11][9] - 0.04).abs() < 1e-6
        );
    }
}
