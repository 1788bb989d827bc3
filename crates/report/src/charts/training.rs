//! Loss and accuracy by epoch; the baseline beside the polynomial network.

use std::borrow::Cow;

use plotters::backend::DrawingBackend;
use plotters::style::{Color, RGBColor};

use super::header;
use crate::RunReport;
use crate::axes::{Panel, Scale, nines_around, spread};
use crate::canvas::{Canvas, DrawError, Type};
use crate::format;
use crate::render::Drawing;
use crate::style::{HEADER, LABEL, ORIGINAL, PAD, POLYNOMIAL, WIDTH, readable};
use cryptodl_results::EpochRow;

pub(super) struct Training<'a> {
    networks: Vec<Network<'a>>,
    watermark: Option<&'a str>,
}

struct Network<'a> {
    name: &'static str,
    color: RGBColor,
    epochs: Vec<&'a EpochRow>,
}

/// One curve with its label.
struct Line {
    label: String,
    color: RGBColor,
    faint: bool,
    points: Vec<(f64, f64)>,
}

impl<'a> Training<'a> {
    pub fn of(report: &'a RunReport) -> Option<Self> {
        let network = |key: &str, name, color| {
            let epochs: Vec<_> = report
                .epochs
                .iter()
                .filter(|row| row.network == key)
                .collect();
            (!epochs.is_empty()).then_some(Network {
                name,
                color,
                epochs,
            })
        };
        let networks: Vec<_> = [
            network("polynomial", "polynomial", POLYNOMIAL),
            network("original", "original", ORIGINAL),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!networks.is_empty()).then_some(Self {
            networks,
            watermark: report.watermark.as_deref(),
        })
    }

    fn lines(
        &self,
        value: impl Fn(&EpochRow) -> f64,
        faint: bool,
        label: impl Fn(&Network<'_>, &EpochRow) -> String,
    ) -> Vec<Line> {
        let line = |network: &Network<'_>| {
            let points: Vec<_> = network
                .epochs
                .iter()
                .map(|row| (row.epoch as f64, value(row)))
                .filter(|point| point.1.is_finite())
                .collect();
            let last = network
                .epochs
                .iter()
                .rev()
                .find(|row| value(row).is_finite())?;
            Some(Line {
                label: label(network, last),
                color: network.color,
                faint,
                points,
            })
        };
        self.networks.iter().filter_map(line).collect()
    }
}

impl Drawing for Training<'_> {
    fn name(&self) -> Cow<'static, str> {
        "training".into()
    }
    fn title(&self) -> String {
        "Training: loss and accuracy by epoch".to_owned()
    }
    fn size(&self) -> (f64, f64) {
        (WIDTH, 400.0)
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), DrawError> {
        let best = self.networks[0]
            .epochs
            .iter()
            .filter(|row| row.validation_accuracy.is_finite())
            .max_by(|a, b| {
                a.validation_accuracy
                    .total_cmp(&b.validation_accuracy)
                    .then(b.epoch.cmp(&a.epoch))
            });
        let outside = self.networks[0]
            .epochs
            .last()
            .map_or(0.0, |row| row.outside);
        let subtitle = best.map_or_else(String::new, |best| {
            format!(
                "The {} network’s best validation accuracy is {} in epoch {}; in the last epoch {} of its pre-activations lay outside the interval.",
                self.networks[0].name,
                format::percent(best.validation_accuracy),
                best.epoch,
                format::percent(outside),
            )
        });
        header(canvas, &self.title(), &subtitle, self.watermark)?;

        let loss = self.lines(
            |row| row.train_loss,
            false,
            |network, _| network.name.to_owned(),
        );
        self.panel(
            canvas,
            PAD + 36.0,
            270.0,
            110.0,
            "Training loss (mean cross-entropy, nats)",
            &loss,
            loss_scale(&loss),
        )?;

        let mut accuracy = self.lines(
            |row| row.validation_accuracy,
            false,
            |network, row| {
                format!(
                    "{}, validation {}",
                    network.name,
                    format::percent(row.validation_accuracy)
                )
            },
        );
        accuracy.extend(self.lines(
            |row| row.train_accuracy,
            true,
            |network, _| format!("{}, training", network.name),
        ));
        let (low, high) = range(&accuracy);
        let scale = nines_around(low.max(0.0), high.min(1.0));
        self.panel(
            canvas,
            488.0,
            250.0,
            200.0,
            "Accuracy (%, nines evenly spaced)",
            &accuracy,
            scale,
        )
    }
}

