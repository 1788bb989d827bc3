//! A pair of axes with marks on them.

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use super::axes::{Area, Scale, spread};
use super::canvas::{Canvas, DrawError, Type};
use super::style::{GRID, INK, LABEL, MUTED, PAPER, SMALL, readable};

/// Height of a line of a label, px.
const LINE: f64 = 13.0;
/// The widest that labels at the right may be, px.
const MAX_LABEL: f64 = 200.0;

/// Two axes and what lies on them.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Above the panel at its left, in bold: quantity and unit of y, or what the panel is about.
    pub title: String,
    /// Above the panel at its right.
    pub note: String,
    pub x: Scale,
    /// Ticks of x; those of its scale where there are none.
    pub ticks: Vec<(f64, String)>,
    /// Quantity and unit of x.
    pub x_name: String,
    pub y: Scale,
    pub marks: Vec<Mark>,
    pub labels: Labels,
}

/// Where the labels of marks stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// Right of the panel, where their marks end.
    AtEnd,
    /// Beside their points, where none covers another.
    Near,
    /// Above the highest point of each.
    AtPeak,
    /// In the upper corner with less in it.
    Corner,
}

/// Something drawn, in the units of the axes.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub shape: Shape,
    pub color: RGBColor,
    pub opacity: f64,
    /// Empty where it needs no name.
    pub label: String,
    /// Below the label, small.
    pub detail: String,
    pub bold: bool,
}

/// Two corners and the opacity between them.
type Cell = ((f64, f64), (f64, f64), f64);

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A curve through points in ascending x, of that width in px.
    Line(Vec<(f64, f64)>, f64),
    /// Dots of that radius in px.
    Points(Vec<Point>, f64),
    /// The same as rings.
    Rings(Vec<Point>, f64),
    /// The area between points and the bottom.
    Area(Vec<(f64, f64)>),
    /// Rectangles from corner to corner, each with its opacity.
    Cells(Vec<Cell>),
    /// A straight dashed line.
    Dashes((f64, f64), (f64, f64)),
    /// A vertical line over the whole panel.
    Upright(f64),
}

/// A point with the ends of its interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub x: f64,
    pub y: f64,
    pub interval: Option<(f64, f64)>,
}

impl Mark {
    pub fn new(shape: Shape, color: RGBColor) -> Self {
        Self {
            shape,
            color,
            opacity: 1.0,
            label: String::new(),
            detail: String::new(),
            bold: true,
        }
    }
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
    pub fn faint(mut self, opacity: f64) -> Self {
        self.opacity = opacity;
        self.bold = false;
        self
    }

