//! A grid of images with captions.

use plotters::backend::DrawingBackend;

use super::canvas::{Canvas, DrawError, Picture, Type};
use super::style::{GRID, HEADER, INK, LABEL, MUTED, PAD, SMALL, WIDTH, WRONG, readable};

/// Images in one row.
const COLUMNS: usize = 8;
/// Side of an image, px.
const SIDE: f64 = 84.0;

/// Images, or a sentence where there is none.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    pub tiles: Vec<Tile>,
    pub none: String,
}

/// An image with its caption.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub columns: usize,
    pub rows: usize,
    /// `[rows, columns, 3]`; empty where there is no such image.
    pub rgb: Vec<u8>,
    /// In ink, in the colour of errors, small and grey.
    pub caption: [String; 3],
}

const STYLES: [Type; 3] = [
    Type::new(LABEL, INK),
    Type::new(LABEL, readable(WRONG)).bold(),
    Type::new(SMALL, MUTED),
];

impl Images {
    /// Whether every caption fits on one line.
    fn one_line(&self) -> bool {
        let width = |tile: &Tile| {
            tile.caption
                .iter()
                .zip(STYLES)
                .map(|(text, style)| style.width(text))
                .sum::<f64>()
        };
        self.tiles.iter().all(|tile| width(tile) + 13.0 <= SIDE)
    }

    fn row(&self) -> f64 {
        if self.one_line() { 116.0 } else { 146.0 }
    }

    pub(super) fn height(&self) -> f64 {
        match self.tiles.len().div_ceil(COLUMNS) {
            0 => 48.0,
            rows => 8.0 + self.row() * rows as f64,
        }
    }

    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
    ) -> Result<(), DrawError> {
        if self.tiles.is_empty() {
            return canvas.text(PAD, HEADER + 14.0, &self.none, Type::new(LABEL, INK));
        }
        let cell = (WIDTH - 2.0 * PAD) / COLUMNS as f64;
        for (index, tile) in self.tiles.iter().enumerate() {
            let left = PAD + cell * (index % COLUMNS) as f64;
            let top = HEADER + 8.0 + self.row() * (index / COLUMNS) as f64;
            canvas.outline(left - 0.5, top - 0.5, SIDE + 1.0, SIDE + 1.0, &GRID, 1.0)?;
            if !tile.rgb.is_empty() && tile.rgb.len() == tile.columns * tile.rows * 3 {
                let (side, rgb) = squared(&tile.rgb, tile.rows, tile.columns);
                canvas.picture(Picture {
                    left,
                    top,
                    side: SIDE,
                    columns: side,
                    rows: side,
                    rgb,
                });
            }
            let [first, second, third] = &tile.caption;
            let base = top + SIDE + 16.0;
            if self.one_line() {
                canvas.text(left, base, first, STYLES[0])?;
                canvas.text(left + STYLES[0].width(first) + 5.0, base, second, STYLES[1])?;
                canvas.text(left + SIDE, base, third, STYLES[2].right())?;
                continue;
            }
            for (line, (text, style)) in tile.caption.iter().zip(STYLES).enumerate() {
                canvas.text(
                    left,
                    base + 14.5 * line as f64,
                    &style.fit(text, cell - 8.0),
                    style,
                )?;
            }
        }
        Ok(())
    }
}

/// An image `[rows, columns, 3]` in the middle of a white square, and the side of that.
fn squared(rgb: &[u8], rows: usize, columns: usize) -> (usize, Vec<u8>) {
    let side = rows.max(columns);
    let (above, before) = ((side - rows) / 2, (side - columns) / 2);
    let mut square = vec![u8::MAX; 3 * side * side];
    for (row, values) in rgb.chunks_exact(3 * columns.max(1)).enumerate() {
        let start = 3 * ((above + row) * side + before);
        square[start..start + values.len()].copy_from_slice(values);
    }
    (side, square)
}
