//! Each activation layer: the original function, the trained polynomials, and what the layer's inputs really were.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::Color;
use polyapprox::Function;

use super::header;
use crate::axes::{Panel, Scale};
use crate::canvas::{Canvas, DrawError, Type};
use crate::format;
use crate::render::Drawing;
use crate::style::{
    AXIS, HEADER, INK, LABEL, MEASURED, MUTED, ORIGINAL, PAD, POLYNOMIAL, SMALL, WIDTH, readable,
};
use crate::{ActivationPlot, RunReport};

/// Panels in one row, at most.
const COLUMNS: usize = 3;
/// Height of one row, px.
const ROW: f64 = 300.0;
/// Channels whose own polynomial is drawn, at most: more would be one grey area.
const FAN: usize = 48;
/// Points of a curve.
const POINTS: usize = 240;

pub(super) struct Activations<'a> {
    layers: &'a [ActivationPlot],
    watermark: Option<&'a str>,
}

impl<'a> Activations<'a> {
    pub fn of(report: &'a RunReport) -> Option<Self> {
        let layers = report.activations.as_slice();
        (!layers.is_empty()).then_some(Self {
            layers,
            watermark: report.watermark.as_deref(),
        })
    }

    fn columns(&self) -> usize {
        self.layers.len().min(COLUMNS)
    }
}

impl Drawing for Activations<'_> {
    fn name(&self) -> Cow<'static, str> {
        "activation".into()
    }
    fn title(&self) -> String {
        let function = function_name(self.layers[0].function);
        format!("Activations: {function}, the trained polynomials, and the inputs they meet")
    }
    fn size(&self) -> (f64, f64) {
        (
            WIDTH,
            HEADER + ROW * self.layers.len().div_ceil(self.columns()) as f64 + 8.0,
        )
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let channels = self.layers.iter().any(|layer| layer.polynomials.len() > 1);
        let subtitle = if channels {
            "Thick: mean of the channels’ polynomials; thin: each channel’s own. Grey: how often an input occurs on the test images. Dashed: the interval."
        } else {
            "Grey: how often an input occurs on the test images. Dashed: the interval in which the polynomial stands for the function."
        };
        header(canvas, &self.title(), subtitle, self.watermark)?;
        let columns = self.columns();
        let cell = (WIDTH - 2.0 * PAD) / columns as f64;
        for (index, layer) in self.layers.iter().enumerate() {
            let left = PAD + cell * (index % columns) as f64;
            let top = HEADER + ROW * (index / columns) as f64;
            draw_layer(canvas, layer, left, top, cell - 14.0)?;
        }
        Ok(())
    }
}

fn draw_layer<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    layer: &ActivationPlot,
    left: f64,
    top: f64,
    width: f64,
) -> Result<(), DrawError> {
    let (low, high) = (layer.interval.low(), layer.interval.high());
    let margin = 0.2 * (high - low);
    let ends = (low - margin, high + margin);
    let mean = layer.mean_polynomial();
    let sample = |f: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        (0..=POINTS)
            .map(|step| ends.0 + (ends.1 - ends.0) * step as f64 / POINTS as f64)
            .map(|x| (x, f(x)))
            .collect()
    };
    let function = sample(&|x| layer.function.value(x));
    let polynomial = sample(&|x| evaluate(&mean, x));
    // The frame is made for what happens inside the interval; outside a polynomial may go anywhere.
    let inside = function
        .iter()
        .chain(&polynomial)
        .filter(|(x, y)| *x >= low && *x <= high && y.is_finite());
    let (bottom_value, top_value) = inside.fold((0.0_f64, 0.0_f64), |(low, high), (_, y)| {
        (low.min(*y), high.max(*y))
    });
    let space = 0.08 * (top_value - bottom_value).max(1e-6);
    let panel = Panel {
        left: left + 30.0,
        top: top + 44.0,
        width: width - 30.0,
        height: ROW - 44.0 - 56.0,
        x: Scale::Linear(ends.0, ends.1),
        y: Scale::Linear(bottom_value - space, top_value + space),
    };
    let name = Type::new(LABEL, INK).bold();
    canvas.text(left, top + 14.0, &layer.name, name)?;
    let channels = match layer.polynomials.len() {
        0 | 1 => String::new(),
        channels => format!("{} channels, ", format::count(channels as u64)),
    };
    let outside = format!(
        "{channels}{} of inputs outside",
        format::percent(layer.measured.outside)
    );
    canvas.text(
        left + width,
        top + 14.0,
        &outside,
        Type::new(SMALL, MUTED).right(),
    )?;

    histogram(canvas, &panel, layer)?;
    panel.y_axis(canvas, "")?;
    canvas.text(left, panel.top - 9.0, "Output", Type::new(SMALL, MUTED))?;
    for edge in [low, high] {
        canvas.dashes(
            (panel.px(edge), panel.top),
            (panel.px(edge), panel.bottom()),
            &AXIS,
            1.0,
        )?;
    }
    if layer.polynomials.len() > 1 {
        let every = layer.polynomials.len().div_ceil(FAN);
        for row in layer.polynomials.iter().step_by(every) {
            panel.curve(
                canvas,
                &sample(&|x| evaluate(row, x)),
                &POLYNOMIAL.mix(0.18),
                1.0,
            )?;
        }
    }
    panel.curve(canvas, &function, &ORIGINAL, 2.5)?;
    panel.curve(canvas, &polynomial, &POLYNOMIAL, 2.5)?;
    panel.x_axis(
        canvas,
        "Input (pre-activation)",
        &panel.x.ticks((panel.width / 48.0) as usize),
    )?;
    name_curves(canvas, &panel, layer, &[&function, &polynomial])
}