    /// Its points, in order.
    fn points(&self) -> Vec<(f64, f64)> {
        match &self.shape {
            Shape::Line(points, _) | Shape::Area(points) => points.clone(),
            Shape::Points(points, _) | Shape::Rings(points, _) => {
                points.iter().map(|point| (point.x, point.y)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn style(&self) -> Type {
        let mut style = Type::new(SMALL, readable(self.color));
        style.bold = self.bold;
        style
    }
}

impl Panel {
    /// Draws the panel with everything around it into a cell.
    pub(super) fn draw<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        corner: (f64, f64),
        cell: (f64, f64),
    ) -> Result<(), DrawError> {
        let (left, top) = corner;
        let labelled = || self.marks.iter().filter(|mark| !mark.label.is_empty());
        let room = match self.labels {
            Labels::AtEnd => {
                labelled()
                    .map(|mark| mark.style().width(&mark.label))
                    .fold(0.0, f64::max)
                    .min(MAX_LABEL)
                    + 24.0
            }
            _ => 10.0,
        };
        let foot = if self.x_name.is_empty() { 34.0 } else { 52.0 };
        let area = Area {
            left: left + 46.0,
            top: top + 30.0,
            width: cell.0 - 46.0 - room,
            height: cell.1 - 30.0 - foot,
            x: self.x,
            y: self.y,
        };
        area.y_axis(canvas, "")?;
        // A title as wide as the cell, the note where it leaves room.
        let title = Type::new(LABEL, INK).bold();
        let text = title.fit(&self.title, cell.0);
        canvas.text(left + 8.0, area.top - 14.0, &text, title)?;
        let note = Type::new(SMALL, MUTED);
        let left_over = cell.0 - room - title.width(&text) - 24.0;
        canvas.text(
            area.right(),
            area.top - 14.0,
            &note.fit(&self.note, left_over),
            note.right(),
        )?;
        let ticks = match self.ticks.is_empty() {
            true => self.x.ticks((area.width / 48.0) as usize),
            false => self.ticks.clone(),
        };
        if self.labels == Labels::Near {
            for (value, _) in &ticks {
                let x = area.px(*value);
                canvas.line(&[(x, area.top), (x, area.bottom())], &GRID, 1.0)?;
            }
        }
        for mark in &self.marks {
            draw_mark(canvas, &area, mark)?;
        }
        area.x_axis(canvas, &self.x_name, &ticks)?;
        match self.labels {
            Labels::AtEnd => self.labels_at_end(canvas, &area),
            Labels::Near => self.labels_near(canvas, &area),
            Labels::AtPeak => self.labels_at_peak(canvas, &area),
            Labels::Corner => self.labels_in_corner(canvas, &area),
        }
    }

    fn labelled(&self) -> impl Iterator<Item = (&Mark, Vec<(f64, f64)>)> {
        let marks = self.marks.iter().filter(|mark| !mark.label.is_empty());
        marks
            .map(|mark| (mark, mark.points()))
            .filter(|(_, points)| !points.is_empty())
    }

    fn labels_at_end<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        area: &Area,
    ) -> Result<(), DrawError> {
        let inside = |y: f64| area.py(y).clamp(area.top, area.bottom());
        let ends: Vec<(&Mark, (f64, f64))> = self
            .labelled()
            .filter_map(|(mark, points)| Some((mark, *points.last()?)))
            .collect();
        let mut places: Vec<f64> = ends.iter().map(|(_, (_, y))| inside(*y)).collect();
        spread(&mut places, 14.0, area.top, area.bottom());
        for ((mark, (x, y)), place) in ends.into_iter().zip(places) {
            // A thin line from where the mark ends to where its name had to go.
            let line = [(area.px(x) + 5.0, inside(y)), (area.right() + 14.0, place)];
            canvas.line(&line, &mark.color.mix(0.6), 0.8)?;
            let text = mark.style().fit(&mark.label, MAX_LABEL);
            canvas.text(area.right() + 18.0, place + 4.0, &text, mark.style())?;
        }
        Ok(())
    }

    fn labels_at_peak<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        area: &Area,
    ) -> Result<(), DrawError> {
        let mut placed: Vec<(f64, f64, f64)> = Vec::new();
        let mut labels: Vec<(&Mark, f64, f64)> = Vec::new();
        for (mark, points) in self.labelled() {
            let peak = points
                .into_iter()
                .reduce(|best, next| if next.1 > best.1 { next } else { best });
            labels.extend(peak.map(|(x, y)| (mark, area.px(x), area.py(y) - 8.0)));
        }
        // From the lowest up: one that would lie on another rises above it.
        labels.sort_by(|a, b| b.2.total_cmp(&a.2));
        for (mark, x, mut y) in labels {
            let half = mark.style().width(&mark.label) / 2.0;
            let x = x.clamp(
                area.left + half,
                (area.right() - half).max(area.left + half),
            );
            for (other, reach, height) in &placed {
                if (other - x).abs() < reach + half + 6.0 && (height - y).abs() < 16.0 {
                    y = height - 17.0;
                }
            }
            placed.push((x, half, y));
            canvas.text(x, y.max(area.top + 4.0), &mark.label, mark.style().centre())?;
        }
        Ok(())
    }

    fn labels_in_corner<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        area: &Area,
    ) -> Result<(), DrawError> {
        let room = self
            .labelled()
            .map(|(mark, _)| mark.style().width(&mark.label))
            .fold(0.0, f64::max)
            + 24.0;
        let crowded = |from: f64, to: f64| {
            let curves = self
                .marks
                .iter()
                .filter(|mark| matches!(mark.shape, Shape::Line(..)));
            let points = curves
                .flat_map(Mark::points)
                .map(|(x, y)| (area.px(x), area.py(y)));
            points
                .filter(|(x, y)| (from..to).contains(x) && (area.top..area.top + 44.0).contains(y))
                .count()
        };
        let at_left =
            crowded(area.left, area.left + room) <= crowded(area.right() - room, area.right());
        for (line, (mark, _)) in self.labelled().enumerate() {
            let y = area.top + 16.0 + 17.0 * line as f64;
            match at_left {
                true => canvas.text(area.left + 8.0, y, &mark.label, mark.style())?,
                false => canvas.text(area.right() - 8.0, y, &mark.label, mark.style().right())?,
            }
        }
        Ok(())
    }

