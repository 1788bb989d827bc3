//! Mutations of bytes: of single bits, of numbers of every width, of words of a text, and of the order of things.

use arbitrary::{Arbitrary, Unstructured};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The most mutations of one input.
const MOST: u64 = 6;

/// What can be done to an input. Places are taken modulo its length.
#[derive(Debug, Arbitrary)]
enum Mutation {
    Flip {
        at: u32,
        bit: u8,
    },
    Byte {
        at: u32,
        value: u8,
    },
    Number {
        at: u32,
        width: u8,
        value: Extreme,
        big_endian: bool,
    },
    Word {
        at: u32,
        word: u8,
    },
    Line {
        from: u32,
        to: u32,
    },
    Remove {
        at: u32,
        length: u16,
    },
    Repeat {
        at: u32,
        length: u16,
        times: u8,
    },
    Insert {
        at: u32,
        bytes: [u8; 4],
    },
    Cut {
        at: u32,
    },
    Extend {
        bytes: [u8; 8],
    },
}

/// Numbers that programs get wrong.
#[derive(Debug, Arbitrary)]
enum Extreme {
    Zero,
    One,
    Minus,
    Largest,
    LargestSigned,
    PowerOfTwo(u8),
    Near(i8),
    NotANumber,
}

/// Words that stand in for a word or a number of a text.
const WORDS: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "3",
    "1e999",
    "-1e308",
    "1e-320",
    "nan",
    "inf",
    "-inf",
    "255",
    "256",
    "65536",
    "4294967296",
    "18446744073709551616",
    "-9223372036854775809",
    "0x7fffffff",
    "1_000_000",
    "true",
    "null",
    "\"\"",
    "[]",
    "{}",
    "[[]]",
    "\"\\u0000\"",
    "\u{1b}[31m",
    "\u{202e}",
    "'''",
    "\"\"\"",
    "=",
    "#",
    "..",
    "relu",
    "conv",
    "dense",
    "activation",
    "ckks",
    "tfhe",
    "clear",
    "digits",
    "cifar10",
    "[network]",
    "layers",
];

/// A mutation of `good`: of its bytes, by decisions that are drawn from `random`.
pub fn mutated(good: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut decisions = [0; 256];
    random.fill_bytes(&mut decisions);
    let mut decisions = Unstructured::new(&decisions);
    let mut input = good.to_vec();
    for _ in 0..=random.next_u64() % MOST {
        if let Ok(mutation) = Mutation::arbitrary(&mut decisions) {
            apply(mutation, &mut input);
        }
    }
    input
}

fn place(at: u32, length: usize) -> usize {
    // Half of all places are near the beginning, where headers are.
    let at = at as usize;
    let reach = if at.is_multiple_of(2) {
        length
    } else {
        length.min(256)
    };
    (at / 2) % reach.max(1)
}

fn apply(mutation: Mutation, input: &mut Vec<u8>) {
    let length = input.len();
    let part = |at: u32, size: u16| {
        let from = place(at, length);
        from..(from + usize::from(size) % 600).min(length)
    };
    match mutation {
        Mutation::Flip { at, bit } => {
            if let Some(byte) = input.get_mut(place(at, length)) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Mutation::Byte { at, value } => {
            if let Some(byte) = input.get_mut(place(at, length)) {
                *byte = value;
            }
        }
        Mutation::Number {
            at,
            width,
            value,
            big_endian,
        } => {
            let width = 1 << (width % 4);
            let from = place(at, length);
            if let Some(bytes) = input.get_mut(from..from + width) {
                let mut word = [0; 8];
                word[..width].copy_from_slice(bytes);
                let mut word = value
                    .instead_of(u64::from_le_bytes(word), width)
                    .to_le_bytes();
                if big_endian {
                    word[..width].reverse();
                }
                bytes.copy_from_slice(&word[..width]);
            }
        }
        Mutation::Word { at, word } => {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(byte);
            let at = place(at, length);
            let from = input[..at]
                .iter()
                .rposition(|byte| !is_word(byte))
                .map_or(0, |place| place + 1);
            let to = input[at..]
                .iter()
                .position(|byte| !is_word(byte))
                .map_or(length, |place| at + place);
            let word = WORDS[usize::from(word) % WORDS.len()];
            input.splice(from..to.max(from), word.bytes());
        }
        Mutation::Line { from, to } => {
            let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
            if !lines.is_empty() {
                let line = lines[from as usize % lines.len()];
                lines.insert(to as usize % lines.len(), line);
                *input = lines.concat();
            }
        }
        Mutation::Remove { at, length: size } => drop(input.drain(part(at, size))),
        Mutation::Repeat {
            at,
            length: size,
            times,
        } => {
            let part = part(at, size);
            let repeated = input[part.clone()].repeat(usize::from(times % 40));
            input.splice(part.end..part.end, repeated);
        }
        Mutation::Insert { at, bytes } => {
            let at = place(at, length).min(length);
            input.splice(at..at, bytes);
        }
        Mutation::Cut { at } => input.truncate(place(at, length)),
        Mutation::Extend { bytes } => input.extend(bytes),
    }
}

impl Extreme {
    fn instead_of(&self, found: u64, width: usize) -> u64 {
        let all = u64::MAX >> (64 - 8 * width);
        match *self {
            Self::Zero => 0,
            Self::One => 1,
            Self::Minus | Self::Largest => all,
            Self::LargestSigned => all >> 1,
            Self::PowerOfTwo(bits) => 1 << (usize::from(bits) % (8 * width)),
            Self::Near(by) => found.wrapping_add_signed(by.into()),
            Self::NotANumber => f64::NAN.to_bits() >> (64 - 8 * width),
        }
    }
}
