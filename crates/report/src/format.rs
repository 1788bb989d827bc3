//! Numbers as people read them.

use cryptodl_results::{Accuracy, Agreement};

/// With that many decimal places and a true minus sign; never `−0`. What is not a number is a dash, here and everywhere below.
pub(crate) fn decimals(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.places$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().all(|digit| matches!(digit, '0' | '.')) => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// At least three significant digits, no more than needed: `0.0123`, `1.23`, `123`, `12,345`.
pub(crate) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return decimals(value, 0);
    }
    let magnitude = value.abs().log10().floor();
    if magnitude < -4.0 {
        let power = magnitude as i32;
        return format!(
            "{} × 10{}",
            decimals(value / 10_f64.powi(power), 1),
            superscript(power)
        );
    }
    if magnitude >= 4.0 {
        let digits = count(value.abs().round() as u64);
        return if value < 0.0 {
            format!("−{digits}")
        } else {
            digits
        };
    }
    decimals(value, (2.0 - magnitude).max(0.0) as usize)
}

/// As few digits as name the value: `−4`, `0.25`.
pub(crate) fn plain(value: f64) -> String {
    if value.is_finite() {
        value.to_string().replace('-', "−")
    } else {
        decimals(value, 0)
    }
}

/// Whole numbers in groups of three: `10,000`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Large counts, short: `845`, `12.3 k`, `1.24 M`.
pub(crate) fn short(value: f64) -> String {
    let (factor, unit) = match value.abs() {
        size if size >= 999.5e6 => (1e9, " G"),
        size if size >= 999.5e3 => (1e6, " M"),
        size if size >= 9_999.5 => (1e3, " k"),
        _ => {
            return if value.fract() == 0.0 {
                count(value.abs() as u64)
            } else {
                significant(value)
            };
        }
    };
    format!("{}{unit}", significant(value / factor))
}

/// A share as a percentage with two places, more where the next nine begins there: `99.21 %`, `99.997 %`, `100 %`.
pub(crate) fn percent(share: f64) -> String {
    if share >= 1.0 {
        return "100 %".to_owned();
    }
    let mut places = 2;
    while places < 5 && decimals(share * 100.0, places).starts_with("100") {
        places += 1;
    }
    format!("{} %", decimals(share * 100.0, places))
}

/// `99.21 %`.
pub(crate) fn accuracy(accuracy: &Accuracy) -> String {
    percent(accuracy.value)
}

/// `[99.01, 99.37]`.
pub(crate) fn interval(accuracy: &Accuracy) -> String {
    format!(
        "[{}, {}]",
        decimals(accuracy.low * 100.0, 2),
        decimals(accuracy.high * 100.0, 2)
    )
}

/// `99.99 %`, and how many differ: `99.99 % (1 differs)`.
pub(crate) fn agreement(agreement: &Agreement) -> String {
    let differ = ((1.0 - agreement.value) * agreement.n as f64).round() as u64;
    match differ {
        0 => "100 %".to_owned(),
        1 => format!("{} (1 differs)", percent(agreement.value)),
        _ => format!("{} ({} differ)", percent(agreement.value), count(differ)),
    }
}

/// `850 µs`, `12 ms`, `3.4 s`, `2 min 5 s`, `1 h 12 min`.
pub(crate) fn seconds(value: f64) -> String {
    match value {
        value if !value.is_finite() => decimals(value, 0),
        value if value <= 0.0 => "0 s".to_owned(),
        value if value < 0.999_5e-3 => format!("{} µs", significant(value * 1e6)),
        value if value < 0.999_5 => format!("{} ms", significant(value * 1e3)),
        value if value < 9.95 => format!("{} s", decimals(value, 2)),
        value if value < 99.95 => format!("{} s", decimals(value, 1)),
        value if value < 3_599.5 => {
            let whole = value.round() as u64;
            format!("{} min {} s", whole / 60, whole % 60)
        }
        value => {
            let minutes = (value / 60.0).round() as u64;
            format!("{} h {} min", count(minutes / 60), minutes % 60)
        }
    }
}

/// Powers of 1024: `512 B`, `12.3 KiB`, `1.24 GiB`.
pub(crate) fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = value;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{} B", decimals(value, 0))
    } else {
        format!("{} {}", significant(value), UNITS[unit])
    }
}

/// An hourly rate: `1.24 M/h`.
pub(crate) fn per_hour(rate: f64) -> String {
    format!("{}/h", short(rate.round()))
}