    fn labels_near<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        area: &Area,
    ) -> Result<(), DrawError> {
        let at = |(x, y): (f64, f64)| (area.px(x), area.py(y));
        let all = self.marks.iter().flat_map(Mark::points).map(at);
        let mut taken: Vec<Frame> = all
            .map(|(x, y)| Frame::new(x - 7.0, y - 7.0, 14.0, 14.0))
            .collect();
        let whole = Frame::new(
            area.left,
            area.top - 8.0,
            area.width + 8.0,
            area.height + 8.0,
        );
        // What is bold chooses first.
        let mut order: Vec<(&Mark, Vec<(f64, f64)>)> = self.labelled().collect();
        order.sort_by_key(|(mark, _)| !mark.bold);
        for (mark, points) in order {
            let Some((x, y)) = points.first().copied().map(at) else {
                continue;
            };
            let (style, thin) = (mark.style(), Type::new(SMALL, readable(mark.color)));
            let width = style.width(&mark.label).max(thin.width(&mark.detail));
            let lines = if mark.detail.is_empty() { 1.0 } else { 2.0 };
            let cost = |frame: Frame| {
                let covered: f64 = taken.iter().map(|other| frame.shared(other)).sum();
                (covered + 3.0 * (frame.area() - frame.shared(&whole)), frame)
            };
            // The first of equals is the nearest.
            let best = candidates(x, y, width, LINE * lines).into_iter().map(cost);
            let best = best.reduce(|best, next| if next.0 + 0.5 < best.0 { next } else { best });
            let Some((_, frame)) = best else { continue };
            let nearest = (
                x.clamp(frame.left, frame.right),
                y.clamp(frame.top, frame.bottom),
            );
            if (nearest.0 - x).hypot(nearest.1 - y) > 14.0 {
                canvas.line(&[(x, y), nearest], &mark.color.mix(0.6), 0.8)?;
            }
            canvas.text(frame.left, frame.top + 10.0, &mark.label, style)?;
            canvas.text(frame.left, frame.top + 10.0 + LINE, &mark.detail, thin)?;
            taken.push(frame);
        }
        Ok(())
    }
}

