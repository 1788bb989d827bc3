//! The one grammar of charts: a [`Figure`] is plain data, and the same description becomes SVG and PNG. Its body is panels of marks (lines,
//! points with intervals, areas, cells), rows (points with intervals, bars), a heat map, or a grid of images.

pub(crate) mod axes;
mod canvas;
mod heat;
mod images;
mod panel;
mod render;
mod rows;
pub(crate) mod style;

use plotters::backend::DrawingBackend;

pub(crate) use canvas::{FAMILY, REGULAR, SEMIBOLD};
pub(crate) use heat::{Heat, HeatRow};
pub(crate) use images::{Images, Tile};
pub(crate) use panel::{Labels, Mark, Panel, Point, Shape};
pub use render::Chart;
pub(crate) use render::{in_address, render_all};
pub(crate) use rows::{Dot, Rows, RowsRow, Segment};

use canvas::{Canvas, DrawError, Type};
use style::{HEADER, INK, MUTED, ON_DARK, PAD, SUBTITLE, TITLE, WIDTH, WRONG, readable};

/// A chart before it is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Name of its files, without extension.
    pub name: String,
    pub title: String,
    pub subtitle: String,
    /// A warning at the upper right.
    pub watermark: Option<String>,
    pub body: Body,
    /// What it shows, as CSV.
    pub data: Option<String>,
}

/// What a figure shows below its title.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Panels of equal size, so many in a row, each row so many px high.
    Panels(Vec<Panel>, usize, f64),
    Rows(Rows),
    Heat(Heat),
    Images(Images),
}

impl Figure {
    /// Width and height, px.
    fn size(&self) -> (f64, f64) {
        let body = match &self.body {
            Body::Panels(panels, columns, height) => {
                height * panels.len().div_ceil((*columns).max(1)) as f64
            }
            Body::Rows(rows) => rows.height(),
            Body::Heat(heat) => heat.height(),
            Body::Images(images) => images.height(),
        };
        (WIDTH, HEADER + body)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        self.header(canvas)?;
        match &self.body {
            Body::Panels(panels, columns, height) => {
                let columns = (*columns).max(1);
                let cell = (WIDTH - 2.0 * PAD) / columns as f64;
                for (index, panel) in panels.iter().enumerate() {
                    let left = PAD + cell * (index % columns) as f64;
                    let top = HEADER + height * (index / columns) as f64;
                    let gap = if index % columns + 1 < columns {
                        16.0
                    } else {
                        0.0
                    };
                    panel.draw(canvas, (left, top), (cell - gap, *height))?;
                }
                Ok(())
            }
            Body::Rows(rows) => rows.draw(canvas),
            Body::Heat(heat) => heat.draw(canvas),
            Body::Images(images) => images.draw(canvas),
        }
    }

    /// Title and subtitle at the top left, the watermark in a box at the top right.
    fn header<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let mut room = WIDTH - 2.0 * PAD;
        let subtitle = Type::new(SUBTITLE, MUTED);
        canvas.text(PAD, 50.0, &subtitle.fit(&self.subtitle, room), subtitle)?;
        if let Some(watermark) = &self.watermark {
            let style = Type::new(SUBTITLE, ON_DARK).bold();
            let text = style.fit(watermark, 0.42 * room);
            let width = style.width(&text) + 20.0;
            canvas.rectangle(WIDTH - PAD - width, 13.0, width, 24.0, &readable(WRONG))?;
            canvas.text(WIDTH - PAD - 10.0, 29.5, &text, style.right())?;
            room -= width + 16.0;
        }
        let title = Type::new(TITLE, INK).bold();
        canvas.text(PAD, 30.0, &title.fit(&self.title, room), title)
    }
}
