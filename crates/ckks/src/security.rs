//! The security table: how large a modulus may be for 128, 192 and 256 bits.

/// The classical security, in bits, that [`Parameters::new`](crate::Parameters::new) enforces at least.
pub const SECURITY_BITS: u32 = 128;

/// The levels that the table has columns for, classical security in bits.
pub const SECURITY_LEVELS: [u32; 3] = [128, 192, 256];

/// Where the table comes from.
pub const SECURITY_SOURCE: &str =
    "Security Guidelines for Implementing Homomorphic Encryption (eprint 2024/463), Table 5.2";

/// Rows of Table 5.2, classical security, uniform ternary secret, error of standard deviation 3.19: log2 of the degree, then the most
/// bits that QP may have for each of [`SECURITY_LEVELS`]; zero where the table is empty.
const MAX_LOG_QP: [(u32, [u16; 3]); 8] = [
    (10, [26, 0, 0]),
    (11, [53, 36, 27]),
    (12, [106, 73, 56]),
    (13, [214, 147, 114]),
    (14, [430, 297, 230]),
    (15, [868, 597, 462]),
    (16, [1747, 1199, 929]),
    (17, [3523, 2411, 0]),
];

/// The largest log2(QP), special prime included, that gives `security_bits` (one of [`SECURITY_LEVELS`]) at ring degree `2^log_n`; `None`
/// where the table has no entry.
///
/// A conjugate-invariant ring is read at its rank over Z (Kim and Song, eprint 2018/952), which is
/// what `log_n` always means in this crate.
pub fn max_log_qp(security_bits: u32, log_n: u32) -> Option<f64> {
    let column = SECURITY_LEVELS
        .iter()
        .position(|level| *level == security_bits)?;
    let (_, row) = MAX_LOG_QP.iter().find(|(row, _)| *row == log_n)?;
    (row[column] > 0).then(|| f64::from(row[column]))
}

/// The highest of [`SECURITY_LEVELS`] that a modulus of `log_qp` bits meets at ring degree `2^log_n`; `None` below all.
pub(crate) fn level_of(log_qp: f64, log_n: u32) -> Option<u32> {
    let meets = |level: &u32| max_log_qp(*level, log_n).is_some_and(|most| log_qp <= most);
    SECURITY_LEVELS.into_iter().rev().find(meets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_published_one_and_has_no_rows_beyond_it() {
        assert_eq!(max_log_qp(128, 9), None);
        assert_eq!(max_log_qp(128, 18), None);
        assert_eq!(max_log_qp(127, 13), None);
        assert_eq!(max_log_qp(192, 10), None);
        assert_eq!(max_log_qp(256, 17), None);
        let rows = |level, log_n: std::ops::RangeInclusive<u32>| -> Vec<f64> {
            log_n.map(|n| max_log_qp(level, n).unwrap()).collect()
        };
        assert_eq!(
            rows(128, 10..=17),
            [26.0, 53.0, 106.0, 214.0, 430.0, 868.0, 1747.0, 3523.0]
        );
        assert_eq!(
            rows(192, 11..=17),
            [36.0, 73.0, 147.0, 297.0, 597.0, 1199.0, 2411.0]
        );
        assert_eq!(rows(256, 11..=16), [27.0, 56.0, 114.0, 230.0, 462.0, 929.0]);
    }

    #[test]
    fn a_set_has_the_highest_level_whose_entry_it_keeps() {
        assert_eq!(level_of(214.0, 13), Some(128));
        assert_eq!(level_of(214.1, 13), None);
        assert_eq!(level_of(147.0, 13), Some(192));
        assert_eq!(level_of(114.0, 13), Some(256));
        assert_eq!(level_of(20.0, 10), Some(128));
    }
}
