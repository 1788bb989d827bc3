//! Lines with points and interval bars, each named where it ends; one panel or several beside each other.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use crate::axes::{Panel, Scale, spread};
use crate::canvas::{Canvas, DrawError, Type};
use crate::charts::header;
use crate::render::Drawing;
use crate::style::{HEADER, INK, PAD, SMALL, WIDTH, readable};

/// Room for the label of an axis at the left, px.
const LEFT: f64 = 46.0;
/// Distance of points that share an x, px.
const DODGE: f64 = 5.0;
/// The widest that names may be, px.
const MAX_NAMES: f64 = 190.0;

/// A chart of panels.
pub(in crate::site) struct Lines {
    pub name: String,
    pub title: String,
    pub subtitle: String,
    pub height: f64,
    pub panels: Vec<LinePanel>,
    pub data: String,
}

/// One pair of axes.
pub(in crate::site) struct LinePanel {
    /// Quantity and unit.
    pub y_name: String,
    /// Quantity and unit.
    pub x_name: String,
    pub x: Scale,
    pub ticks: Vec<(f64, String)>,
    pub y: Scale,
    pub lines: Vec<Line>,
}

/// One line; its values are in the units of the axes.
pub(in crate::site) struct Line {
    pub label: String,
    pub color: RGBColor,
    /// A thin line without points, to compare with.
    pub reference: bool,
    /// Writes each point's value above it.
    pub values: bool,
    pub marks: Vec<Mark>,
}

/// One point.
#[derive(Clone, Copy, Debug)]
pub(in crate::site) struct Mark {
    pub x: f64,
    pub y: f64,
    /// Ends of its interval.
    pub interval: Option<(f64, f64)>,
}

impl Drawing for Lines {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone().into()
    }
    fn title(&self) -> String {
        self.title.clone()
    }
    fn size(&self) -> (f64, f64) {
        (WIDTH, HEADER + self.height)
    }
    fn data(&self) -> Option<String> {
        Some(self.data.clone())
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        header(canvas, &self.title, &self.subtitle, None)?;
        let cell = (WIDTH - 2.0 * PAD) / self.panels.len().max(1) as f64;
        for (index, panel) in self.panels.iter().enumerate() {
            panel.draw(
                canvas,
                PAD + cell * index as f64,
                cell - if index + 1 < self.panels.len() {
                    18.0
                } else {
                    0.0
                },
                self.height,
            )?;
        }
        Ok(())
    }
}

impl LinePanel {
    fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        left: f64,
        width: f64,
        height: f64,
    ) -> Result<(), DrawError> {
        let style = Type::new(SMALL, INK).bold();
        let names = self
            .lines
            .iter()
            .map(|line| style.width(&line.label))
            .fold(0.0, f64::max)
            .min(MAX_NAMES);
        // Without names there is no room to leave for them.
        let names = if names > 0.0 { names + 24.0 } else { 10.0 };
        let panel = Panel {
            left: left + LEFT,
            top: HEADER + 30.0,
            width: width - LEFT - names,
            height: height - 30.0 - 52.0,
            x: self.x,
            y: self.y,
        };
        panel.y_axis(canvas, &self.y_name)?;
        panel.x_axis(canvas, &self.x_name, &self.ticks)?;
        let solid = self.lines.iter().filter(|line| !line.reference).count();
        let mut place = 0;
        for line in &self.lines {
            let shift = if line.reference || solid < 2 {
                0.0
            } else {
                place += 1;
                DODGE * ((place - 1) as f64 - (solid - 1) as f64 / 2.0)
            };
            self.line(canvas, &panel, line, shift)?;
        }
        let mut places: Vec<f64> = self
            .lines
            .iter()
            .map(|line| {
                line.marks.last().map_or(panel.top, |mark| {
                    panel.py(mark.y).clamp(panel.top, panel.bottom())
                })
            })
            .collect();
        spread(&mut places, 14.0, panel.top, panel.bottom());
        for (line, y) in self.lines.iter().zip(places) {
            let Some(end) = line.marks.last().filter(|_| !line.label.is_empty()) else {
                continue;
            };
            let from = (
                panel.px(end.x) + 6.0,
                panel.py(end.y).clamp(panel.top, panel.bottom()),
            );
            let to = (panel.right() + 16.0, y);
            canvas.line(&[from, to], &line.color.mix(0.6), 0.8)?;
            let mut style = Type::new(SMALL, readable(line.color));
            style.bold = !line.reference;
            let label = style.fit(&line.label, MAX_NAMES);
            canvas.text(panel.right() + 20.0, y + 4.0, &label, style)?;
        }
        Ok(())
    }

    fn line<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        panel: &Panel,
        line: &Line,
        shift: f64,
    ) -> Result<(), DrawError> {
        let moved = Panel {
            left: panel.left + shift,
            ..*panel
        };
        let points: Vec<(f64, f64)> = line.marks.iter().map(|mark| (mark.x, mark.y)).collect();
        if line.reference {
            return panel.curve(canvas, &points, &line.color, 1.0);
        }
        moved.curve(canvas, &points, &line.color, 2.0)?;
        let mut before: Option<f64> = None;
        for mark in &line.marks {
            let x = moved.px(mark.x);
            if let Some((low, high)) = mark.interval {
                let inside = |value: f64| moved.py(value).clamp(panel.top, panel.bottom());
                let bar = [(x, inside(low)), (x, inside(high))];
                canvas.line(&bar, &line.color.mix(0.55), 1.4)?;
            }
            let y = moved.py(mark.y);
            if (panel.top - 1.0..=panel.bottom() + 1.0).contains(&y) {
                canvas.dot(x, y, 3.4, &line.color)?;
                if line.values {
                    let style = Type::new(SMALL, readable(line.color)).bold().centre();
                    let value = crate::format::short(mark.y.round());
                    // Below a point that the line comes down to.
                    let falls = before.is_some_and(|before| before > mark.y);
                    canvas.text(x, if falls { y + 18.0 } else { y - 10.0 }, &value, style)?;
                }
            }
            before = Some(mark.y);
        }
        Ok(())
    }
}
