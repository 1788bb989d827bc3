//! The security table: how large a modulus may be for 128 bits.

/// The classical security, in bits, that [`Parameters::new`](crate::Parameters::new) enforces.
pub const SECURITY_BITS: u32 = 128;

/// Where the table comes from.
pub const SECURITY_SOURCE: &str =
    "Security Guidelines for Implementing Homomorphic Encryption (eprint 2024/463), Table 5.2";

/// Rows of Table 5.2 for 128-bit classical security, uniform ternary secret, error of standard
/// deviation 3.19.
const MAX_LOG_QP: [(u32, f64); 8] = [
    (10, 26.0),
    (11, 53.0),
    (12, 106.0),
    (13, 214.0),
    (14, 430.0),
    (15, 868.0),
    (16, 1747.0),
    (17, 3523.0),
];

/// The largest log2(QP), special prime included, that gives 128-bit security at ring degree
/// `2^log_n`; `None` where the table has no row.
///
/// A conjugate-invariant ring is read at its rank over Z (Kim and Song, eprint 2018/952), which is
/// what `log_n` always means in this crate.
pub fn max_log_qp(log_n: u32) -> Option<f64> {
    MAX_LOG_QP
        .iter()
        .find(|(row, _)| *row == log_n)
        .map(|(_, bits)| *bits)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_published_one_and_has_no_rows_beyond_it() {
        assert_eq!(max_log_qp(9), None);
        assert_eq!(max_log_qp(18), None);
        let rows: Vec<f64> = (10..=17).map(|n| max_log_qp(n).unwrap()).collect();
        assert_eq!(
            rows,
            [26.0, 53.0, 106.0, 214.0, 430.0, 868.0, 1747.0, 3523.0]
        );
    }
}
