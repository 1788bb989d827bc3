//! A slice of a linear map: some of its positions, or some of its inputs.
//!
//! Features are laid out `[channel, position]` where all groups have the same number of positions;
//! a part holds the same channels at fewer positions, in the same order. Weights and sums are those
//! of the whole map, so a part's outputs have the same residues.

use std::collections::BTreeSet;

use super::map::{Group, LinearMap, LinearMapError, PADDING};

/// A map at some of its positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSlice {
    /// From the channels at the positions that are read to the channels at the positions asked for.
    pub map: LinearMap,
    /// The input positions that it reads, in order.
    pub reads: Vec<u32>,
}

impl LinearMap {
    /// Number of positions of the outputs, each holding as many channels as any other; 1 where the
    /// groups do not agree on it.
    pub fn positions(&self) -> usize {
        let positions = self.groups().first().map_or(1, Group::positions);
        let agree = |group: &Group| {
            group.positions() == positions && group.out_start().is_multiple_of(positions)
        };
        if self.groups().iter().all(agree) {
            positions
        } else {
            1
        }
    }

    /// The input positions that every output position reads, of `inputs` positions.
    pub fn reads(&self, inputs: usize) -> Vec<BTreeSet<u32>> {
        let mut reads = vec![BTreeSet::new(); self.positions()];
        for group in self.groups() {
            let windows = group.gather().chunks_exact(group.taps());
            for (position, window) in windows.enumerate() {
                let taken = window.iter().filter(|&&input| input != PADDING);
                let of = position % reads.len();
                reads[of].extend(taken.map(|input| input % inputs as u32));
            }
        }
        reads
    }

    /// The map at some output positions (in order) of [`positions`](Self::positions), where inputs
    /// are laid out over `inputs` positions.
    ///
    /// # Errors
    /// If the inputs are not a whole number of positions, or a position does not exist.
    pub fn slice_positions(
        &self,
        inputs: usize,
        positions: &[u32],
    ) -> Result<MapSlice, LinearMapError> {
        let all = self.positions();
        let whole = self.inputs().checked_rem(inputs) == Some(0);
        let known = positions.iter().all(|&position| (position as usize) < all);
        if !(whole && known) || positions.is_empty() {
            return Err(LinearMapError::Length {
                name: "positions",
                expected: all,
                found: positions.len(),
            });
        }
        let of_group = |group: &Group| -> Vec<u32> {
            if group.positions() != all {
                return group.gather.clone();
            }
            let windows = positions.iter().flat_map(|&position| {
                &group.gather[position as usize * group.taps..][..group.taps]
            });
            windows.copied().collect()
        };
        let gathers: Vec<Vec<u32>> = self.groups().iter().map(of_group).collect();
        let taken = gathers.iter().flatten().filter(|&&input| input != PADDING);
        let reads: BTreeSet<u32> = taken.map(|input| input % inputs as u32).collect();
        // a map that reads nothing but padding has to have some input
        let reads: Vec<u32> = if reads.is_empty() {
            vec![0]
        } else {
            reads.into_iter().collect()
        };
        let mut place = vec![0; inputs];
        for (index, &position) in reads.iter().enumerate() {
            place[position as usize] = index;
        }
        let local = |input: u32| {
            if input == PADDING {
                return PADDING;
            }
            let (channel, position) = (input as usize / inputs, input as usize % inputs);
            (channel * reads.len() + place[position]) as u32
        };
        let mut groups = Vec::with_capacity(gathers.len());
        for (group, gather) in self.groups().iter().zip(gathers) {
            groups.push(Group::new(
                group.out_start() / all * positions.len(),
                group.rows(),
                group.taps(),
                group.weights().to_vec(),
                gather.into_iter().map(local).collect(),
            )?);
        }
        let channels = self.inputs() / inputs;
        Ok(MapSlice {
            map: Self::from_groups(
                channels * reads.len(),
                self.outputs() / all * positions.len(),
                groups,
            )?,
            reads,
        })
    }

