//! The look of all charts: colours, type sizes, margins.
//!
//! Series take the colours of Okabe and Ito ("Color Universal Design", 2008), which readers with any kind of colour vision can tell apart.
//! One thing has one colour in every chart. `page.css` maps the inks below to other values on dark pages, so no chart may use another one.

use plotters::style::RGBColor;

/// Text.
pub(crate) const INK: RGBColor = RGBColor(0x1F, 0x29, 0x33);
/// Secondary text.
pub(crate) const MUTED: RGBColor = RGBColor(0x5F, 0x6B, 0x7A);
/// Axes.
pub(crate) const AXIS: RGBColor = RGBColor(0x9A, 0xA5, 0xB1);
/// Grid lines and empty marks.
pub(crate) const GRID: RGBColor = RGBColor(0xE3, 0xE7, 0xEC);
/// The page.
pub(crate) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
/// Text on a dark mark.
pub(crate) const ON_DARK: RGBColor = RGBColor(0xFE, 0xFE, 0xFE);
/// Histograms of measured inputs.
pub(crate) const MEASURED: RGBColor = RGBColor(0xC3, 0xCC, 0xD6);

/// The original activation and its network.
pub(crate) const ORIGINAL: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
/// The polynomial and its network.
pub(crate) const POLYNOMIAL: RGBColor = RGBColor(0x00, 0x72, 0xB2);
/// Ciphertexts, and their error.
pub(crate) const ENCRYPTED: RGBColor = RGBColor(0x00, 0x9E, 0x73);
/// Errors and warnings.
pub(crate) const WRONG: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
/// Margins of decisions.
pub(crate) const MARGIN: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
/// Layers that are neither linear nor polynomial.
pub(crate) const OTHER: RGBColor = RGBColor(0x56, 0xB4, 0xE9);

/// The darker shade in which text of a colour is readable on paper (contrast of 4.5 and more, WCAG 2).
pub(crate) const fn readable(color: RGBColor) -> RGBColor {
    match (color.0, color.1, color.2) {
        (0xE6, 0x9F, 0x00) => RGBColor(0x96, 0x66, 0x00),
        (0x00, 0x9E, 0x73) => RGBColor(0x00, 0x7A, 0x59),
        (0xD5, 0x5E, 0x00) => RGBColor(0xB8, 0x4E, 0x00),
        (0xCC, 0x79, 0xA7) => RGBColor(0xA6, 0x4B, 0x7E),
        (0x56, 0xB4, 0xE9) => RGBColor(0x1F, 0x74, 0xA8),
        _ => color,
    }
}

/// The title of a figure, in px like all sizes here.
pub(crate) const TITLE: f64 = 17.0;
/// The line below it.
pub(crate) const SUBTITLE: f64 = 12.5;
/// Names of panels and axes, labels of series.
pub(crate) const LABEL: f64 = 12.5;
/// Tick labels and notes.
pub(crate) const SMALL: f64 = 11.0;

/// Width of a figure.
pub(crate) const WIDTH: f64 = 960.0;
/// Space around a figure.
pub(crate) const PAD: f64 = 20.0;
/// Space that title and subtitle take at the top.
pub(crate) const HEADER: f64 = 68.0;