impl Training<'_> {
    /// One panel with its curves, each labelled at its end.
    #[expect(
        clippy::too_many_arguments,
        reason = "a place, a name and the data: a struct would only rename them"
    )]
    fn panel<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<'_, DB>,
        left: f64,
        width: f64,
        label_room: f64,
        name: &str,
        lines: &[Line],
        y: Scale,
    ) -> Result<(), DrawError> {
        let epochs = lines
            .iter()
            .flat_map(|line| &line.points)
            .fold((f64::INFINITY, 0.0_f64), |(low, high), point| {
                (low.min(point.0), high.max(point.0))
            });
        let x = if epochs.1 > epochs.0 {
            Scale::Linear(epochs.0, epochs.1)
        } else {
            Scale::Linear(epochs.1 - 1.0, epochs.1 + 1.0)
        };
        let panel = Panel {
            left,
            top: HEADER + 40.0,
            width,
            height: 230.0,
            x,
            y,
        };
        panel.y_axis(canvas, name)?;
        let mut ticks = x.ticks(6);
        ticks.retain(|(tick, _)| tick.fract() == 0.0 && *tick >= epochs.0 && *tick <= epochs.1);
        for tick in &mut ticks {
            tick.1 = format::decimals(tick.0, 0);
        }
        panel.x_axis(canvas, "Epoch", &ticks)?;

        let mut places = Vec::new();
        // Faint curves first: they lie below.
        for line in lines
            .iter()
            .filter(|line| line.faint)
            .chain(lines.iter().filter(|line| !line.faint))
        {
            let (color, stroke) = if line.faint {
                (line.color.mix(0.45), 1.5)
            } else {
                (line.color.mix(1.0), 2.25)
            };
            panel.curve(canvas, &line.points, &color, stroke)?;
            if let Some(&(x, y)) = line.points.last() {
                canvas.dot(
                    panel.px(x),
                    panel.py(y),
                    if line.faint { 2.5 } else { 3.5 },
                    &color,
                )?;
                places.push((line, panel.py(y)));
            }
        }
        let mut heights: Vec<f64> = places.iter().map(|place| place.1).collect();
        spread(&mut heights, 17.0, panel.top, panel.bottom());
        for ((line, _), y) in places.iter().zip(heights) {
            let style = if line.faint {
                Type::new(LABEL, readable(line.color))
            } else {
                Type::new(LABEL, readable(line.color)).bold()
            };
            canvas.text(
                panel.right() + 10.0,
                y + 4.5,
                &style.fit(&line.label, label_room),
                style,
            )?;
        }
        Ok(())
    }
}

fn range(lines: &[Line]) -> (f64, f64) {
    lines
        .iter()
        .flat_map(|line| &line.points)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
            (low.min(point.1), high.max(point.1))
        })
}

/// From 0 up, or by powers of ten where the losses span more than one and a half of them.
fn loss_scale(lines: &[Line]) -> Scale {
    let (low, high) = range(lines);
    if low > 0.0 && high / low > 30.0 {
        return Scale::Log(
            10_f64.powf(low.log10().floor()),
            10_f64.powf(high.log10().ceil()),
        );
    }
    match Scale::around(low.min(0.0), high) {
        Scale::Linear(_, top) if low >= 0.0 => Scale::Linear(0.0, top),
        scale => scale,
    }
}
