//! A function and its polynomials, one panel a method.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::Color;
use polyapprox::{Function, Method};

use super::chart_name;
use super::input::ApproximationReport;
use super::methods;
use crate::axes::{Panel, Scale, spread};
use crate::canvas::{Canvas, DrawError, Type};
use crate::charts::{function_name, header};
use crate::render::Drawing;
use crate::style::{ORIGINAL, POLYNOMIAL, SMALL, WIDTH};

/// Points of a curve.
const POINTS: usize = 80;
/// Opacity of the lowest, the middle and the highest degree.
const SHADES: [f64; 3] = [0.4, 0.68, 1.0];

pub(super) struct Polynomials<'a> {
    report: &'a ApproximationReport,
    function: Function,
    methods: Vec<Method>,
    degrees: Vec<usize>,
}

impl<'a> Polynomials<'a> {
    pub fn of(report: &'a ApproximationReport, function: Function) -> Option<Self> {
        let degrees = report.telling_degrees(function, SHADES.len());
        let methods: Vec<Method> = report
            .methods()
            .into_iter()
            .filter(|method| {
                degrees
                    .iter()
                    .any(|degree| report.found(function, *method, *degree).is_some())
            })
            .collect();
        (!methods.is_empty()).then_some(Self {
            report,
            function,
            methods,
            degrees,
        })
    }
}

impl Drawing for Polynomials<'_> {
    fn name(&self) -> Cow<'static, str> {
        chart_name!("polynomials", self.function).into()
    }
    fn title(&self) -> String {
        let degrees: Vec<String> = self.degrees.iter().map(usize::to_string).collect();
        format!(
            "{} and its polynomials of degree {}",
            methods::capital(function_name(self.function)),
            degrees.join(", ")
        )
    }
    fn size(&self) -> (f64, f64) {
        (WIDTH, methods::figure_height(self.methods.len()))
    }

    fn data(&self) -> Option<String> {
        Some(methods::coefficients_csv(self.methods.iter().flat_map(
            |method| {
                self.degrees
                    .iter()
                    .filter_map(|degree| self.report.found(self.function, *method, *degree))
            },
        )))
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let subtitle = "Orange: the function. Blue: the polynomials, each with its degree at the right. Upright lines: the interval they were made for.";
        header(canvas, &self.title(), subtitle, None)?;
        let (low, high) = (self.report.interval.low(), self.report.interval.high());
        let margin = 0.15 * (high - low);
        let x = Scale::Linear(low - margin, high + margin);
        let sample = |f: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
            (0..=POINTS)
                .map(|step| {
                    low - margin + (high - low + 2.0 * margin) * step as f64 / POINTS as f64
                })
                .map(|x| (x, f(x)))
                .collect()
        };
        let function = sample(&|x| self.function.value(x));
        let (bottom, top) = function
            .iter()
            .fold((0.0_f64, 0.0_f64), |(low, high), (_, y)| {
                (low.min(*y), high.max(*y))
            });
        let space = 0.12 * (top - bottom);
        for (index, method) in self.methods.iter().enumerate() {
            let (left, cell_top, width) = methods::cell(index);
            let panel = Panel {
                left: left + 30.0,
                top: cell_top + 34.0,
                width: width - 30.0 - 16.0,
                height: methods::ROW - 34.0 - 42.0,
                x,
                y: Scale::Linear(bottom - space, top + space),
            };
            methods::frame(canvas, &panel, *method, "", (low, high))?;
            panel.curve(canvas, &function, &ORIGINAL, 2.5)?;
            let mut labels: Vec<(usize, f64)> = Vec::new();
            for (degree, shade) in self.degrees.iter().zip(SHADES) {
                let Some(found) = self.report.found(self.function, *method, *degree) else {
                    continue;
                };
                let curve = sample(&|x| found.polynomial.value(x));
                panel.curve(canvas, &curve, &POLYNOMIAL.mix(shade), 1.8)?;
                if let Some((_, y)) = curve.last() {
                    labels.push((*degree, panel.py(*y).clamp(panel.top, panel.bottom())));
                }
            }
            let mut places: Vec<f64> = labels.iter().map(|(_, y)| *y).collect();
            spread(&mut places, 12.0, panel.top + 4.0, panel.bottom() - 2.0);
            for ((degree, _), y) in labels.iter().zip(places) {
                canvas.text(
                    panel.right() + 4.0,
                    y + 4.0,
                    &degree.to_string(),
                    Type::new(SMALL, POLYNOMIAL),
                )?;
            }
        }
        Ok(())
    }
}
