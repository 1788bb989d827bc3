//! Error against degree: one line a method, named where it ends.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use polyapprox::{Function, Method};

use super::chart_name;
use super::input::{ApproximationReport, ApproximationRow};
use super::methods;
use crate::axes::{Panel, Scale, spread};
use crate::canvas::{Canvas, DrawError, Type};
use crate::charts::{function_name, header};
use crate::format::csv;
use crate::render::Drawing;
use crate::style::{HEADER, PAD, SMALL, WIDTH, readable};

const HEIGHT: f64 = 330.0;
/// Room for the names at the end of the lines, px.
const NAMES: f64 = 134.0;
/// Errors below this are rounding.
const FLOOR: f64 = 1e-9;

pub(super) struct Degrees<'a> {
    report: &'a ApproximationReport,
    function: Function,
    panels: Vec<Errors>,
}

/// One panel: a kind of error.
struct Errors {
    name: &'static str,
    lines: Vec<(Method, Vec<(f64, f64)>)>,
}

impl<'a> Degrees<'a> {
    pub fn of(report: &'a ApproximationReport, function: Function) -> Option<Self> {
        let max: fn(&ApproximationRow) -> Option<f64> =
            |row| Some(row.found.as_ref().ok()?.errors.max);
        let uniform: fn(&ApproximationRow) -> Option<f64> =
            |row| Some(row.found.as_ref().ok()?.errors.l2_uniform);
        let inputs: fn(&ApproximationRow) -> Option<f64> = |row| row.inputs_inside;
        let second = if report.inputs.is_some() {
            ("RMS error on a network’s own inputs", inputs)
        } else {
            ("RMS error, all points alike", uniform)
        };
        let panels: Vec<Errors> = [("Largest error on the interval", max), second]
            .into_iter()
            .map(|(name, error)| Errors {
                name,
                lines: lines(report, function, error),
            })
            .collect();
        let drawable =
            report.degrees().len() > 1 && panels.iter().all(|panel| !panel.lines.is_empty());
        drawable.then_some(Self {
            report,
            function,
            panels,
        })
    }
}

fn lines(
    report: &ApproximationReport,
    function: Function,
    error: fn(&ApproximationRow) -> Option<f64>,
) -> Vec<(Method, Vec<(f64, f64)>)> {
    let line = |method| -> Vec<(f64, f64)> {
        report
            .degrees()
            .into_iter()
            .filter_map(|degree| {
                let value = error(report.row(function, method, degree)?)?;
                Some((degree as f64, value.max(FLOOR)))
            })
            .collect()
    };
    report
        .methods()
        .into_iter()
        .map(|method| (method, line(method)))
        .filter(|(_, line)| !line.is_empty())
        .collect()
}

impl Drawing for Degrees<'_> {
    fn name(&self) -> Cow<'static, str> {
        chart_name!("degrees", self.function).into()
    }
    fn title(&self) -> String {
        format!(
            "{}: error against degree on {}",
            methods::capital(function_name(self.function)),
            self.report.interval
        )
        .replace('-', "−")
    }
    fn size(&self) -> (f64, f64) {
        (WIDTH, HEADER + HEIGHT)
    }

    fn data(&self) -> Option<String> {
        let header = ["measure", "method", "degree", "error"];
        let rows = self.panels.iter().flat_map(|panel| {
            panel.lines.iter().flat_map(|(method, line)| {
                line.iter().map(|(degree, error)| {
                    vec![
                        panel.name.to_owned(),
                        method.as_str().to_owned(),
                        degree.to_string(),
                        error.to_string(),
                    ]
                })
            })
        });
        Some(csv(&header, rows))
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let subtitle = "Logarithmic; lower is better. Each line is one way to the polynomial.";
        header(canvas, &self.title(), subtitle, None)?;
        let degrees = self.report.degrees();
        let (Some(first), Some(last)) = (degrees.first(), degrees.last()) else {
            return Ok(());
        };
        let x = Scale::Linear(*first as f64, *last as f64);
        let ticks: Vec<(f64, String)> = degrees
            .iter()
            .map(|degree| (*degree as f64, degree.to_string()))
            .collect();
        let cell = (WIDTH - 2.0 * PAD) / self.panels.len() as f64;
        for (index, errors) in self.panels.iter().enumerate() {
            let values = || {
                errors
                    .lines
                    .iter()
                    .flat_map(|(_, line)| line)
                    .map(|(_, y)| *y)
            };
            let low = values().fold(f64::INFINITY, f64::min);
            let high = values().fold(FLOOR, f64::max);
            let panel = Panel {
                left: PAD + cell * index as f64 + 44.0,
                top: HEADER + 30.0,
                width: cell - 44.0 - NAMES,
                height: HEIGHT - 30.0 - 52.0,
                x,
                y: Scale::Log(
                    10_f64.powf(low.log10().floor()),
                    10_f64.powf(high.log10().ceil().max(low.log10().floor() + 1.0)),
                ),
            };
            panel.y_axis(canvas, errors.name)?;
            panel.x_axis(canvas, "Degree", &ticks)?;
            for (method, line) in &errors.lines {
                let color = methods::color(*method);
                panel.curve(canvas, line, &color, 2.0)?;
                for (x, y) in line {
                    canvas.dot(panel.px(*x), panel.py(*y), 2.6, &color)?;
                }
            }
            let mut places: Vec<f64> = errors
                .lines
                .iter()
                .map(|(_, line)| line.last().map_or(panel.top, |(_, y)| panel.py(*y)))
                .collect();
            spread(&mut places, 14.0, panel.top, panel.bottom());
            for ((method, line), y) in errors.lines.iter().zip(places) {
                let color = methods::color(*method);
                if let Some((x, value)) = line.last() {
                    // A line from where the curve ends to where its name had to go.
                    canvas.line(
                        &[
                            (panel.px(*x) + 4.0, panel.py(*value)),
                            (panel.right() + 14.0, y),
                        ],
                        &color,
                        0.8,
                    )?;
                }
                canvas.text(
                    panel.right() + 17.0,
                    y + 4.0,
                    methods::name(*method),
                    Type::new(SMALL, readable(color)).bold(),
                )?;
            }
        }
        Ok(())
    }
}
