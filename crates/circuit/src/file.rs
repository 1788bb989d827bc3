//! The circuit's own file: little-endian numbers between a magic word and a closing BLAKE3 digest.
//!
//! ```text
//! "CRYPTODL CIRCUIT" | version: u8 | input shape: 3 x u32 | mean, std: f32 a channel | preprocessing: u32 length + JSON, from version 3 on | classes: u32 | layers: u32 | layer... | digest: 32 bytes
//! layer  = name: u8 length + bytes | tag: u8 | linear or polynomial
//! linear = kind: u8 | weight scale, bound: f64 | bias: list of f64 | inputs, outputs, groups: u32 | group...
//! group  = start, rows, taps, positions: u32 | weights: i16 | gather: u32
//! polynomial = bound: f64 | typical: list of f64 | degree: u8 | lower coefficients: a list of f64 for every power
//! list   = length: u32 | values
//! ```
//! A file is believed only once its digest is right, no length is believed before the bytes for it are there, and what was read has to pass
//! [`Circuit::check`]. The digest guards against damage, not against an author.

use super::error::CircuitError;
use super::types::{Circuit, CircuitLayer, LinearKind, LinearLayer, PolynomialLayer};
use ckks::{Group, LinearMap, MonicPolynomial};
use cryptodl_data::Preprocessing;
use cryptodl_spec::Shape;

const MAGIC: &[u8; 16] = b"CRYPTODL CIRCUIT";
/// The versions that are read. A circuit whose images are not preprocessed is written in the older one.
const VERSIONS: std::ops::RangeInclusive<u8> = 2..=3;
const DIGEST: usize = blake3::OUT_LEN;
const LINEAR: u8 = 0;
const POLYNOMIAL: u8 = 1;
const KINDS: [LinearKind; 4] = [
    LinearKind::Conv,
    LinearKind::Dense,
    LinearKind::Pool,
    LinearKind::Scale,
];

impl Circuit {
    /// The circuit as a file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer(MAGIC.to_vec());
        let plain = self.preprocessing.is_plain();
        out.0.push(if plain {
            *VERSIONS.start()
        } else {
            *VERSIONS.end()
        });
        out.sizes(&[self.input.channels, self.input.height, self.input.width]);
        for value in self.mean.iter().chain(&self.std) {
            out.0.extend(value.to_le_bytes());
        }
        if !plain {
            // Numbers and lists of them: there is nothing in it that JSON cannot say.
            let steps = serde_json::to_vec(&self.preprocessing).unwrap_or_default();
            out.size(steps.len());
            out.0.extend(steps);
        }
        out.sizes(&[self.classes, self.layers.len()]);
        for layer in &self.layers {
            out.0.push(layer.name().len() as u8);
            out.0.extend(layer.name().as_bytes());
            match layer {
                CircuitLayer::Linear(layer) => out.linear(layer),
                CircuitLayer::Polynomial(layer) => out.polynomial(layer),
            }
        }
        let digest = blake3::hash(&out.0);
        out.0.extend(digest.as_bytes());
        out.0
    }

    /// The circuit in a file's bytes.
    ///
    /// # Errors
    /// [`CircuitError::File`] where it is another file, another version, damaged or cut short; what [`Circuit::check`] and the
    /// constructors of its parts say otherwise.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CircuitError> {
        if !bytes.starts_with(MAGIC) {
            return Err(file("it does not begin like one"));
        }
        let Some((body, digest)) = bytes.split_last_chunk::<DIGEST>() else {
            return Err(file("it is cut short"));
        };
        if blake3::hash(body).as_bytes() != digest {
            return Err(file(
                "its BLAKE3 digest is wrong: it was damaged or cut short",
            ));
        }
        let mut reader = Reader(body.get(MAGIC.len()..).unwrap_or_default());
        let version = reader.byte()?;
        if !VERSIONS.contains(&version) {
            return Err(file(&format!(
                "its version is {version}; this program reads versions {} and {}",
                VERSIONS.start(),
                VERSIONS.end()
            )));
        }
        let circuit = reader.circuit(version)?;
        if !reader.0.is_empty() {
            return Err(file(&format!("{} bytes are left over", reader.0.len())));
        }
        circuit.check()?;
        Ok(circuit)
    }
}

fn file(what: &str) -> CircuitError {
    CircuitError::File {
        what: what.to_owned(),
    }
}

struct Writer(Vec<u8>);

impl Writer {
    /// Sizes of a checked circuit are far below 2^32.
    fn size(&mut self, value: usize) {
        self.0.extend((value as u32).to_le_bytes());
    }

    fn sizes(&mut self, values: &[usize]) {
        values.iter().for_each(|value| self.size(*value));
    }

