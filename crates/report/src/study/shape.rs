//! The shape of the error: polynomial minus function over the interval, one panel a method.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::Color;
use polyapprox::{Approximation, Function, Method};

use super::chart_name;
use super::input::ApproximationReport;
use super::methods;
use crate::axes::{Panel, Scale};
use crate::canvas::{Canvas, DrawError, Type};
use crate::charts::{function_name, header};
use crate::format::significant;
use crate::render::Drawing;
use crate::style::{AXIS, MEASURED, SMALL, WIDTH, WRONG, readable};

/// Points of a curve.
const POINTS: usize = 96;
/// The frame shows errors up to so many times the smallest of the largest errors.
const FRAME: f64 = 3.0;

pub(super) struct Shape<'a> {
    report: &'a ApproximationReport,
    function: Function,
    degree: usize,
    found: Vec<(Method, &'a Approximation)>,
}

impl<'a> Shape<'a> {
    pub fn of(report: &'a ApproximationReport, function: Function) -> Option<Self> {
        // The middle one of the degrees that the other chart shows.
        let degrees = report.telling_degrees(function, 2);
        let degree = *degrees.last()?;
        let found: Vec<(Method, &Approximation)> = report
            .methods()
            .into_iter()
            .filter_map(|method| Some((method, report.found(function, method, degree)?)))
            .collect();
        (!found.is_empty()).then_some(Self {
            report,
            function,
            degree,
            found,
        })
    }
}

impl Drawing for Shape<'_> {
    fn name(&self) -> Cow<'static, str> {
        chart_name!("shape", self.function).into()
    }
    fn title(&self) -> String {
        format!(
            "Shape of the error: polynomial of degree {} minus {}",
            self.degree,
            function_name(self.function)
        )
    }
    fn size(&self) -> (f64, f64) {
        (WIDTH, methods::figure_height(self.found.len()))
    }

    fn data(&self) -> Option<String> {
        Some(methods::coefficients_csv(
            self.found.iter().map(|(_, found)| *found),
        ))
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let subtitle = if self.report.inputs.is_some() {
            "All panels have the same axes; what is larger is cut. Grey: how often a network’s activation meets an input."
        } else {
            "All panels have the same axes; what is larger is cut."
        };
        header(canvas, &self.title(), subtitle, None)?;
        let (low, high) = (self.report.interval.low(), self.report.interval.high());
        let least = self
            .found
            .iter()
            .map(|(_, found)| found.errors.max)
            .fold(f64::INFINITY, f64::min);
        let most = self
            .found
            .iter()
            .map(|(_, found)| found.errors.max)
            .fold(0.0, f64::max);
        let reach = 1.08 * most.min(FRAME * least).max(1e-12);
        for (index, (method, found)) in self.found.iter().enumerate() {
            let (left, top, width) = methods::cell(index);
            let panel = Panel {
                left: left + 38.0,
                top: top + 34.0,
                width: width - 38.0,
                height: methods::ROW - 34.0 - 42.0,
                x: Scale::Linear(low, high),
                y: Scale::Linear(-reach, reach),
            };
            self.histogram(canvas, &panel)?;
            let note = format!("at most {}", significant(found.errors.max));
            methods::frame(canvas, &panel, *method, &note, (low, high))?;
            canvas.line(
                &[(panel.left, panel.py(0.0)), (panel.right(), panel.py(0.0))],
                &AXIS,
                1.0,
            )?;
            let curve: Vec<(f64, f64)> = (0..=POINTS)
                .map(|step| low + (high - low) * step as f64 / POINTS as f64)
                .map(|x| (x, found.polynomial.value(x) - self.function.value(x)))
                .collect();
            if curve.iter().all(|(_, error)| error.abs() > reach) {
                let (x, y) = (panel.left + panel.width / 2.0, panel.py(0.5 * reach));
                let style = Type::new(SMALL, readable(WRONG)).centre();
                canvas.text(x, y, "larger everywhere", style)?;
            }
            panel.curve(canvas, &curve, &WRONG, 2.0)?;
        }
        Ok(())
    }
}

impl Shape<'_> {
    /// The histogram from the bottom, at most a third of the panel high.
    fn histogram<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        panel: &Panel,
    ) -> Result<(), DrawError> {
        let Some(inputs) = &self.report.inputs else {
            return Ok(());
        };
        let highest = inputs.counts.iter().copied().max().unwrap_or(0);
        if highest == 0 {
            return Ok(());
        }
        let bins = inputs.counts.len() as f64;
        let edge = |bin: usize| {
            let value = inputs.low + (inputs.high - inputs.low) * bin as f64 / bins;
            panel.px(value).clamp(panel.left, panel.right())
        };
        // One outline: a rectangle a bin would be half of the file.
        let mut outline = vec![(edge(0), panel.bottom())];
        for (bin, count) in inputs.counts.iter().enumerate() {
            let y = panel.bottom() - panel.height / 3.0 * *count as f64 / highest as f64;
            outline.extend([(edge(bin), y), (edge(bin + 1), y)]);
        }
        outline.push((panel.right().min(edge(inputs.counts.len())), panel.bottom()));
        canvas.polygon(&outline, &MEASURED.mix(0.75))?;
        Ok(())
    }
}