/// Bars of the measured inputs: at most half the panel high, the area outside the frame left out.
fn histogram<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    panel: &Panel,
    layer: &ActivationPlot,
) -> Result<(), DrawError> {
    let measured = &layer.measured;
    let bins = measured.histogram.len();
    let highest = measured.histogram.iter().copied().max().unwrap_or(0);
    let span = measured.histogram_high - measured.histogram_low;
    if bins == 0 || highest == 0 || !span.is_finite() || span <= 0.0 {
        return Ok(());
    }
    let (first, last) = (panel.left, panel.right());
    for (bin, count) in measured.histogram.iter().enumerate() {
        let edge = |bin: usize| {
            panel
                .px(measured.histogram_low + span * bin as f64 / bins as f64)
                .clamp(first, last)
        };
        let height = 0.5 * panel.height * *count as f64 / highest as f64;
        let (left, right) = (edge(bin), edge(bin + 1));
        if right > left && height > 0.0 {
            canvas.rectangle(
                left,
                panel.bottom() - height,
                right - left,
                height,
                &MEASURED.mix(0.75),
            )?;
        }
    }
    Ok(())
}

/// Writes the curves' names in the upper corner of the interval that has less of the curves.
fn name_curves<DB: DrawingBackend>(
    canvas: &Canvas<'_, DB>,
    panel: &Panel,
    layer: &ActivationPlot,
    curves: &[&[(f64, f64)]],
) -> Result<(), DrawError> {
    let style = Type::new(LABEL, readable(ORIGINAL)).bold();
    let names = [
        (function_name(layer.function), style),
        (
            "polynomial",
            Type {
                color: POLYNOMIAL,
                ..style
            },
        ),
    ];
    let room = names
        .iter()
        .map(|(name, style)| style.width(name))
        .fold(0.0, f64::max)
        + 20.0;
    let (low, high) = (
        panel.px(layer.interval.low()) + 8.0,
        panel.px(layer.interval.high()) - 8.0,
    );
    let points = curves
        .iter()
        .flat_map(|curve| curve.iter())
        .map(|(x, y)| (panel.px(*x), panel.py(*y)));
    let upper = points.filter(|(_, y)| (panel.top..panel.top + 44.0).contains(y));
    let (left, right) = upper.fold((0, 0), |(left, right), (x, _)| {
        (
            left + usize::from(x < low + room),
            right + usize::from(x > high - room),
        )
    });
    for (line, (name, style)) in names.into_iter().enumerate() {
        let y = panel.top + 16.0 + 17.0 * line as f64;
        if left <= right {
            canvas.text(low, y, name, style)?;
        } else {
            canvas.text(high, y, name, style.right())?;
        }
    }
    Ok(())
}

fn evaluate(coefficients: &[f64], x: f64) -> f64 {
    coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// The name as papers write it.
pub(crate) fn function_name(function: Function) -> &'static str {
    match function {
        Function::Relu => "ReLU",
        Function::Sigmoid => "sigmoid",
        Function::Tanh => "tanh",
        Function::Softplus => "softplus",
        Function::Silu => "SiLU",
        Function::Gelu => "GELU",
        Function::Square => "square",
    }
}