    fn real(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    fn reals(&mut self, values: &[f64]) {
        self.size(values.len());
        values.iter().for_each(|value| self.real(*value));
    }

    fn linear(&mut self, layer: &LinearLayer) {
        self.0.push(LINEAR);
        self.0.push(
            KINDS
                .iter()
                .position(|kind| *kind == layer.kind)
                .unwrap_or_default() as u8,
        );
        self.real(layer.weight_scale);
        self.real(layer.bound);
        self.reals(&layer.bias);
        let map = &layer.map;
        self.sizes(&[map.inputs(), map.outputs(), map.groups().len()]);
        for group in map.groups() {
            self.sizes(&[
                group.out_start(),
                group.rows(),
                group.taps(),
                group.positions(),
            ]);
            group
                .weights()
                .iter()
                .for_each(|weight| self.0.extend(weight.to_le_bytes()));
            group
                .gather()
                .iter()
                .for_each(|input| self.0.extend(input.to_le_bytes()));
        }
    }

    fn polynomial(&mut self, layer: &PolynomialLayer) {
        self.0.push(POLYNOMIAL);
        self.real(layer.bound);
        self.reals(&layer.typical);
        self.0.push(layer.polynomial.degree() as u8);
        layer
            .polynomial
            .lower()
            .iter()
            .for_each(|values| self.reals(values));
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CircuitError> {
        let (taken, left) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| file("it ends too early"))?;
        self.0 = left;
        Ok(*taken)
    }

    /// `count` values of N bytes; the bytes must be there before anything is allocated.
    fn values<const N: usize, T>(
        &mut self,
        count: usize,
        value: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, CircuitError> {
        let bytes = count
            .checked_mul(N)
            .and_then(|bytes| self.0.split_at_checked(bytes));
        let (taken, left) = bytes.ok_or_else(|| file("it ends too early"))?;
        self.0 = left;
        let (chunks, _) = taken.as_chunks::<N>();
        Ok(chunks.iter().map(|chunk| value(*chunk)).collect())
    }

    fn byte(&mut self) -> Result<u8, CircuitError> {
        let [byte] = self.take()?;
        Ok(byte)
    }

    fn size(&mut self) -> Result<usize, CircuitError> {
        Ok(u32::from_le_bytes(self.take()?) as usize)
    }

    fn real(&mut self) -> Result<f64, CircuitError> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    fn reals(&mut self) -> Result<Vec<f64>, CircuitError> {
        let count = self.size()?;
        self.values(count, f64::from_le_bytes)
    }

    fn circuit(&mut self, version: u8) -> Result<Circuit, CircuitError> {
        let input = Shape {
            channels: self.size()?,
            height: self.size()?,
            width: self.size()?,
        };
        let mean = self.values(input.channels, f32::from_le_bytes)?;
        let std = self.values(input.channels, f32::from_le_bytes)?;
        let preprocessing = if version == *VERSIONS.start() {
            Preprocessing::default()
        } else {
            let length = self.size()?;
            let steps = self.values(length, |[byte]| byte)?;
            serde_json::from_slice(&steps)
                .map_err(|error| file(&format!("its preprocessing cannot be read: {error}")))?
        };
        let classes = self.size()?;
        let count = self.size()?;
        let mut layers = Vec::new();
        for _ in 0..count {
            layers.push(self.layer()?);
        }
        Ok(Circuit {
            input,
            mean,
            std,
            preprocessing,
            classes,
            layers,
        })
    }

    fn layer(&mut self) -> Result<CircuitLayer, CircuitError> {
        let length = self.byte()?;
        let name = self.values(usize::from(length), |[byte]| byte)?;
        let name = String::from_utf8(name).map_err(|_| file("the name of a layer is not text"))?;
        match self.byte()? {
            LINEAR => Ok(CircuitLayer::Linear(self.linear(name)?)),
            POLYNOMIAL => Ok(CircuitLayer::Polynomial(self.polynomial(name)?)),
            tag => Err(file(&format!(
                "layer `{name}` is of the unknown kind {tag}"
            ))),
        }
    }

    fn linear(&mut self, name: String) -> Result<LinearLayer, CircuitError> {
        let kind = self.byte()?;
        let kind = *KINDS
            .get(usize::from(kind))
            .ok_or_else(|| file(&format!("`{name}` is linear of the unknown kind {kind}")))?;
        let (weight_scale, bound) = (self.real()?, self.real()?);
        let bias = self.reals()?;
        let (inputs, outputs, count) = (self.size()?, self.size()?, self.size()?);
        let mut groups = Vec::new();
        for _ in 0..count {
            let (start, rows, taps, positions) =
                (self.size()?, self.size()?, self.size()?, self.size()?);
            let weights = self.values(product(rows, taps)?, i16::from_le_bytes)?;
            let gather = self.values(product(positions, taps)?, u32::from_le_bytes)?;
            groups.push(Group::new(start, rows, taps, weights, gather).map_err(ckks::Error::from)?);
        }
        let map = LinearMap::from_groups(inputs, outputs, groups).map_err(ckks::Error::from)?;
        Ok(LinearLayer {
            name,
            kind,
            map,
            weight_scale,
            bias,
            bound,
        })
    }

    fn polynomial(&mut self, name: String) -> Result<PolynomialLayer, CircuitError> {
        let (bound, typical) = (self.real()?, self.reals()?);
        let degree = usize::from(self.byte()?);
        let lower = (0..degree)
            .map(|_| self.reals())
            .collect::<Result<_, _>>()?;
        let polynomial = MonicPolynomial::new(degree, lower).map_err(ckks::Error::from)?;
        Ok(PolynomialLayer {
            name,
            polynomial,
            bound,
            typical,
        })
    }
}

fn product(a: usize, b: usize) -> Result<usize, CircuitError> {
    a.checked_mul(b)
        .ok_or_else(|| file("a size in it is beyond all bounds"))
}
