//! Memory for residues that is used again.
//!
//! A layer of a circuit writes hundreds of megabytes that the next layer reads once. Asking the
//! operating system for fresh memory every time costs more than the arithmetic (a page fault for
//! every 4 KiB), so every parameter set has an arena: large segments, in pages of 2 MiB where the
//! system has them, from which sets of ciphertexts take their limbs and to which they return them.
//! Nothing secret is ever in it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::residues::{BLOCK, Block};

const BLOCK_BYTES: usize = size_of::<Block>();
/// How many places there are for polynomials to begin at; each is a block further into a page.
const PLACES: usize = 16;
/// Segments begin and end at multiples of the large pages of common machines.
const PAGE: usize = 2 << 20;
/// The size of the first segment; later ones double. Memory that is never touched is not taken.
const FIRST_SEGMENT: usize = 64 << 20;
const LARGEST_SEGMENT: usize = 1 << 30;

/// The memory of one parameter set.
#[derive(Default)]
pub(crate) struct Arena(Mutex<State>);

#[derive(Default)]
struct State {
    segments: Vec<Segment>,
    /// Blocks handed out, and the most that ever were.
    live: usize,
    peak: usize,
}

/// Zeroed once, when it is made: every byte is initialised from then on.
struct Segment {
    allocation: NonNull<u8>,
    layout: Layout,
    /// The first whole block.
    start: NonNull<Block>,
    blocks: usize,
    /// Blocks from the start on of which some were ever used: the memory that it really takes.
    touched: usize,
    /// Free ranges: first block to number of blocks, never touching each other.
    free: BTreeMap<usize, usize>,
}

// SAFETY: a segment owns its memory; ranges of it are handed out to one buffer each.
unsafe impl Send for Segment {}

/// A range of blocks, returned when dropped. Its content is whatever was there before: old residues
/// or zeros.
pub(crate) struct Buffer {
    arena: Arc<Arena>,
    start: NonNull<Block>,
    blocks: usize,
}

// SAFETY: a buffer is the only owner of its range, like a boxed slice.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

/// Contiguous words, at a cache line.
pub(crate) struct Polynomial {
    buffer: Buffer,
    skipped: usize,
}

impl Segment {
    /// A segment of at least that many blocks, or nothing if the system has no memory for it.
    fn new(blocks: usize) -> Option<Self> {
        let bytes = blocks
            .checked_mul(BLOCK_BYTES)?
            .checked_next_multiple_of(PAGE)?;
        // a small alignment lets the allocator take pages that are zero already
        let layout = Layout::from_size_align(bytes.checked_add(PAGE)?, 16).ok()?;
        // SAFETY: the size is not zero.
        let allocation = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let skip = allocation.align_offset(PAGE);
        // SAFETY: the allocation has `bytes + PAGE` bytes and less than PAGE of them are skipped.
        let start = unsafe { allocation.add(skip) };
        advise_large_pages(start, bytes);
        let blocks = bytes / BLOCK_BYTES;
        Some(Self {
            allocation,
            layout,
            start: start.cast(),
            blocks,
            touched: 0,
            free: BTreeMap::from([(0, blocks)]),
        })
    }

