//! One drawing as SVG and as PNG.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};

use super::Figure;
use super::canvas::{BASELINE, Canvas, DrawError, Picture, UNIT, fonts};
use super::style::PAPER;
use crate::ReportError;

/// Units per pixel of a PNG: two pixels a px, for fine screens and slides.
const SHRINK: usize = 2;

/// A finished chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Name of the files, without extension.
    pub name: String,
    /// What it shows, in one line.
    pub title: String,
    /// The file `<name>.svg`; text is text.
    pub svg: String,
    /// The file `<name>.png`.
    pub png: Vec<u8>,
    /// What is drawn, as CSV.
    pub data: Option<String>,
}

/// Draws both files.
pub(crate) fn render(figure: Figure) -> Result<Chart, ReportError> {
    fonts()?;
    let failed = |error: DrawError| ReportError::Draw {
        chart: figure.name.clone(),
        message: error.0,
    };
    Ok(Chart {
        svg: svg(&figure).map_err(failed)?,
        png: png(&figure, failed)?,
        name: figure.name,
        title: figure.title,
        data: figure.data,
    })
}

/// Draws figures, one thread a processor: bitmaps take most of the time.
pub(crate) fn render_all(figures: Vec<Figure>) -> Result<Vec<Chart>, ReportError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let queue = std::sync::Mutex::new(figures.into_iter().enumerate());
    let next = || {
        let queue = queue.lock();
        queue
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .next()
    };
    let draw = || {
        let mut drawn = Vec::new();
        while let Some((place, figure)) = next() {
            drawn.push((place, render(figure)));
        }
        drawn
    };
    let mut drawn = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(draw)).collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(drawn) => drawn,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.flatten().collect::<Vec<_>>()
    });
    drawn.sort_by_key(|(place, _)| *place);
    drawn.into_iter().map(|(_, chart)| chart).collect()
}

fn draw_on<DB: DrawingBackend>(
    backend: &mut DB,
    drawing: &Figure,
) -> Result<Vec<Picture>, DrawError> {
    let (width, height) = drawing.size();
    let canvas = Canvas::new(backend);
    canvas.rectangle(0.0, 0.0, width, height, &PAPER)?;
    drawing.draw(&canvas)?;
    canvas.finish()
}

fn unit_size(drawing: &Figure) -> (u32, u32) {
    let (width, height) = drawing.size();
    ((width * UNIT) as u32, (height * UNIT) as u32)
}

fn svg(drawing: &Figure) -> Result<String, DrawError> {
    let (width, height) = unit_size(drawing);
    let mut text = String::new();
    let pictures = draw_on(
        &mut SVGBackend::with_string(&mut text, (width, height)),
        drawing,
    )?;
    let head = format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">"
    );
    let body = text
        .strip_prefix(&head)
        .and_then(|text| text.trim_end().strip_suffix("</svg>"));
    let Some(body) = body else {
        return Err(DrawError(
            "the SVG backend wrote something unknown".to_owned(),
        ));
    };
    let mut out = String::with_capacity(body.len() + 512);
    let (px_width, px_height) = drawing.size();
    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{px_width}\" height=\"{px_height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" stroke-linejoin=\"round\" stroke-linecap=\"butt\">\n<title>{}</title>",
        escape(&drawing.title)
    )?;
    // Quotes in text are escaped, so this pattern occurs in attributes alone.
    out.push_str(&body.replace("dy=\"0.76em\"", &format!("dy=\"{BASELINE}em\"")));
    for picture in &pictures {
        let Picture {
            left, top, side, ..
        } = picture;
        let file = encode(picture.columns, picture.rows, &picture.rgb)
            .map_err(|error| DrawError(error.to_string()))?;
        writeln!(
            out,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" style=\"image-rendering:pixelated\" preserveAspectRatio=\"none\" \
             href=\"data:image/png;base64,{}\"/>",
            left * UNIT,
            top * UNIT,
            side * UNIT,
            side * UNIT,
            in_address(&file)
        )?;
    }
    out.push_str("</svg>\n");
    Ok(out)
}

/// Base64 for a data address, with what could be read as more than letters escaped: no `//` of a link, no word between two slashes for
/// whoever searches the page.
pub(crate) fn in_address(bytes: &[u8]) -> String {
    STANDARD
        .encode(bytes)
        .replace('+', "%2B")
        .replace('/', "%2F")
}

fn png(
    drawing: &Figure,
    failed: impl Fn(DrawError) -> ReportError,
) -> Result<Vec<u8>, ReportError> {
    let (width, height) = unit_size(drawing);
    let mut pixels = vec![0; width as usize * height as usize * 3];
    let mut backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
    let pictures = draw_on(&mut backend, drawing).map_err(failed)?;
    drop(backend);
    let (width, height) = (width as usize, height as usize);
    for picture in &pictures {
        paste(&mut pixels, width, height, picture);
    }
    encode(
        width / SHRINK,
        height / SHRINK,
        &shrink(&pixels, width, height),
    )
    .map_err(|source| ReportError::Png {
        chart: drawing.name.clone(),
        source,
    })
}

/// Copies a picture into a bitmap, each of its pixels a sharp rectangle.
fn paste(pixels: &mut [u8], width: usize, height: usize, picture: &Picture) {
    let (left, top) = (
        (picture.left * UNIT) as usize,
        (picture.top * UNIT) as usize,
    );
    let side = (picture.side * UNIT) as usize;
    for y in 0..side.min(height.saturating_sub(top)) {
        for x in 0..side.min(width.saturating_sub(left)) {
            let from = (y * picture.rows / side * picture.columns + x * picture.columns / side) * 3;
            let to = ((top + y) * width + left + x) * 3;
            if let Some(rgb) = picture.rgb.get(from..from + 3) {
                pixels[to..to + 3].copy_from_slice(rgb);
            }
        }
    }
}

/// Averages squares of `SHRINK` x `SHRINK` pixels.
fn shrink(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / (SHRINK * SHRINK));
    for y in 0..height / SHRINK {
        for x in 0..width / SHRINK {
            for channel in 0..3 {
                let mut sum = 0;
                for inner in 0..SHRINK * SHRINK {
                    let (row, column) = (y * SHRINK + inner / SHRINK, x * SHRINK + inner % SHRINK);
                    sum += usize::from(pixels[(row * width + column) * 3 + channel]);
                }
                out.push((sum / (SHRINK * SHRINK)) as u8);
            }
        }
    }
    out
}

fn encode(width: usize, height: usize, rgb: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgb)?;
    writer.finish()?;
    Ok(file)
}

/// Text as the content, or an attribute, of XML and HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML knows no other control characters.
            '\n' | '\t' => out.push(character),
            control if control.is_control() => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
    out
}