fn draw_mark<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    area: &Area,
    mark: &Mark,
) -> Result<(), DrawError> {
    let color = mark.color.mix(mark.opacity);
    let (left, right) = (area.left, area.right());
    match &mark.shape {
        Shape::Line(points, width) => area.curve(canvas, points, &color, *width),
        Shape::Points(points, radius) => points
            .iter()
            .try_for_each(|point| draw_point(canvas, area, mark, *point, (*radius, false))),
        Shape::Rings(points, radius) => points
            .iter()
            .try_for_each(|point| draw_point(canvas, area, mark, *point, (*radius, true))),
        Shape::Area(points) => {
            let finite = points
                .iter()
                .filter(|(x, y)| x.is_finite() && y.is_finite());
            let path = finite.map(|(x, y)| {
                (
                    area.px(*x).clamp(left, right),
                    area.py(*y).clamp(area.top, area.bottom()),
                )
            });
            let mut path: Vec<(f64, f64)> = path.collect();
            if let (Some(first), Some(last)) = (path.first().copied(), path.last().copied()) {
                path.push((last.0, area.bottom()));
                path.push((first.0, area.bottom()));
                canvas.polygon(&path, &color)?;
            }
            Ok(())
        }
        Shape::Cells(cells) => cells.iter().try_for_each(|(from, to, opacity)| {
            let (x, y) = (area.px(from.0), area.py(to.1));
            canvas.rectangle(
                x,
                y,
                area.px(to.0) - x,
                area.py(from.1) - y,
                &mark.color.mix(*opacity),
            )
        }),
        Shape::Dashes(from, to) => {
            let end = |(x, y): (f64, f64)| (area.px(x), area.py(y));
            canvas.dashes(end(*from), end(*to), &color, 1.0)
        }
        Shape::Upright(x) => canvas.line(
            &[(area.px(*x), area.top), (area.px(*x), area.bottom())],
            &color,
            0.8,
        ),
    }
}

/// A dot or ring with its interval; one that lies outside the panel is an arrow at the edge.
fn draw_point<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    area: &Area,
    mark: &Mark,
    point: Point,
    (radius, ring): (f64, bool),
) -> Result<(), DrawError> {
    let (x, y) = (area.px(point.x), area.py(point.y));
    if !x.is_finite() || !y.is_finite() {
        return Ok(());
    }
    if !(area.top - 1.0..=area.bottom() + 1.0).contains(&y) {
        let edge = if y > area.bottom() {
            area.bottom()
        } else {
            area.top
        };
        let (tip, base) = if y > area.bottom() {
            (edge, edge - 8.0)
        } else {
            (edge, edge + 8.0)
        };
        return canvas.polygon(&[(x, tip), (x - 4.5, base), (x + 4.5, base)], &mark.color);
    }
    if let Some((low, high)) = point.interval {
        let end = |value: f64| area.py(value).clamp(area.top, area.bottom());
        canvas.line(&[(x, end(low)), (x, end(high))], &mark.color.mix(0.55), 1.4)?;
    }
    canvas.dot(x, y, radius, &mark.color.mix(mark.opacity))?;
    match ring {
        true => canvas.dot(x, y, (radius - 1.8).max(0.5), &PAPER),
        false => Ok(()),
    }
}

/// A rectangle, px.
#[derive(Clone, Copy, Debug)]
struct Frame {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Frame {
    fn new(left: f64, top: f64, width: f64, height: f64) -> Self {
        Self {
            left,
            top,
            right: left + width,
            bottom: top + height,
        }
    }
    fn area(&self) -> f64 {
        (self.right - self.left) * (self.bottom - self.top)
    }
    /// The area that two share.
    fn shared(&self, other: &Self) -> f64 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }
}

/// Where a label may stand, the best places first.
fn candidates(x: f64, y: f64, width: f64, height: f64) -> Vec<Frame> {
    let mut found = Vec::new();
    for far in 0..7 {
        let gap = 9.0 + 16.0 * f64::from(far);
        let places = [
            (x + gap, y - height / 2.0),
            (x - gap - width, y - height / 2.0),
            (x - width / 2.0, y - gap - height),
            (x - width / 2.0, y + gap),
            (x + 9.0, y - gap - height / 2.0),
            (x + 9.0, y + gap - height / 2.0),
            (x - 9.0 - width, y - gap - height / 2.0),
            (x - 9.0 - width, y + gap - height / 2.0),
        ];
        found.extend(places.map(|(left, top)| Frame::new(left, top, width, height)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_areas() {
        let frame = |left, top| Frame::new(left, top, 10.0, 10.0);
        assert_eq!(frame(0.0, 0.0).shared(&frame(5.0, 5.0)), 25.0);
        assert_eq!(frame(0.0, 0.0).shared(&frame(20.0, 0.0)), 0.0);
        assert_eq!(candidates(0.0, 0.0, 10.0, 10.0).len(), 56);
    }
}
