//! Our own kernels in the engine's graph.
//!
//! An engine that evaluates one elementary operation after the other makes a pass over memory for each. The operations that
//! training spends its time in are functions of plain slices instead, forward and backward, behind one interface: a [`Kernel`]
//! takes a feature map, in f32 or in bf16, and a small matrix of parameters in f32. This file is all that connects them with burn.

use super::memory::{MapEntry, give};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Tensor, TensorData};
use nhwc::bf16;
use std::fmt::Debug;
use std::sync::Arc;

/// A matrix in row-major order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a, T = f32> {
    pub rows: usize,
    pub columns: usize,
    pub values: &'a [T],
}

/// A matrix in row-major order, owned.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owned<T = f32> {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<T>,
}

/// A differentiable function of a feature map and a parameter matrix, for maps of either precision.
pub(super) trait Kernel: Debug + Send + Sync + 'static {
    /// The function.
    fn forward<T: MapEntry>(&self, x: Matrix<'_, T>, parameters: Matrix<'_>) -> Owned<T>;

    /// From the gradient of the output, the gradients of `x` (asked for where `wants_x`) and of the parameters, each of their
    /// matrix's size.
    fn backward<T: MapEntry>(
        &self,
        x: Matrix<'_, T>,
        parameters: Matrix<'_>,
        gradient: Matrix<'_, T>,
        wants_x: bool,
    ) -> (Option<Vec<T>>, Vec<f32>);
}

/// What the engine sees of a kernel: a function of two tensors, and their gradients.
pub(super) trait Differentiable: Debug + Send + Sync {
    fn forward(&self, x: &FlexTensor, parameters: &FlexTensor) -> FlexTensor;

    fn backward(
        &self,
        x: &FlexTensor,
        parameters: &FlexTensor,
        gradient: &FlexTensor,
        wants_x: bool,
    ) -> (Option<FlexTensor>, FlexTensor);
}

/// A kernel for the type of a tensor's entries, which is known only when it runs.
#[derive(Debug)]
struct Typed<K>(K);

impl<K: Kernel> Typed<K> {
    fn forward_in<T: MapEntry>(&self, x: &FlexTensor, parameters: &FlexTensor) -> FlexTensor {
        let y = self.0.forward::<T>(matrix(x), matrix(parameters));
        FlexTensor::from_data(TensorData::new(y.values, [y.rows, y.columns]))
    }

    fn backward_in<T: MapEntry>(
        &self,
        x: &FlexTensor,
        parameters: &FlexTensor,
        gradient: &FlexTensor,
        wants_x: bool,
    ) -> (Option<FlexTensor>, FlexTensor) {
        let (x_gradient, parameters_gradient) =
            self.0
                .backward::<T>(matrix(x), matrix(parameters), matrix(gradient), wants_x);
        (
            x_gradient.map(|values| like(x, values)),
            like(parameters, parameters_gradient),
        )
    }
}

impl<K: Kernel> Differentiable for Typed<K> {
    fn forward(&self, x: &FlexTensor, parameters: &FlexTensor) -> FlexTensor {
        match x.dtype() {
            DType::BF16 => self.forward_in::<bf16>(x, parameters),
            _ => self.forward_in::<f32>(x, parameters),
        }
    }

    fn backward(
        &self,
        x: &FlexTensor,
        parameters: &FlexTensor,
        gradient: &FlexTensor,
        wants_x: bool,
    ) -> (Option<FlexTensor>, FlexTensor) {
        match x.dtype() {
            DType::BF16 => self.backward_in::<bf16>(x, parameters, gradient, wants_x),
            _ => self.backward_in::<f32>(x, parameters, gradient, wants_x),
        }
    }
}

/// `kernel` as an operation of the engine.
pub(super) fn apply(kernel: impl Kernel, x: Tensor<2>, parameters: Tensor<2>) -> Tensor<2> {
    let kernel: Arc<dyn Differentiable> = Arc::new(Typed(kernel));
    Tensor::from_dispatch(<Dispatch as Fused>::fused(
        x.into_dispatch(),
        parameters.into_dispatch(),
        kernel,
    ))
}

/// The extension of burn's backends by kernels.
#[backend_extension(Flex, Autodiff)]
pub(super) trait Fused: Backend {
    fn fused(
        x: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        kernel: Arc<dyn Differentiable>,
    ) -> FloatTensor<Self>;
}

impl Fused for Flex {
    fn fused(x: FlexTensor, parameters: FlexTensor, kernel: Arc<dyn Differentiable>) -> FlexTensor {
        let x = contiguous(x);
        let y = kernel.forward(&x, &contiguous(parameters));
        keep(x);
        y
    }
}

impl<C: CheckpointStrategy> Fused for Autodiff<Flex, C> {
    fn fused(
        x: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        kernel: Arc<dyn Differentiable>,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (parameters, parameters_node) = parameters.into_parts();
        let (x, parameters) = (contiguous(x), contiguous(parameters));
        let y = kernel.forward(&x, &parameters);
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
    type State = (FlexTensor, FlexTensor, Arc<dyn Differentiable>);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, parameters_node] = ops.parents;
        let (x, parameters, kernel) = ops.state;
        let gradient = contiguous(gradients.consume::<Flex>(&ops.node));
        let (x_gradient, parameters_gradient) =
            kernel.backward(&x, &parameters, &gradient, x_node.is_some());
        keep(gradient);
        keep(x);
        if let (Some(node), Some(x_gradient)) = (x_node, x_gradient) {
            gradients.register::<Flex>(node.id, x_gradient);
        }
        if let Some(node) = parameters_node {
            gradients.register::<Flex>(node.id, parameters_gradient);
        }
    }
}

/// Consumes the tensor, so that nothing shares the memory of the one that it becomes.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// Keeps the memory of a map that is no longer used.
fn keep(map: FlexTensor) {
    match map.dtype() {
        DType::F32 => give::<f32>(map),
        DType::BF16 => give::<bf16>(map),
        _ => {}
    }
}

fn like<T: MapEntry>(tensor: &FlexTensor, values: Vec<T>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, tensor.shape()))
}

fn matrix<T: MapEntry>(tensor: &FlexTensor) -> Matrix<'_, T> {
    let shape = tensor.shape();
    Matrix {
        rows: shape[0],
        columns: shape[1],
        values: tensor.as_slice::<T>().unwrap_or_default(),
    }
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