    /// The part of every output's sum that some inputs make up, given in the order in which the
    /// part's inputs will come. The sums of all parts add up to those of the map.
    ///
    /// # Errors
    /// If an input does not exist or none is given.
    pub fn partial(&self, inputs: &[u32]) -> Result<Self, LinearMapError> {
        let mut place = vec![PADDING; self.inputs()];
        for (index, &input) in inputs.iter().enumerate() {
            match place.get_mut(input as usize) {
                Some(place) => *place = index as u32,
                None => {
                    return Err(LinearMapError::Gather {
                        group: 0,
                        entry: index,
                        index: input,
                        inputs: self.inputs(),
                    });
                }
            }
        }
        let local = |input: u32| place.get(input as usize).copied().unwrap_or(PADDING);
        let mut groups = Vec::with_capacity(self.groups().len());
        for group in self.groups() {
            let windows = || group.gather().chunks_exact(group.taps());
            let read = |tap: usize| windows().any(|window| local(window[tap]) != PADDING);
            let mut taps: Vec<usize> = (0..group.taps()).filter(|&tap| read(tap)).collect();
            if taps.is_empty() {
                taps.push(0);
            }
            let rows = group.weights().chunks_exact(group.taps());
            let weights = rows.flat_map(|row| taps.iter().map(|&tap| row[tap]));
            let gather = windows().flat_map(|window| taps.iter().map(|&tap| local(window[tap])));
            groups.push(Group::new(
                group.out_start(),
                group.rows(),
                taps.len(),
                weights.collect(),
                gather.collect(),
            )?);
        }
        Self::from_groups(inputs.len(), self.outputs(), groups)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::linear::{Convolution, SumPool};

    /// The values of all channels at some positions.
    fn at(values: &[i64], inputs: usize, positions: &[u32]) -> Vec<i64> {
        let channels = values.chunks_exact(inputs);
        channels
            .flat_map(|channel| positions.iter().map(|&position| channel[position as usize]))
            .collect()
    }

    #[test]
    fn a_part_computes_what_the_whole_does_there() {
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 2, 2)] {
            let shape = Convolution {
                in_channels: 3,
                out_channels: 4,
                kernel,
                stride,
                padding,
                height: 7,
                width: 6,
            };
            let weights = (0..12 * kernel * kernel).map(|i| (i * 7 % 23) as i16 - 11);
            let conv = LinearMap::convolution(&shape, weights.collect()).unwrap();
            let pool = SumPool {
                channels: 3,
                window: kernel,
                stride,
                height: 7,
                width: 6,
            };
            let pool = LinearMap::sum_pool(&pool).unwrap();
            let input: Vec<i64> = (0..126).map(|i| (i * 31 % 101) - 50).collect();
            for map in [conv, pool] {
                let all = map.positions();
                let whole = map.apply(&input).unwrap();
                for positions in [
                    vec![0],
                    vec![all as u32 - 1],
                    (0..all as u32).step_by(2).collect(),
                ] {
                    let part = map.slice_positions(42, &positions).unwrap();
                    let read = at(&input, 42, &part.reads);
                    let found = part.map.apply(&read).unwrap();
                    assert_eq!(found, at(&whole, all, &positions));
                }
                let mut sums = vec![0; whole.len()];
                let odd = (0..126u32).filter(|input| input % 3 == 1);
                let rest = (0..126u32).rev().filter(|input| input % 3 != 1);
                for inputs in [odd.collect::<Vec<_>>(), rest.collect()] {
                    let values = inputs.iter().map(|&i| input[i as usize]);
                    let part = map.partial(&inputs).unwrap();
                    let part = part.apply(&values.collect::<Vec<_>>()).unwrap();
                    for (sum, part) in sums.iter_mut().zip(part) {
                        *sum += part;
                    }
                }
                assert_eq!(sums, whole);
            }
        }
    }

    #[test]
    fn interior_parts_are_the_same_map() {
        let shape = Convolution {
            in_channels: 2,
            out_channels: 2,
            kernel: 3,
            stride: 1,
            padding: 1,
            height: 8,
            width: 8,
        };
        let map = LinearMap::convolution(&shape, vec![1; 36]).unwrap();
        let row = |y: u32| map.slice_positions(64, &(8 * y..8 * y + 8).collect::<Vec<_>>());
        assert_eq!(row(3).unwrap().map, row(4).unwrap().map);
        assert_ne!(row(0).unwrap().map, row(4).unwrap().map);
        assert_eq!(row(3).unwrap().reads, (16..40).collect::<Vec<_>>());
    }

    #[test]
    fn groups_that_disagree_have_one_position() {
        let groups = vec![
            Group::new(0, 1, 1, vec![1], vec![0, 1]).unwrap(),
            Group::new(2, 1, 1, vec![1], vec![1]).unwrap(),
        ];
        let map = LinearMap::from_groups(2, 3, groups).unwrap();
        assert_eq!(map.positions(), 1);
        assert_eq!(map.reads(1), vec![BTreeSet::from([0])]);
        assert_eq!(map.slice_positions(1, &[0]).unwrap().map, map);
        assert!(map.slice_positions(1, &[1]).is_err());
        assert!(map.partial(&[2]).is_err());
    }
}
