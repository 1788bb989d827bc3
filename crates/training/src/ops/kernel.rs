//! Our own loops in the engine's graph.
//!
//! An engine that evaluates one elementary operation after the other makes a pass over memory for each. The operations that
//! training spends its time in are written as loops over plain slices instead, forward and backward, behind one interface: a
//! [`Kernel`] takes a data matrix and a small matrix of parameters. This file is all that connects them with burn.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use std::fmt::Debug;
use std::sync::Arc;

/// A matrix in row-major order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    pub rows: usize,
    pub columns: usize,
    pub values: &'a [f32],
}

/// A matrix in row-major order, owned.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owned {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

/// A differentiable function of a data matrix and a parameter matrix.
pub(super) trait Kernel: Debug + Send + Sync + 'static {
    /// The function.
    fn forward(&self, x: Matrix<'_>, parameters: Matrix<'_>) -> Owned;

    /// From the gradient of the output, the gradients of `x` (asked for where `wants_x`) and of the parameters, each of their
    /// matrix's size.
    fn backward(
        &self,
        x: Matrix<'_>,
        parameters: Matrix<'_>,
        gradient: Matrix<'_>,
        wants_x: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>);
}

/// `kernel` as an operation of the engine.
pub(super) fn apply(kernel: impl Kernel, x: Tensor<2>, parameters: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Fused>::fused(
        x.into_dispatch(),
        parameters.into_dispatch(),
        Arc::new(kernel),
    ))
}

/// The extension of burn's backends by [`Kernel`]s.
#[backend_extension(Flex, Autodiff)]
pub(super) trait Fused: Backend {
    fn fused(
        x: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        kernel: Arc<dyn Kernel>,
    ) -> FloatTensor<Self>;
}

impl Fused for Flex {
    fn fused(x: FlexTensor, parameters: FlexTensor, kernel: Arc<dyn Kernel>) -> FlexTensor {
        forward(
            &x.to_contiguous(),
            &parameters.to_contiguous(),
            kernel.as_ref(),
        )
    }
}

impl<C: CheckpointStrategy> Fused for Autodiff<Flex, C> {
    fn fused(
        x: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        kernel: Arc<dyn Kernel>,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (parameters, parameters_node) = parameters.into_parts();
        let (x, parameters) = (x.to_contiguous(), parameters.to_contiguous());
        let y = forward(&x, &parameters, kernel.as_ref());
        match FusedBackward
            .prepare::<C>([x_node, parameters_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(operation) => operation.finish((x, parameters, kernel), y),
            OpsKind::UnTracked(operation) => operation.finish(y),
        }
    }
}

#[derive(Debug)]
struct FusedBackward;

impl Backward<Flex, 2> for FusedBackward {
    type State = (FlexTensor, FlexTensor, Arc<dyn Kernel>);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, parameters_node] = ops.parents;
        let (x, parameters, kernel) = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (x_gradient, parameters_gradient) = kernel.backward(
            matrix(&x),
            matrix(&parameters),
            matrix(&gradient),
            x_node.is_some(),
        );
        if let (Some(node), Some(values)) = (x_node, x_gradient) {
            gradients.register::<Flex>(node.id, like(&x, values));
        }
        if let Some(node) = parameters_node {
            gradients.register::<Flex>(node.id, like(&parameters, parameters_gradient));
        }
    }
}

fn forward(x: &FlexTensor, parameters: &FlexTensor, kernel: &dyn Kernel) -> FlexTensor {
    let y = kernel.forward(matrix(x), matrix(parameters));
    FlexTensor::from_data(TensorData::new(y.values, [y.rows, y.columns]))
}

fn like(tensor: &FlexTensor, values: Vec<f32>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, tensor.shape()))
}

fn matrix(tensor: &FlexTensor) -> Matrix<'_> {
    let shape = tensor.shape();
    Matrix {
        rows: shape[0],
        columns: shape[1],
        values: tensor.as_slice::<f32>().unwrap_or_default(),
    }
}

/// Rows that one task works on: enough to pay for it, few enough to stay in a core's cache. Fixed, and results of runs are put
/// together in their order, so that the same bits come out whatever the number of threads.
pub(super) const RUN: usize = 512;

