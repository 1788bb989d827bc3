//! Drawing in px with any plotters backend.
//!
//! plotters rounds coordinates to whole units, which makes curves ragged, and draws without smoothing in bitmaps. Both go away with
//! units finer than a px: everything is drawn [`UNIT`] times larger; [`super::render`] shrinks the bitmap, and gives the SVG a view box.

use std::cell::RefCell;
use std::fmt;
use std::sync::OnceLock;

use plotters::backend::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, TextStyle, register_font,
};

use crate::ReportError;

/// Units of a backend per px.
pub(crate) const UNIT: f64 = 4.0;

/// The font stack; the embedded font is registered under the whole of it, so that SVG and bitmap name the same family.
pub(crate) const FAMILY: &str = "Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif";

/// plotters takes a font's size to be this many em (its SVG backend divides by it); the embedded fonts are made to agree.
const SIZE_PER_EM: f64 = 1.24;

/// Distance from the anchor of a text to its base line, em: that of plotters' bitmaps. [`super::render`] gives the SVG the same.
pub(crate) const BASELINE: f64 = 0.62;

/// Regular weight.
pub(crate) const REGULAR: &[u8] = include_bytes!("fonts/Inter-Regular.subset.otf");
/// Semi-bold weight, which stands for bold.
pub(crate) const SEMIBOLD: &[u8] = include_bytes!("fonts/Inter-SemiBold.subset.otf");

/// In the words of the backend.
#[derive(Debug)]
pub(crate) struct DrawError(pub String);

impl<E: fmt::Display> From<E> for DrawError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Makes the embedded fonts known to plotters; once per process.
pub(crate) fn fonts() -> Result<(), ReportError> {
    static READY: OnceLock<Result<(), &'static str>> = OnceLock::new();
    READY
        .get_or_init(|| {
            register_font(FAMILY, FontStyle::Normal, REGULAR)
                .map_err(|_| "Inter-Regular.subset.otf")?;
            register_font(FAMILY, FontStyle::Bold, SEMIBOLD)
                .map_err(|_| "Inter-SemiBold.subset.otf")
        })
        .map_err(ReportError::Font)
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

/// The style of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    pub size: f64,
    pub bold: bool,
    pub color: RGBColor,
    pub align: Align,
    pub upwards: bool,
}

impl Type {
    pub const fn new(size: f64, color: RGBColor) -> Self {
        Self {
            size,
            bold: false,
            color,
            align: Align::Left,
            upwards: false,
        }
    }
    pub const fn bold(mut self) -> Self {
        self.bold = true;
        self
    }
    pub const fn centre(mut self) -> Self {
        self.align = Align::Centre;
        self
    }
    pub const fn right(mut self) -> Self {
        self.align = Align::Right;
        self
    }
    /// Turned to read from bottom to top.
    pub const fn upwards(mut self) -> Self {
        self.upwards = true;
        self
    }

    fn font(&self) -> FontDesc<'static> {
        let weight = if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        FontDesc::new(
            FontFamily::Name(FAMILY),
            self.size * UNIT * SIZE_PER_EM,
            weight,
        )
    }

    fn style(&self) -> TextStyle<'static> {
        let turn = if self.upwards {
            FontTransform::Rotate270
        } else {
            FontTransform::None
        };
        let across = match self.align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let mut style =
            TextStyle::from(self.font().transform(turn)).pos(Pos::new(across, VPos::Top));
        style.color = self.color.to_backend_color();
        style
    }

    /// Width of a text, px.
    pub fn width(&self, text: &str) -> f64 {
        self.font()
            .layout_box(text)
            .map_or(0.0, |((left, _), (right, _))| {
                f64::from(right - left) / UNIT
            })
    }

    /// The text, cut and closed with an ellipsis where it is wider than `width` px.
    pub fn fit(&self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut kept: Vec<char> = text.chars().collect();
        while !kept.is_empty() {
            kept.pop();
            let cut = format!("{}…", kept.iter().collect::<String>().trim_end());
            if self.width(&cut) <= width {
                return cut;
            }
        }
        String::new()
    }
}

/// An image to be put on top of the drawing. plotters' SVG backend has none, so [`super::render`] does it for both.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub left: f64,
    pub top: f64,
    pub side: f64,
    pub columns: usize,
    pub rows: usize,
    /// `[rows, columns, 3]`.
    pub rgb: Vec<u8>,
}

