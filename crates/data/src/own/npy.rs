//! The NumPy format: a header in the words of Python, then numbers.
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::io::Read;

use super::MAX_BYTES;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Headers are padded to a few hundred bytes.
const MAX_HEADER: usize = 1 << 16;
/// Deeper arrays are no images.
const MAX_DIMENSIONS: usize = 8;

/// The numbers or words of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    /// UTF-32.
    Text,
}

/// An array in memory, in C order.
#[derive(Debug)]
pub(super) struct Array {
    pub dims: Vec<usize>,
    kind: Kind,
    big_endian: bool,
    /// Bytes of an item.
    item: usize,
    bytes: Vec<u8>,
}

impl Array {
    /// Reads a whole file, whose length is compared with its header.
    pub fn read(mut reader: impl Read) -> Result<Self, String> {
        let mut bytes = |length: usize| -> Result<Vec<u8>, String> {
            let mut bytes = Vec::new();
            let read = reader.by_ref().take(length as u64).read_to_end(&mut bytes);
            match read {
                Ok(read) if read == length => Ok(bytes),
                Ok(_) => Err("is cut short".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        };
        let start = bytes(8)?;
        if !start.starts_with(MAGIC) {
            return Err("is no NumPy array".to_owned());
        }
        let length = match (start[6], bytes(2)?) {
            (1, low) => usize::from(u16::from_le_bytes([low[0], low[1]])),
            (2 | 3, low) => {
                let high = bytes(2)?;
                u32::from_le_bytes([low[0], low[1], high[0], high[1]]) as usize
            }
            (version, _) => return Err(format!("has the unknown format version {version}")),
        };
        if length > MAX_HEADER {
            return Err(format!("has a header of {length} bytes"));
        }
        let header = String::from_utf8(bytes(length)?).map_err(|_| "has a broken header")?;
        let mut array = Self::of_header(&header)?;
        let count = array
            .dims
            .iter()
            .try_fold(1_usize, |all, size| all.checked_mul(*size));
        let size = count
            .and_then(|count| count.checked_mul(array.item))
            .filter(|size| *size as u64 <= MAX_BYTES)
            .ok_or_else(|| {
                format!(
                    "announces {:?} items, which is more than is read",
                    array.dims
                )
            })?;
        array.bytes = bytes(size)?;
        if !bytes(1).is_err_and(|error| error == "is cut short") {
            return Err("goes on after the items that its header announces".to_owned());
        }
        Ok(array)
    }

    /// `{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), }`
    fn of_header(header: &str) -> Result<Self, String> {
        let broken = || {
            format!(
                "has the header {:?}, which is not understood",
                header.trim()
            )
        };
        let after = |key: &str| {
            let (_, rest) = header.split_once(&format!("'{key}':"))?;
            Some(rest.trim_start())
        };
        let quoted = after("descr").and_then(|rest| rest.strip_prefix('\''));
        let descr = quoted
            .and_then(|rest| rest.split('\'').next())
            .ok_or_else(broken)?;
        let fortran = after("fortran_order").ok_or_else(broken)?;
        if !fortran.starts_with("False") {
            return Err(
                "is in Fortran order\nhint: save numpy.ascontiguousarray(...) of it".to_owned(),
            );
        }
        let inside = after("shape").and_then(|rest| rest.strip_prefix('('));
        let inside = inside
            .and_then(|rest| rest.split(')').next())
            .ok_or_else(broken)?;
        let sizes = inside
            .split(',')
            .map(str::trim)
            .filter(|size| !size.is_empty());
        let dims: Vec<usize> = sizes
            .map(|size| size.trim_end_matches('L').parse().map_err(|_| broken()))
            .collect::<Result<_, _>>()?;
        let mut letters = descr.chars();
        let order = letters.next().ok_or_else(broken)?;
        let kind = match letters.next() {
            Some('b') => Kind::Bool,
            Some('i') => Kind::Signed,
            Some('u') => Kind::Unsigned,
            Some('f') => Kind::Float,
            Some('U') => Kind::Text,
            _ => {
                return Err(format!(
                    "has items of type {descr}\nhint: save numbers, as uint8 or float32"
                ));
            }
        };
        let length: usize = letters.as_str().parse().map_err(|_| broken())?;
        let item = if kind == Kind::Text {
            length.checked_mul(4).ok_or_else(broken)?
        } else {
            length
        };
        let sizes: &[usize] = match kind {
            Kind::Bool => &[1],
            Kind::Signed | Kind::Unsigned => &[1, 2, 4, 8],
            Kind::Float => &[4, 8],
            Kind::Text => &[],
        };
        if kind != Kind::Text && !sizes.contains(&item) {
            return Err(format!(
                "has items of type {descr}\nhint: save numbers, as uint8 or float32"
            ));
        }
        if dims.len() > MAX_DIMENSIONS || item == 0 {
            return Err(broken());
        }
        Ok(Self {
            dims,
            kind,
            big_endian: order == '>',
            item,
            bytes: Vec::new(),
        })
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.item
    }

    /// The items, where they are bytes already.
    pub fn bytes(&self) -> Option<&[u8]> {
        (self.kind == Kind::Unsigned && self.item == 1).then_some(&self.bytes)
    }

    /// Whether the numbers have a point.
    pub fn is_float(&self) -> bool {
        self.kind == Kind::Float
    }

    /// The items as numbers; none where they are text. Integers beyond 2^53 are rounded.
    pub fn numbers(&self) -> Option<impl Iterator<Item = f64> + '_> {
        if self.kind == Kind::Text {
            return None;
        }
        Some(self.bytes.chunks_exact(self.item).map(move |item| {
            let mut wide = [0; 8];
            for (place, byte) in wide.iter_mut().enumerate().take(item.len()) {
                *byte = match self.big_endian {
                    true => item[item.len() - 1 - place],
                    false => item[place],
                };
            }
            let number = u64::from_le_bytes(wide);
            let unused = 64 - 8 * item.len() as u32;
            match (self.kind, item.len()) {
                (Kind::Float, 4) => f64::from(f32::from_bits(number as u32)),
                (Kind::Float, _) => f64::from_bits(number),
                (Kind::Signed, _) => ((number << unused) as i64 >> unused) as f64,
                _ => number as f64,
            }
        }))
    }

    /// The items as texts; none where they are numbers.
    pub fn texts(&self) -> Option<Vec<String>> {
        if self.kind != Kind::Text {
            return None;
        }
        let text = |item: &[u8]| -> String {
            let points = item.chunks_exact(4).map(|point| {
                let point = [point[0], point[1], point[2], point[3]];
                let number = match self.big_endian {
                    true => u32::from_be_bytes(point),
                    false => u32::from_le_bytes(point),
                };
                char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
            });
            points.take_while(|letter| *letter != '\0').collect()
        };
        Some(self.bytes.chunks_exact(self.item).map(text).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A file of version 1, as `numpy.save` writes it.
    fn file(descr: &str, dims: &[usize], bytes: &[u8]) -> Vec<u8> {
        let sizes: String = dims.iter().map(|size| format!("{size}, ")).collect();
        let mut header = format!(
            "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}",
            sizes.trim_end()
        );
        while !(10 + header.len() + 1).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(bytes);
        file
    }

    fn numbers(descr: &str, bytes: &[u8]) -> Vec<f64> {
        let item: usize = descr[2..].parse().unwrap();
        let array = Array::read(&file(descr, &[bytes.len() / item], bytes)[..]).unwrap();
        array.numbers().unwrap().collect()
    }

    #[test]
    fn numbers_of_every_type() {
        assert_eq!(numbers("|u1", &[0, 7, 255]), [0.0, 7.0, 255.0]);
        assert_eq!(numbers("|b1", &[0, 1]), [0.0, 1.0]);
        assert_eq!(numbers("|i1", &[255]), [-1.0]);
        assert_eq!(numbers("<i8", &(-3_i64).to_le_bytes()), [-3.0]);
        assert_eq!(numbers(">i2", &(-300_i16).to_be_bytes()), [-300.0]);
        assert_eq!(numbers("<f4", &0.5_f32.to_le_bytes()), [0.5]);
        assert_eq!(numbers(">f8", &(-0.25_f64).to_be_bytes()), [-0.25]);
    }

    #[test]
    fn texts_end_at_their_first_zero() {
        let bytes: Vec<u8> = "catat\0"
            .chars()
            .flat_map(|letter| u32::from(letter).to_le_bytes())
            .collect();
        let array = Array::read(&file("<U3", &[2], &bytes)[..]).unwrap();
        assert_eq!(array.texts().unwrap(), ["cat", "at"]);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let good = file("<f4", &[2, 1], &[0; 8]);
        assert_eq!(Array::read(&good[..]).unwrap().dims, [2, 1]);
        for end in 0..good.len() {
            assert!(Array::read(&good[..end]).is_err(), "cut at {end}");
        }
        let mut long = good.clone();
        long.push(0);
        assert!(Array::read(&long[..]).unwrap_err().contains("goes on"));
        for (descr, dims) in [("<f2", &[1][..]), ("|O8", &[1]), ("<f4", &[usize::MAX, 9])] {
            assert!(
                Array::read(&file(descr, dims, &[0; 8])[..]).is_err(),
                "{descr}"
            );
        }
        let fortran = String::from_utf8_lossy(&good).replace("False", "True ");
        assert!(Array::of_header(&fortran[10..]).is_err());
    }
}