/// Fills a matrix of the size of `x`, row by row.
pub(super) fn map_rows(x: Matrix<'_>, row: impl Fn(&[f32], &mut [f32]) + Sync) -> Vec<f32> {
    let mut y = vec![0.0; x.values.len()];
    let run = RUN * x.columns.max(1);
    y.par_chunks_mut(run)
        .zip(x.values.par_chunks(run))
        .for_each(|(y, x_run)| {
            for (y, x_row) in y
                .chunks_exact_mut(x.columns)
                .zip(x_run.chunks_exact(x.columns))
            {
                row(x_row, y);
            }
        });
    y
}

/// Adds up `count` numbers over all runs of rows: `run` adds those of the rows `range` of a matrix to the zeros it is given.
pub(super) fn sum_runs(
    rows: usize,
    count: usize,
    run: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) -> Vec<f64> {
    let partial: Vec<Vec<f32>> = (0..rows.div_ceil(RUN))
        .into_par_iter()
        .map(|index| {
            let mut sums = vec![0.0; count];
            run(index * RUN..rows.min((index + 1) * RUN), &mut sums);
            sums
        })
        .collect();
    let mut total = vec![0.0; count];
    for sums in partial {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += f64::from(sum);
        }
    }
    total
}

/// Checks of kernels against the engine's own operations.
#[cfg(test)]
pub(super) mod check {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use crate::graph::values;
    use burn::tensor::{Device, Tensor, TensorData};
    use cryptodl_model::{Purpose, generator, unit};

    /// A random matrix with entries in [-2, 2).
    pub fn random(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
        let mut random = generator(seed, Purpose::Weights, rows, columns);
        (0..rows * columns)
            .map(|_| (4.0 * unit(&mut random) - 2.0) as f32)
            .collect()
    }

    /// Asserts that both functions of the matrices `x` and `p` have the same value and, of a randomly weighted sum of their entries,
    /// the same gradients.
    pub fn same(
        x: (Vec<f32>, [usize; 2]),
        p: (Vec<f32>, [usize; 2]),
        ours: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
        theirs: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
    ) {
        let device = Device::flex().autodiff();
        let leaf = |(values, shape): &(Vec<f32>, [usize; 2])| {
            Tensor::<2>::from_data(TensorData::new(values.clone(), *shape), &device).require_grad()
        };
        let run = |function: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<2>| {
            let (x, p) = (leaf(&x), leaf(&p));
            let y = function(x.clone(), p.clone());
            let [rows, columns] = y.dims();
            let weights = Tensor::<2>::from_data(
                TensorData::new(random(rows, columns, 9), [rows, columns]),
                &device,
            );
            let gradients = (y.clone() * weights).sum().backward();
            [
                y.inner(),
                x.grad(&gradients).unwrap(),
                p.grad(&gradients).unwrap(),
            ]
            .map(|tensor| values(tensor).unwrap())
        };
        for ((ours, theirs), what) in
            run(&ours)
                .iter()
                .zip(run(&theirs))
                .zip(["value", "gradient of x", "gradient of p"])
        {
            let scale = theirs
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!(
                    (ours - theirs).abs() <= 2e-5 * (scale + 1.0),
                    "{what}: {ours} against {theirs}"
                );
            }
        }
    }

    /// Asserts that value and gradients are the same bits on one thread and on three.
    pub fn same_bits_on_any_threads(
        x: (Vec<f32>, [usize; 2]),
        p: (Vec<f32>, [usize; 2]),
        function: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2> + Sync,
    ) {
        let run = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap()
                .install(|| {
                    let device = Device::flex().autodiff();
                    let leaf = |(values, shape): &(Vec<f32>, [usize; 2])| {
                        Tensor::<2>::from_data(TensorData::new(values.clone(), *shape), &device)
                            .require_grad()
                    };
                    let (x, p) = (leaf(&x), leaf(&p));
                    let y = function(x.clone(), p.clone());
                    let gradients = y.clone().square().sum().backward();
                    [
                        y.inner(),
                        x.grad(&gradients).unwrap(),
                        p.grad(&gradients).unwrap(),
                    ]
                    .map(|tensor| values(tensor).unwrap())
                })
        };
        assert_eq!(run(1), run(3));
    }
}
