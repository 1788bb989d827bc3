//! Named points on two axes; labels move until none covers another.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use crate::axes::{Panel, Scale};
use crate::canvas::{Canvas, DrawError, Type};
use crate::charts::header;
use crate::render::Drawing;
use crate::style::{GRID, HEADER, PAD, PAPER, SMALL, WIDTH, readable};

/// Height of a line of a label, px.
const LINE: f64 = 13.0;

/// A chart of points.
pub(in crate::site) struct Scatter {
    pub name: String,
    pub title: String,
    pub subtitle: String,
    pub height: f64,
    pub x_name: String,
    pub y_name: String,
    pub x: Scale,
    pub y: Scale,
    pub places: Vec<Place>,
    pub data: String,
}

/// One point; its values are in the units of the axes.
pub(in crate::site) struct Place {
    pub x: f64,
    pub y: f64,
    /// None for a point that is only there.
    pub label: Option<String>,
    /// Below the label.
    pub detail: String,
    pub color: RGBColor,
    pub bold: bool,
    /// Filled, or a ring.
    pub filled: bool,
    /// Ends of the interval of y.
    pub interval: Option<(f64, f64)>,
}

/// A rectangle, px.
#[derive(Clone, Copy, Debug)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    /// The area that two share.
    fn shared(&self, other: &Self) -> f64 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }
}

impl Drawing for Scatter {
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
        let panel = Panel {
            left: PAD + 46.0,
            top: HEADER + 30.0,
            width: WIDTH - 2.0 * PAD - 46.0 - 10.0,
            height: self.height - 30.0 - 52.0,
            x: self.x,
            y: self.y,
        };
        let ticks = self.x.ticks((panel.width / 60.0) as usize);
        for (value, _) in &ticks {
            let x = panel.px(*value);
            canvas.line(&[(x, panel.top), (x, panel.bottom())], &GRID, 1.0)?;
        }
        panel.y_axis(canvas, &self.y_name)?;
        panel.x_axis(canvas, &self.x_name, &ticks)?;
        for place in &self.places {
            let (x, y) = (panel.px(place.x), panel.py(place.y));
            if let Some((low, high)) = place.interval {
                let bar = [(x, panel.py(low)), (x, panel.py(high))];
                canvas.line(&bar, &place.color.mix(0.55), 1.4)?;
            }
            let radius = if place.label.is_some() { 5.0 } else { 3.2 };
            canvas.dot(x, y, radius, &place.color)?;
            if !place.filled {
                canvas.dot(x, y, radius - 1.8, &PAPER)?;
            }
        }
        self.labels(canvas, &panel)
    }
}

impl Scatter {
    fn labels<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        panel: &Panel,
    ) -> Result<(), DrawError> {
        let mut taken: Vec<Area> = self
            .places
            .iter()
            .map(|place| {
                let (x, y) = (panel.px(place.x), panel.py(place.y));
                Area {
                    left: x - 7.0,
                    top: y - 7.0,
                    right: x + 7.0,
                    bottom: y + 7.0,
                }
            })
            .collect();
        let frame = Area {
            left: panel.left,
            top: panel.top - 8.0,
            right: panel.right() + 8.0,
            bottom: panel.bottom(),
        };
        // What is highlighted chooses first.
        let mut order: Vec<&Place> = self.places.iter().collect();
        order.sort_by_key(|place| !place.bold);
        for place in order {
            let Some(label) = &place.label else { continue };
            let mut style = Type::new(SMALL, readable(place.color));
            style.bold = place.bold;
            let thin = Type::new(SMALL, readable(place.color));
            let width = style.width(label).max(thin.width(&place.detail));
            let lines = if place.detail.is_empty() { 1.0 } else { 2.0 };
            let (x, y) = (panel.px(place.x), panel.py(place.y));
            let area = candidates(x, y, width, LINE * lines)
                .into_iter()
                .map(|area| {
                    let covered: f64 = taken.iter().map(|other| area.shared(other)).sum();
                    let whole = (area.right - area.left) * (area.bottom - area.top);
                    (covered + 3.0 * (whole - area.shared(&frame)), area)
                })
                // The first of equals is the nearest.
                .reduce(|best, next| if next.0 + 0.5 < best.0 { next } else { best })
                .map(|(_, area)| area);
            let Some(area) = area else { continue };
            let nearest = (
                x.clamp(area.left, area.right),
                y.clamp(area.top, area.bottom),
            );
            if (nearest.0 - x).hypot(nearest.1 - y) > 14.0 {
                canvas.line(&[(x, y), nearest], &place.color.mix(0.6), 0.8)?;
            }
            canvas.text(area.left, area.top + 10.0, label, style)?;
            canvas.text(area.left, area.top + 10.0 + LINE, &place.detail, thin)?;
            taken.push(area);
        }
        Ok(())
    }
}

/// Where a label may stand, the best places first.
fn candidates(x: f64, y: f64, width: f64, height: f64) -> Vec<Area> {
    let area = |left: f64, top: f64| Area {
        left,
        top,
        right: left + width,
        bottom: top + height,
    };
    let mut found = Vec::new();
    for far in 0..7 {
        let gap = 9.0 + 16.0 * f64::from(far);
        found.extend([
            area(x + gap, y - height / 2.0),
            area(x - gap - width, y - height / 2.0),
            area(x - width / 2.0, y - gap - height),
            area(x - width / 2.0, y + gap),
            area(x + 9.0, y - gap - height / 2.0),
            area(x + 9.0, y + gap - height / 2.0),
            area(x - 9.0 - width, y - gap - height / 2.0),
            area(x - 9.0 - width, y + gap - height / 2.0),
        ]);
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shared_areas() {
        let area = |left, top| Area {
            left,
            top,
            right: left + 10.0,
            bottom: top + 10.0,
        };
        assert_eq!(area(0.0, 0.0).shared(&area(5.0, 5.0)), 25.0);
        assert_eq!(area(0.0, 0.0).shared(&area(20.0, 0.0)), 0.0);
        assert_eq!(candidates(0.0, 0.0, 10.0, 10.0).len(), 56);
    }
}
