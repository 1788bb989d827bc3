//! What the executor asks of whatever it runs on: ciphertexts, or their sizes alone.

use std::time::Duration;

use ckks::{HomomorphicOps, LinearMap};

use super::stages::Layout;
use crate::types::LinearLayer;

/// A set of features: one chunk, or all of them.
pub type Value<C> = <<C as Chunks>::Ops as HomomorphicOps>::Value;
/// What an operation fails with.
pub type Error<C> = <<C as Chunks>::Ops as HomomorphicOps>::Error;

/// How an upload is taken apart, and how pointwise operations run on a chunk; everything else is in [`HomomorphicOps`].
pub trait Chunks {
    /// The operations that are not pointwise.
    type Ops: HomomorphicOps;
    /// Fresh encryptions of one batch that are not expanded yet.
    type Upload;
    /// Some features of an upload.
    type Part;
    /// A linear map at some of its positions.
    type Map;

    fn ops(&self) -> &Self::Ops;

    /// The upload in parts, each named by its features.
    fn split(
        &self,
        upload: Self::Upload,
        parts: &[Vec<u32>],
    ) -> Result<Vec<Self::Part>, Error<Self>>;

    fn expand(&self, upload: Self::Upload) -> Value<Self>;

    fn expand_part(&self, part: Self::Part) -> Value<Self>;

    /// A layer's map at some of its output positions, and the input positions that these read.
    fn slice_positions(
        &self,
        layer: (usize, &LinearLayer),
        inputs: Layout,
        positions: &[u32],
    ) -> Result<(Self::Map, Vec<u32>), Error<Self>>;

    /// A layer's map on some of its inputs alone, those at some positions.
    fn slice_inputs(
        &self,
        layer: &LinearLayer,
        inputs: Layout,
        positions: &[u32],
    ) -> Result<Self::Map, Error<Self>>;

    /// Runs `steps` together, and says what each of them took in proportion to the others.
    fn pointwise(
        &self,
        source: Source<'_, Self>,
        steps: &[Step<'_, Self::Map>],
    ) -> Result<(Value<Self>, Vec<Duration>), Error<Self>>;
}

/// What a chunk is computed from.
pub enum Source<'a, C: Chunks + ?Sized> {
    /// An upload as it came.
    Upload(&'a C::Upload),
    /// All features of a set.
    Set(&'a Value<C>),
    /// Some positions of several sets.
    Gathered(Gather<'a, Value<C>>),
}

/// Input positions of a stage, and the chunks that hold them.
pub struct Gather<'a, V> {
    pub sets: Vec<&'a V>,
    /// The chunks' numbers.
    pub chunks: &'a [usize],
    pub positions: &'a [u32],
    /// Positions of a chunk.
    pub size: usize,
    pub channels: usize,
}

impl<V> Gather<'_, V> {
    /// Where every feature lies: in which of the sets, and which feature of it.
    pub fn places(&self) -> Vec<(usize, usize)> {
        let size = self.size;
        let of = |channel: usize, position: usize| {
            let set = self
                .chunks
                .iter()
                .position(|chunk| *chunk == position / size);
            (set.unwrap_or(0), channel * size + position % size)
        };
        (0..self.channels)
            .flat_map(|channel| {
                let positions = self.positions.iter();
                positions.map(move |position| of(channel, *position as usize))
            })
            .collect()
    }
}

/// A pointwise operation on a chunk.
pub enum Step<'a, M> {
    Linear {
        layer: &'a LinearLayer,
        map: Slice<'a, M>,
        /// The output positions whose biases are added; `None` where that happens later.
        biased: Option<&'a [u32]>,
    },
    TensorSquare,
}

impl<M> Step<'_, M> {
    /// The constants to add, one per feature; none for a square.
    pub fn bias(&self) -> Vec<f64> {
        match self {
            Self::Linear {
                layer,
                biased: Some(positions),
                ..
            } => Layout::of(layer).select(&layer.bias, positions),
            _ => Vec::new(),
        }
    }
}

/// A map, or some positions of it.
pub enum Slice<'a, M> {
    Whole(&'a LinearMap),
    Part(&'a M),
}
