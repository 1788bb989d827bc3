//! An order of images that mixes the classes evenly.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The indices of `labels` in an order whose every beginning has the classes in the shares that they have in the whole, as nearly as whole
/// images allow. Within a class the order is drawn from the seed.
pub(super) fn mixed(labels: &[u16], seed: u64, salt: u64) -> Vec<usize> {
    let classes = labels
        .iter()
        .max()
        .map_or(0, |label| usize::from(*label) + 1);
    let mut members = vec![Vec::new(); classes];
    for (index, label) in labels.iter().enumerate() {
        members[usize::from(*label)].push(index);
    }
    let mut material = seed.to_le_bytes().to_vec();
    material.extend(salt.to_le_bytes());
    let key = blake3::derive_key("cryptodl images in files, order, 1", &material);
    let mut random = ChaCha8Rng::from_seed(key);
    // (2 rank + 1) / (2 members): where in the whole an image of its class belongs.
    let mut places = Vec::with_capacity(labels.len());
    for (class, members) in members.iter_mut().enumerate() {
        // Fisher and Yates, on numbers that are the same in every version of the random number crates.
        for last in (1..members.len()).rev() {
            let other = random.next_u64() % (last as u64 + 1);
            members.swap(last, other as usize);
        }
        let of = members.len() as u64;
        let ranks = members.iter().zip(0_u64..);
        places.extend(ranks.map(|(index, rank)| (2 * rank + 1, of, class, *index)));
    }
    places.sort_unstable_by(|a, b| {
        let fraction =
            (u128::from(a.0) * u128::from(b.1)).cmp(&(u128::from(b.0) * u128::from(a.1)));
        fraction.then(a.2.cmp(&b.2))
    });
    places.into_iter().map(|place| place.3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_beginning_has_its_share_of_every_class() {
        let labels: Vec<u16> = (0..400).map(|index| u16::from(index % 4 == 0)).collect();
        let order = mixed(&labels, 7, 0);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..400).collect::<Vec<_>>());
        for n in 1..=400 {
            let ones = order[..n]
                .iter()
                .filter(|index| labels[**index] == 1)
                .count();
            assert!((ones as f64 - n as f64 / 4.0).abs() <= 1.0, "{ones} of {n}");
        }
        assert_eq!(order, mixed(&labels, 7, 0));
        assert_ne!(order, mixed(&labels, 8, 0));
        assert_ne!(order, mixed(&labels, 7, 1));
    }
}