/// A surface of `width` x `height` px; the origin is at its upper left corner.
pub(crate) struct Canvas<'a, DB: DrawingBackend> {
    backend: RefCell<&'a mut DB>,
    pictures: RefCell<Vec<Picture>>,
}

impl<'a, DB: DrawingBackend> Canvas<'a, DB> {
    pub fn new(backend: &'a mut DB) -> Self {
        Self {
            backend: RefCell::new(backend),
            pictures: RefCell::default(),
        }
    }

    /// Ends the drawing; the pictures are still to be put on it.
    pub fn finish(self) -> Result<Vec<Picture>, DrawError> {
        self.backend.into_inner().present()?;
        Ok(self.pictures.into_inner())
    }

    pub fn rectangle(
        &self,
        left: f64,
        top: f64,
        width: f64,
        height: f64,
        fill: &impl Color,
    ) -> Result<(), DrawError> {
        let style = fill.filled();
        self.backend.borrow_mut().draw_rect(
            units(left, top),
            units(left + width, top + height),
            &style,
            true,
        )?;
        Ok(())
    }

    pub fn outline(
        &self,
        left: f64,
        top: f64,
        width: f64,
        height: f64,
        color: &impl Color,
        stroke: f64,
    ) -> Result<(), DrawError> {
        let (right, bottom) = (left + width, top + height);
        self.line(&[(left, top), (right, top)], color, stroke)?;
        self.line(&[(right, top), (right, bottom)], color, stroke)?;
        self.line(&[(right, bottom), (left, bottom)], color, stroke)?;
        self.line(&[(left, bottom), (left, top)], color, stroke)
    }

    pub fn line(
        &self,
        points: &[(f64, f64)],
        color: &impl Color,
        stroke: f64,
    ) -> Result<(), DrawError> {
        let mut path: Vec<(i32, i32)> = points.iter().map(|&(x, y)| units(x, y)).collect();
        // The bitmap backend divides by the length of each piece.
        path.dedup();
        if path.len() < 2 {
            return Ok(());
        }
        let style = color.stroke_width((stroke * UNIT).round().max(1.0) as u32);
        self.backend.borrow_mut().draw_path(path, &style)?;
        Ok(())
    }

    /// A straight line of dashes.
    pub fn dashes(
        &self,
        from: (f64, f64),
        to: (f64, f64),
        color: &impl Color,
        stroke: f64,
    ) -> Result<(), DrawError> {
        const DASH: f64 = 4.0;
        let (x, y) = (to.0 - from.0, to.1 - from.1);
        let length = x.hypot(y);
        let mut start = 0.0;
        while start < length {
            let end = (start + DASH).min(length);
            let at = |d: f64| (from.0 + x * d / length, from.1 + y * d / length);
            self.line(&[at(start), at(end)], color, stroke)?;
            start += 2.0 * DASH;
        }
        Ok(())
    }

    pub fn polygon(&self, points: &[(f64, f64)], fill: &impl Color) -> Result<(), DrawError> {
        let path: Vec<(i32, i32)> = points.iter().map(|&(x, y)| units(x, y)).collect();
        self.backend
            .borrow_mut()
            .fill_polygon(path, &fill.filled())?;
        Ok(())
    }

    pub fn dot(&self, x: f64, y: f64, radius: f64, fill: &impl Color) -> Result<(), DrawError> {
        let radius = (radius * UNIT).round() as u32;
        self.backend
            .borrow_mut()
            .draw_circle(units(x, y), radius, &fill.filled(), true)?;
        Ok(())
    }

    /// Writes `text` with its base line at `y`.
    pub fn text(&self, x: f64, y: f64, text: &str, style: Type) -> Result<(), DrawError> {
        let shift = BASELINE * style.size;
        let at = if style.upwards {
            units(x - shift, y)
        } else {
            units(x, y - shift)
        };
        self.backend
            .borrow_mut()
            .draw_text(text, &style.style(), at)?;
        Ok(())
    }

    pub fn picture(&self, picture: Picture) {
        self.pictures.borrow_mut().push(picture);
    }
}

fn units(x: f64, y: f64) -> (i32, i32) {
    ((x * UNIT).round() as i32, (y * UNIT).round() as i32)
}
