//! Protects: a secret key leaves no copy in memory that is given back: neither in a buffer that grew nor in one that was dropped.
//!
//! The allocator of this test looks into every block that is freed.

// A test that cannot go on has failed.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ckks::{Parameters, ParametersLiteral, Ring, SecretKey};

struct Watching;

/// What must not be in a freed block: the same coefficients in the forms that they are held in.
static NEEDLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
static FOUND: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator, which is only looked over the shoulder. `realloc` is the default one, which frees the old block.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        for needle in NEEDLES.get().into_iter().flatten() {
            if layout.size() >= needle.len() {
                // SAFETY: the block has that many bytes until it is freed; bytes that were never written are read through volatile reads,
                // which take whatever is there.
                let holds = unsafe { holds(pointer, layout.size(), needle) };
                FOUND.fetch_add(usize::from(holds), Ordering::Relaxed);
            }
        }
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// # Safety
/// `pointer` is valid for reads of `size` bytes.
unsafe fn holds(pointer: *const u8, size: usize, needle: &[u8]) -> bool {
    let (mut matched, mut at) = (0, 0);
    while at < size {
        // SAFETY: `at` is below the size.
        let byte = unsafe { pointer.add(at).read_volatile() };
        if byte == needle[matched] {
            matched += 1;
            at += 1;
            if matched == needle.len() {
                return true;
            }
        } else {
            // Back to the byte after the one where this match began.
            at = at - matched + 1;
            matched = 0;
        }
    }
    false
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

#[test]
fn secret_keys_leave_no_copies() {
    let parameters = Parameters::new(ParametersLiteral {
        ring: Ring::Standard,
        log_n: 12,
        prime_bits: vec![40],
        special_bits: vec![40],
    })
    .unwrap();
    let key = SecretKey::generate(&parameters).unwrap();
    let mut file = Vec::with_capacity(SecretKey::wire_bytes(&parameters));
    key.write(&mut file).unwrap();
    assert_eq!(file.len(), file.capacity(), "the size that was foretold");

    // Forty coefficients in the middle, as they are in the file, as signed numbers, and as residues.
    let start = file.len() / 2;
    let digits: Vec<i64> = file[start..start + 40]
        .iter()
        .map(|byte| i64::from(*byte) - 1)
        .collect();
    let residue = |digit: &i64| {
        digit
            .rem_euclid(parameters.primes()[0] as i64)
            .to_le_bytes()
    };
    let needles = vec![
        file[start..start + 40].to_vec(),
        digits.iter().map(|digit| *digit as u8).collect(),
        digits
            .iter()
            .flat_map(|digit| digit.to_le_bytes())
            .collect(),
        digits.iter().flat_map(residue).collect(),
    ];
    NEEDLES.set(needles).unwrap();

    // The watch works: a block that holds the secret and is not wiped is found.
    drop(file.clone());
    assert_eq!(FOUND.swap(0, Ordering::Relaxed), 1);

    let read = SecretKey::read(&parameters, &mut &file[..]).unwrap();
    let mut again = Vec::with_capacity(SecretKey::wire_bytes(&parameters));
    read.write(&mut again).unwrap();
    assert!(again == file);
    let values = vec![0.5; parameters.slots()];
    let set = read.encrypt(&values, 1, 1_048_576.0).unwrap().expand();
    let decrypted = read.decrypt(&set).unwrap();
    assert!((decrypted[0] - 0.5).abs() < 1e-3);
    drop(ckks::EvaluationKey::generate(&read).unwrap());
    let rotations = [(1, 0), (77, 0)].into();
    drop(ckks::GaloisKeys::generate(&read, &rotations).unwrap());
    drop(read);
    drop(key);
    assert_eq!(
        FOUND.load(Ordering::Relaxed),
        0,
        "copies of the secret were freed"
    );
    // Kept to the end, so that they are not freed under watch: they are this test's own.
    std::mem::forget((file, again));
}