/// 10 to a power: written out from 0.001 to 10,000, with a superscript beyond.
pub(crate) fn power_of_ten(power: i32) -> String {
    match power {
        0..=4 => count(10_u64.pow(power.unsigned_abs())),
        -3..0 => decimals(10_f64.powi(power), power.unsigned_abs() as usize),
        _ => format!("10{}", superscript(power)),
    }
}

/// A digit times [`power_of_ten`].
pub(crate) fn multiple_of_ten(factor: u8, power: i32) -> String {
    match (factor, power) {
        (1, _) => power_of_ten(power),
        (_, 0..=4) => count(u64::from(factor) * 10_u64.pow(power.unsigned_abs())),
        (_, -3..0) => decimals(
            f64::from(factor) * 10_f64.powi(power),
            power.unsigned_abs() as usize,
        ),
        _ => format!("{factor} × {}", power_of_ten(power)),
    }
}

/// A whole number raised: `⁻¹²`.
pub(crate) fn superscript(value: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    value
        .to_string()
        .chars()
        .map(|character| {
            character
                .to_digit(10)
                .map_or('⁻', |digit| DIGITS[digit as usize])
        })
        .collect()
}

/// Ascending coefficients as a formula: `0.234 + 0.5 x − 0.01 x³`.
pub(crate) fn polynomial(coefficients: &[f64]) -> String {
    let mut out = String::new();
    for (power, value) in coefficients
        .iter()
        .enumerate()
        .filter(|(_, value)| **value != 0.0)
    {
        let sign = if *value < 0.0 { '−' } else { '+' };
        match (out.is_empty(), sign) {
            (true, '+') => {}
            (true, _) => out.push('−'),
            (false, _) => {
                out.push(' ');
                out.push(sign);
                out.push(' ');
            }
        }
        out.push_str(&significant(value.abs()));
        match power {
            0 => {}
            1 => out.push_str(" x"),
            _ => {
                out.push_str(" x");
                out.push_str(&superscript(power as i32));
            }
        }
    }
    if out.is_empty() { "0".to_owned() } else { out }
}

/// A CSV file from a header and rows of cells.
pub(crate) fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let quoted = |cell: &str| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    };
    let mut text = header.join(",");
    text.push('\n');
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it() {
        let text = csv(
            &["a", "b"],
            [vec!["x,y".to_owned(), "say \"so\"".to_owned()]],
        );
        assert_eq!(text, "a,b\n\"x,y\",\"say \"\"so\"\"\"\n");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(decimals(-0.001, 2), "0.00");
        assert_eq!(decimals(-1.5, 1), "−1.5");
        assert_eq!(plain(-4.0), "−4");
        assert_eq!(plain(0.25), "0.25");
        assert_eq!(count(10_000), "10,000");
        assert_eq!(count(999), "999");
        assert_eq!(short(1_234_567.0), "1.23 M");
        assert_eq!(short(164_000.0), "164 k");
        assert_eq!(short(9_999.0), "9,999");
        assert_eq!(significant(0.01234), "0.0123");
        assert_eq!(significant(-12_345.0), "−12,345");
        assert_eq!(significant(1.5e-7), "1.5 × 10⁻⁷");
        assert_eq!(per_hour(1_240_000.4), "1.24 M/h");
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(1023.0), "0.999 KiB");
        assert_eq!(significant(f64::NAN), "–");
        assert_eq!(seconds(f64::INFINITY), "–");
        assert_eq!(bytes(1.5 * 1024.0 * 1024.0), "1.50 MiB");
    }

    #[test]
    fn shares() {
        assert_eq!(percent(0.9921), "99.21 %");
        assert_eq!(percent(0.99999), "99.999 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.0), "0.00 %");
        assert_eq!(interval(&Accuracy::wilson(9_921, 10_000)), "[99.02, 99.37]");
        assert_eq!(
            agreement(&Agreement {
                value: 0.9999,
                n: 10_000
            }),
            "99.99 % (1 differs)"
        );
        assert_eq!(
            agreement(&Agreement {
                value: 1.0,
                n: 10_000
            }),
            "100 %"
        );
    }

    #[test]
    fn times() {
        for (value, text) in [
            (0.0, "0 s"),
            (0.000_25, "250 µs"),
            (0.0123, "12.3 ms"),
            (3.4, "3.40 s"),
            (34.0, "34.0 s"),
            (125.4, "2 min 5 s"),
            (4_320.0, "1 h 12 min"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn polynomials_as_formulas() {
        assert_eq!(
            polynomial(&[0.234, 0.5, 0.0, -0.0102]),
            "0.234 + 0.500 x − 0.0102 x³"
        );
        assert_eq!(polynomial(&[-1.0]), "−1.00");
        assert_eq!(polynomial(&[]), "0");
    }
}
