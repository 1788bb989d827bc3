//! Encrypted images and logits on their way between client and server.
//!
//! ```text
//! upload = count: u32 | pixels: u32 | for each image: seed of the masks: u128 | a body a pixel: u64
//! reply  = count: u32 | logits: u32 | for each image and logit: mask and body, long dimension + 1 of u64
//! ```
//! All numbers little-endian, behind a [`Label`].

use std::path::Path;

use crate::EncryptedError;
use crate::error::file_error;
use crate::sealed::{Label, close, closed};
use cryptodl_circuit::pbs::ParameterSet;

/// The most images of one upload.
pub const MAX_IMAGES: usize = 1_000;

const WORD: usize = size_of::<u64>();
const SEED: usize = size_of::<u128>();

/// One encrypted image: a body a pixel, the masks as one seed.
#[derive(Clone, Debug)]
pub struct Upload {
    pub(super) seed: u128,
    pub(super) bodies: Vec<u64>,
}

/// One image's encrypted logits, `[classes][long dimension + 1]`.
#[derive(Clone, Debug)]
pub struct Reply(pub(super) Vec<Vec<u64>>);

impl Upload {
    /// What is sent.
    pub fn bytes(&self) -> u64 {
        (size_of::<u128>() + self.bodies.len() * size_of::<u64>()) as u64
    }
}

/// The bytes of an upload.
pub(super) fn upload_bytes(label: Label, uploads: &[Upload]) -> Vec<u8> {
    let pixels = uploads.first().map_or(0, |upload| upload.bodies.len());
    let mut bytes = begun(label, uploads.len(), pixels);
    for upload in uploads {
        bytes.extend(upload.seed.to_le_bytes());
        bytes.extend(upload.bodies.iter().flat_map(|body| body.to_le_bytes()));
    }
    close(&mut bytes);
    bytes
}

/// The bytes of a reply.
pub(super) fn reply_bytes(label: Label, replies: &[Reply]) -> Vec<u8> {
    let logits = replies.first().map_or(0, |reply| reply.0.len());
    let mut bytes = begun(label, replies.len(), logits);
    let words = replies.iter().flat_map(|reply| reply.0.iter().flatten());
    bytes.extend(words.flat_map(|word| word.to_le_bytes()));
    close(&mut bytes);
    bytes
}

/// The images of an upload, whose label was read.
///
/// # Errors
/// [`EncryptedError::File`] for what does not hold images with that many pixels.
pub(super) fn read_uploads(
    path: &Path,
    bytes: &[u8],
    pixels: usize,
) -> Result<Vec<Upload>, EncryptedError> {
    let images = items(path, closed(path, bytes)?, pixels, SEED + pixels * WORD)?;
    Ok(images
        .map(|image| {
            let (seed, bodies) = image.split_at(SEED);
            let mut upload = Upload {
                seed: 0,
                bodies: words(bodies),
            };
            for seed in seed.as_chunks::<SEED>().0 {
                upload.seed = u128::from_le_bytes(*seed);
            }
            upload
        })
        .collect())
}

/// The images of a reply, whose label was read.
///
/// # Errors
/// [`EncryptedError::File`] for what does not hold that many logits an image under that set.
pub(super) fn read_replies(
    path: &Path,
    bytes: &[u8],
    set: &ParameterSet,
    logits: usize,
) -> Result<Vec<Reply>, EncryptedError> {
    let size = set.long_dimension() + 1;
    let images = items(path, closed(path, bytes)?, logits, logits * size * WORD)?;
    Ok(images
        .map(|image| {
            Reply(
                words(image)
                    .chunks_exact(size)
                    .map(<[u64]>::to_vec)
                    .collect(),
            )
        })
        .collect())
}

fn begun(label: Label, count: usize, values: usize) -> Vec<u8> {
    let mut bytes = label.begin(0);
    for number in [count, values] {
        bytes.extend((number as u32).to_le_bytes());
    }
    bytes
}

/// What a file holds, image by image.
fn items<'a>(
    path: &Path,
    content: &'a [u8],
    values: usize,
    size: usize,
) -> Result<std::slice::ChunksExact<'a, u8>, EncryptedError> {
    let cut = || file_error(path, "the file is cut short");
    let (count, rest) = content.split_first_chunk().ok_or_else(cut)?;
    let (found, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let (count, found) = (
        u32::from_le_bytes(*count) as usize,
        u32::from_le_bytes(*found) as usize,
    );
    if found != values {
        return Err(file_error(
            path,
            format!("{found} values an image are in the file, but {values} are needed"),
        ));
    }
    if !(1..=MAX_IMAGES).contains(&count) || rest.len() != count * size {
        return Err(file_error(
            path,
            format!(
                "the file says that it holds {count} images (1 to {MAX_IMAGES} are possible) and has {} bytes, not {size} for each",
                rest.len()
            ),
        ));
    }
    Ok(rest.chunks_exact(size))
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let words = bytes.as_chunks::<WORD>().0.iter();
    words.map(|word| u64::from_le_bytes(*word)).collect()
}