    /// Writes to every page of a segment of which nothing is in use yet, on all threads.
    fn touch(&mut self) {
        const PAGE_BLOCKS: usize = 4096 / BLOCK_BYTES;
        // SAFETY: the segment's whole range, of which nothing was handed out.
        let all = unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.blocks) };
        all.par_chunks_mut(PAGE / BLOCK_BYTES).for_each(|page| {
            for block in page.iter_mut().step_by(PAGE_BLOCKS) {
                // SAFETY: a valid reference. Volatile, because zeros over zeros could be left out.
                unsafe { std::ptr::from_mut(&mut block.0[0]).write_volatile(0) };
            }
        });
        self.touched = self.blocks;
    }

    /// The first free range that is long enough.
    fn take(&mut self, blocks: usize) -> Option<NonNull<Block>> {
        let (&first, &length) = self.free.iter().find(|(_, length)| **length >= blocks)?;
        self.free.remove(&first);
        if length > blocks {
            self.free.insert(first + blocks, length - blocks);
        }
        self.touched = self.touched.max(first + blocks);
        // SAFETY: free ranges lie within the segment.
        Some(unsafe { self.start.add(first) })
    }

    /// Takes a range back and joins it with its free neighbours.
    fn give_back(&mut self, mut first: usize, mut blocks: usize) {
        if let Some(after) = self.free.remove(&(first + blocks)) {
            blocks += after;
        }
        if let Some((&before, &length)) = self.free.range(..first).next_back()
            && before + length == first
        {
            first = before;
            blocks += length;
        }
        self.free.insert(first, blocks);
    }

    fn place(&self, start: NonNull<Block>) -> Option<usize> {
        let offset = start.addr().get().checked_sub(self.start.addr().get())?;
        let first = offset / BLOCK_BYTES;
        (first < self.blocks).then_some(first)
    }

    fn is_free(&self) -> bool {
        self.free.get(&0) == Some(&self.blocks)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`; buffers keep the arena alive.
        unsafe { dealloc(self.allocation.as_ptr(), self.layout) }
    }
}

impl Arena {
    fn state(&self) -> MutexGuard<'_, State> {
        // nothing is left half done where a panic is possible
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer, or nothing if the system has no memory for it.
    pub fn try_take(self: &Arc<Self>, blocks: usize) -> Option<Buffer> {
        // an empty range would have no place of its own
        let range = blocks.max(1);
        let mut state = self.state();
        let found = state.segments.iter_mut().find_map(|s| s.take(range));
        let start = match found {
            Some(start) => start,
            None => {
                let doubled = FIRST_SEGMENT << state.segments.len().min(8);
                let usual = doubled.min(LARGEST_SEGMENT) / BLOCK_BYTES;
                let segment = Segment::new(range.max(usual)).or_else(|| Segment::new(range));
                state.segments.push(segment?);
                state.segments.last_mut()?.take(range)?
            }
        };
        state.live += range;
        state.peak = state.peak.max(state.live);
        drop(state);
        Some(Buffer {
            arena: self.clone(),
            start,
            blocks,
        })
    }

    /// A buffer; ends the process as the standard library does if there is no memory.
    pub fn take(self: &Arc<Self>, blocks: usize) -> Buffer {
        self.try_take(blocks).unwrap_or_else(|| {
            let layout = Layout::array::<Block>(blocks).unwrap_or(Layout::new::<Block>());
            handle_alloc_error(layout)
        })
    }

    /// A polynomial of so many words, of unspecified value, for a thread to work on. Those that are read side by side should have
    /// different places: they would fall into the same few sets of the caches otherwise.
    pub fn polynomial(self: &Arc<Self>, degree: usize, place: usize) -> Polynomial {
        let skipped = place % PLACES;
        Polynomial {
            buffer: self.take(degree.div_ceil(BLOCK) + skipped),
            skipped,
        }
    }

    /// Takes memory from the system before it is needed, until there are so many blocks in all. Where the system has not so much,
    /// nothing happens: it is asked again when the memory is needed.
    pub fn reserve(&self, blocks: usize) {
        let touched = |segment: &Segment| segment.touched;
        let there: usize = self.state().segments.iter().map(touched).sum();
        let missing = blocks.saturating_sub(there);
        let Some(mut segment) = (missing > 0).then(|| Segment::new(missing)).flatten() else {
            return;
        };
        segment.touch();
        let mut state = self.state();
        state.segments.push(segment);
        // as if it had been in use: what is kept is bounded by that
        state.peak = state.peak.max(blocks);
    }

    /// Gives all memory that is not in use back to the system.
    pub fn release(&self) {
        let mut state = self.state();
        state.segments.retain(|segment| !segment.is_free());
        state.peak = state.live;
    }

    fn give_back(&self, start: NonNull<Block>, blocks: usize) {
        let blocks = blocks.max(1);
        let mut state = self.state();
        state.live -= blocks;
        let peak = state.peak.max(2 * FIRST_SEGMENT / BLOCK_BYTES);
        let touched: usize = state.segments.iter().map(|s| s.touched).sum();
        let places = state.segments.iter().map(|segment| segment.place(start));
        let Some((index, first)) = places
            .enumerate()
            .find_map(|(index, place)| place.map(|first| (index, first)))
        else {
            return;
        };
        let segment = &mut state.segments[index];
        segment.give_back(first, blocks);
        // what is kept is bounded by what was needed at once
        if segment.is_free() && touched > 2 * peak {
            state.segments.swap_remove(index);
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arena")
    }
}

impl Deref for Buffer {
    type Target = [Block];

    #[inline(always)]
    fn deref(&self) -> &[Block] {
        // SAFETY: the range is this buffer's alone, aligned, initialised, and any bits are a block.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.blocks) }
    }
}

impl DerefMut for Buffer {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [Block] {
        // SAFETY: as in `deref`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.blocks) }
    }
}

impl Deref for Polynomial {
    type Target = [u64];

    #[inline(always)]
    fn deref(&self) -> &[u64] {
        let blocks = &self.buffer[self.skipped..];
        // SAFETY: a block is so many words and nothing else.
        unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast(), blocks.len() * BLOCK) }
    }
}

impl DerefMut for Polynomial {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u64] {
        let blocks = &mut self.buffer[self.skipped..];
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len() * BLOCK) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.arena.give_back(self.start, self.blocks);
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = self.arena.take(self.blocks);
        let chunks = copy.par_chunks_mut(1024).zip(self.par_chunks(1024));
        chunks.for_each(|(to, from)| to.copy_from_slice(from));
        copy
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} blocks)", self.blocks)
    }
}

/// Asks for large pages where they are given on request. Only a hint: nothing depends on it.
#[cfg(target_os = "linux")]
fn advise_large_pages(start: NonNull<u8>, bytes: usize) {
    use std::ffi::{c_int, c_void};
    unsafe extern "C" {
        fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
    }
    const MADV_HUGEPAGE: c_int = 14;
    // SAFETY: the range is whole pages of an allocation of ours, and the advice changes no content.
    unsafe { madvise(start.as_ptr().cast(), bytes, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise_large_pages(_: NonNull<u8>, _: usize) {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Random takes and returns: buffers never overlap, and everything is free in the end.
    #[test]
    fn buffers_are_their_owners_alone() {
        let arena = Arc::new(Arena::default());
        let mut held: Vec<(u64, Buffer)> = Vec::new();
        let mut random = 1u64;
        for step in 0..2000u64 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(step | 1);
            let choice = (random >> 33) as usize;
            if choice % 5 < 2 && !held.is_empty() {
                let (tag, buffer) = held.swap_remove(choice % held.len());
                assert!(
                    buffer
                        .iter()
                        .all(|block| block.0 == [tag; crate::residues::BLOCK])
                );
            } else if held.len() < 40 {
                let mut buffer = arena.take(1 + choice % 300);
                assert!(buffer.as_ptr().addr().is_multiple_of(64));
                buffer.fill(Block([step; crate::residues::BLOCK]));
                held.push((step, buffer));
            }
        }
        let copy = held[0].1.clone();
        assert!(copy[..] == held[0].1[..]);
        drop((copy, held));
        let state = arena.state();
        assert_eq!(state.live, 0);
        assert_eq!(state.segments.len(), 1);
        assert!(state.segments[0].is_free());
        drop(state);
        arena.release();
        assert!(arena.state().segments.is_empty());
    }

    #[test]
    fn memory_is_used_again() {
        let arena = Arc::new(Arena::default());
        let first = arena.take(100).as_ptr();
        assert_eq!(arena.take(200).as_ptr(), first);
    }

    #[test]
    fn what_is_reserved_is_used_and_kept() {
        let arena = Arc::new(Arena::default());
        let blocks = 3 * FIRST_SEGMENT / BLOCK_BYTES;
        arena.reserve(blocks);
        arena.reserve(blocks / 2);
        assert_eq!(arena.state().segments.len(), 1);
        let start = arena.state().segments[0].start;
        let buffer = arena.take(blocks);
        assert_eq!(buffer.as_ptr(), start.as_ptr().cast_const());
        assert!(
            buffer
                .iter()
                .all(|block| block.0 == [0; crate::residues::BLOCK])
        );
        drop(buffer);
        drop(arena.take(1));
        assert_eq!(arena.state().segments.len(), 1);
        arena.reserve(usize::MAX / 2);
        assert_eq!(arena.state().segments.len(), 1);
    }

    #[test]
    fn what_is_too_much_is_nothing() {
        let arena = Arc::new(Arena::default());
        assert!(arena.try_take(usize::MAX / 8).is_none());
        assert!(arena.try_take(1 << 52).is_none());
    }
}
