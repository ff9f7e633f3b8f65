//! The operations as burn's autodiff sees them.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor, TensorData};
use half::bf16;
use rayon::prelude::*;

use crate::attention::{Attention, Inputs, KvCache};
use crate::gemm::{self, Matrix, is_sequential};
use crate::{Precision, geglu, loss, norm};

/// What the network is made of; matrices are `[rows, columns]`.
#[backend_extension(Flex, Autodiff)]
pub trait Blocks: Backend {
    /// `x wᵀ`.
    fn linear(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self>;

    /// `x (1 + w) / rms(x)` for every row.
    fn rms_norm(x: FloatTensor<Self>, w: FloatTensor<Self>, eps: f32) -> FloatTensor<Self>;

    /// `residual + x (1 + w) / rms(x)` for every row.
    fn add_rms_norm(
        residual: FloatTensor<Self>,
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self>;

    /// `gelu(gate) · up`.
    fn geglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Attention from projected queries, keys and values and the norms of the first two.
    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        q_norm: FloatTensor<Self>,
        k_norm: FloatTensor<Self>,
        attention: Attention,
    ) -> FloatTensor<Self>;

    /// `−ln softmax(logits)[target]` of every row: `[rows, 1]`.
    fn token_losses(logits: FloatTensor<Self>, targets: Arc<[u32]>) -> FloatTensor<Self>;

    /// `ln softmax(logits)` of every row.
    fn log_softmax(logits: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// A matrix whose rows follow each other in memory.
struct Rows {
    tensor: FlexTensor,
    rows: usize,
    columns: usize,
}

impl Rows {
    fn of(tensor: &FlexTensor) -> Rows {
        let shape = tensor.shape();
        assert_eq!(shape.num_dims(), 2, "the blocks take matrices");
        Rows {
            tensor: tensor.to_contiguous(),
            rows: shape[0],
            columns: shape[1],
        }
    }

    fn values(&self) -> &[f32] {
        let values = self.tensor.as_slice::<f32>();
        let Some(values) = values else {
            unreachable!(
                "a contiguous tensor of f32, not of {:?}",
                self.tensor.dtype()
            );
        };
        values
    }

    fn matrix(&self) -> Matrix<'_> {
        Matrix::new(self.values(), self.rows, self.columns, self.columns)
    }

    fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }
}

fn tensor(values: Vec<f32>, shape: [usize; 2]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::new(shape)))
}

/// `a b`, by our own kernel where the processor has the instructions. Where it has none for `bf16`,
/// the rounded operands are multiplied in `f32`: the same products, added in another order.
fn product(precision: Precision, a: &FlexTensor, b: &FlexTensor, turned: [bool; 2]) -> FlexTensor {
    if precision == Precision::Bf16 && !gemm::is_native(precision) {
        return product(Precision::F32, &rounded(a), &rounded(b), turned);
    }
    if !gemm::is_native(precision) {
        let turn = |m: &FlexTensor, turned: bool| match turned {
            true => m.transpose(0, 1),
            false => m.clone(),
        };
        return Flex::float_matmul(turn(a, turned[0]), turn(b, turned[1]));
    }
    let (a, b) = (Rows::of(a), Rows::of(b));
    fn view(m: &Rows, turned: bool) -> Matrix<'_> {
        match turned {
            true => m.matrix().transposed(),
            false => m.matrix(),
        }
    }
    let rows = if turned[0] { a.columns } else { a.rows };
    let columns = if turned[1] { b.rows } else { b.columns };
    let (a, b) = (view(&a, turned[0]), view(&b, turned[1]));
    tensor(gemm::product(precision, a, b), [rows, columns])
}

/// Every number as the nearest `bf16`, ties to even.
fn rounded(t: &FlexTensor) -> FlexTensor {
    let t = Rows::of(t);
    let values = t.values().iter().map(|&x| bf16::from_f32(x).to_f32());
    tensor(values.collect(), t.shape())
}

/// Where work on rows is cut so that several threads share it; results do not depend on it.
fn row_parts(rows: usize, columns: usize) -> usize {
    const WORTH_A_THREAD: usize = 1 << 16;
    if is_sequential() || rows * columns < WORTH_A_THREAD {
        rows.max(1)
    } else {
        rows.div_ceil(rayon::current_num_threads()).max(1)
    }
}

impl Blocks for Flex {
    fn linear(x: FlexTensor, w: FlexTensor, precision: Precision) -> FlexTensor {
        product(precision, &x, &w, [false, true])
    }

    fn rms_norm(x: FlexTensor, w: FlexTensor, eps: f32) -> FlexTensor {
        let (x, w) = (Rows::of(&x), Rows::of(&w));
        let mut out = vec![0.0; x.values().len()];
        let part = row_parts(x.rows, x.columns) * x.columns;
        let parts = x.values().par_chunks(part).zip(out.par_chunks_mut(part));
        parts.for_each(|(x, out)| norm::add(x, w.values(), eps, out));
        tensor(out, x.shape())
    }

    fn add_rms_norm(residual: FlexTensor, x: FlexTensor, w: FlexTensor, eps: f32) -> FlexTensor {
        let (residual, x, w) = (Rows::of(&residual), Rows::of(&x), Rows::of(&w));
        let mut out = residual.values().to_vec();
        let part = row_parts(x.rows, x.columns) * x.columns;
        let parts = x.values().par_chunks(part).zip(out.par_chunks_mut(part));
        parts.for_each(|(x, out)| norm::add(x, w.values(), eps, out));
        tensor(out, x.shape())
    }

    fn geglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        let (gate, up) = (Rows::of(&gate), Rows::of(&up));
        let mut out = vec![0.0; gate.values().len()];
        let part = row_parts(gate.rows, gate.columns) * gate.columns;
        let inputs = gate
            .values()
            .par_chunks(part)
            .zip(up.values().par_chunks(part));
        let parts = inputs.zip(out.par_chunks_mut(part));
        parts.for_each(|((gate, up), out)| geglu::forward(gate, up, out));
        tensor(out, gate.shape())
    }

    fn attention(
        q: FlexTensor,
        k: FlexTensor,
        v: FlexTensor,
        q_norm: FlexTensor,
        k_norm: FlexTensor,
        attention: Attention,
    ) -> FlexTensor {
        let inputs = [q, k, v, q_norm, k_norm].map(|t| Rows::of(&t));
        let shape = inputs[0].shape();
        tensor(attention.forward(attention_inputs(&inputs)), shape)
    }

    fn token_losses(logits: FlexTensor, targets: Arc<[u32]>) -> FlexTensor {
        let logits = Rows::of(&logits);
        losses(&logits, log_sums(&logits), &targets)
    }

    fn log_softmax(logits: FlexTensor) -> FlexTensor {
        let logits = Rows::of(&logits);
        let log_sums = log_sums(&logits);
        let mut out = vec![0.0; logits.values().len()];
        let rows = row_parts(logits.rows, logits.columns);
        let part = rows * logits.columns.max(1);
        let parts = logits
            .values()
            .par_chunks(part)
            .zip(out.par_chunks_mut(part));
        parts
            .zip(log_sums.par_chunks(rows))
            .for_each(|((z, out), sums)| {
                loss::log_softmax(z, sums, out);
            });
        tensor(out, logits.shape())
    }
}

fn attention_inputs(inputs: &[Rows; 5]) -> Inputs<'_> {
    let [q, k, v, q_norm, k_norm] = inputs.each_ref().map(Rows::values);
    Inputs {
        q,
        k,
        v,
        q_norm,
        k_norm,
    }
}

/// A tensor's own memory.
///
/// # Panics
/// For one with gradients, and one of another backend.
pub(crate) fn plain(t: Tensor<2>) -> FlexTensor {
    match t.try_into_primitive::<Flex>() {
        Ok(t) => t,
        Err(error) => unreachable!("a tensor of the processor, without gradients: {error:?}"),
    }
}

/// See [`crate::continued_attention`].
pub(crate) fn continued(
    inputs: [FlexTensor; 5],
    attention: &Attention,
    cache: &mut KvCache,
    past: usize,
    left_pad: &[usize],
) -> Tensor<2> {
    let inputs = inputs.map(|t| Rows::of(&t));
    let out = attention.continued(attention_inputs(&inputs), cache, past, left_pad);
    Tensor::from_primitive::<Flex>(tensor(out, inputs[0].shape()))
}

/// `ln Σ eᶻ` of every row.
fn log_sums(logits: &Rows) -> Vec<f32> {
    let mut out = vec![0.0; logits.rows];
    let width = logits.columns.max(1);
    let rows = row_parts(logits.rows, logits.columns);
    let parts = logits
        .values()
        .par_chunks(rows * width)
        .zip(out.par_chunks_mut(rows));
    parts.for_each(|(z, out)| loss::log_sum_exp(z, width, out));
    out
}

/// `ln Σ eᶻ − z[target]` of every row, from the rows' `ln Σ eᶻ`.
fn losses(logits: &Rows, log_sums: Vec<f32>, targets: &[u32]) -> FlexTensor {
    let mut losses = log_sums;
    let rows = logits.values().chunks_exact(logits.columns.max(1));
    for ((loss, row), &target) in losses.iter_mut().zip(rows).zip(targets) {
        *loss -= row[target as usize];
    }
    tensor(losses, [logits.rows, 1])
}

/// How an operation leads back: from what it kept and the gradient of its result, those of its inputs,
/// where they are wanted.
type Back<S, const N: usize> = fn(S, FlexTensor, [bool; N]) -> [Option<FlexTensor>; N];

#[derive(Debug)]
struct Step<S, const N: usize>(Back<S, N>);

impl<S, const N: usize> Backward<Flex, N> for Step<S, N>
where
    S: Clone + Send + Sync + std::fmt::Debug + 'static,
{
    type State = S;

    fn backward(self, ops: Ops<S, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = (self.0)(ops.state, g, wanted);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

/// An operation that autodiff can follow: `forward` gives its result and what `back` needs.
fn tracked<C, S, const N: usize>(
    inputs: [FloatTensor<Autodiff<Flex, C>>; N],
    forward: impl FnOnce([FlexTensor; N]) -> (FlexTensor, S),
    back: Back<S, N>,
) -> FloatTensor<Autodiff<Flex, C>>
where
    S: Clone + Send + Sync + std::fmt::Debug + 'static,
    C: CheckpointStrategy,
{
    let nodes = inputs.each_ref().map(|input| input.node());
    let (output, state) = forward(inputs.map(|input| input.into_primitive()));
    match Step(back).prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

impl<C: CheckpointStrategy> Blocks for Autodiff<Flex, C> {
    fn linear(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        tracked::<C, _, _>(
            [x, w],
            |[x, w]| {
                let y = Flex::linear(x.clone(), w.clone(), precision);
                (y, (x, w, precision))
            },
            |(x, w, precision), g, [of_x, of_w]| {
                [
                    of_x.then(|| product(precision, &g, &w, [false, false])),
                    of_w.then(|| product(precision, &g, &x, [true, false])),
                ]
            },
        )
    }

    fn rms_norm(x: FloatTensor<Self>, w: FloatTensor<Self>, eps: f32) -> FloatTensor<Self> {
        tracked::<C, _, _>(
            [x, w],
            |[x, w]| (Flex::rms_norm(x.clone(), w.clone(), eps), (x, w, eps)),
            |(x, w, eps), g, _| rms_norm_backward(&x, &w, eps, &g).map(Some),
        )
    }

    fn add_rms_norm(
        residual: FloatTensor<Self>,
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        tracked::<C, _, _>(
            [residual, x, w],
            |[residual, x, w]| {
                let sum = Flex::add_rms_norm(residual, x.clone(), w.clone(), eps);
                (sum, (x, w, eps))
            },
            |(x, w, eps), g, _| {
                let [dx, dw] = rms_norm_backward(&x, &w, eps, &g);
                [g, dx, dw].map(Some)
            },
        )
    }

    fn geglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        tracked::<C, _, _>(
            [gate, up],
            |[gate, up]| (Flex::geglu(gate.clone(), up.clone()), (gate, up)),
            |(gate, up), g, _| {
                let [gate, up, g] = [gate, up, g].map(|t| Rows::of(&t));
                let mut dgate = vec![0.0; g.values().len()];
                let mut dup = vec![0.0; g.values().len()];
                let part = row_parts(g.rows, g.columns) * g.columns;
                let inputs = gate
                    .values()
                    .par_chunks(part)
                    .zip(up.values().par_chunks(part));
                let outputs = dgate.par_chunks_mut(part).zip(dup.par_chunks_mut(part));
                let parts = inputs.zip(g.values().par_chunks(part)).zip(outputs);
                parts.for_each(|(((gate, up), g), (dgate, dup))| {
                    geglu::backward(gate, up, g, dgate, dup);
                });
                [dgate, dup].map(|gradient| Some(tensor(gradient, g.shape())))
            },
        )
    }

    fn attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        q_norm: FloatTensor<Self>,
        k_norm: FloatTensor<Self>,
        attention: Attention,
    ) -> FloatTensor<Self> {
        tracked::<C, _, _>(
            [q, k, v, q_norm, k_norm],
            |inputs| {
                let [q, k, v, q_norm, k_norm] = inputs.clone();
                let out = Flex::attention(q, k, v, q_norm, k_norm, attention.clone());
                (out, (inputs, attention))
            },
            |(inputs, attention), g, _| {
                let inputs = inputs.map(|t| Rows::of(&t));
                let d = attention.backward(attention_inputs(&inputs), Rows::of(&g).values());
                let mut shapes = inputs.iter().map(Rows::shape);
                [d.q, d.k, d.v, d.q_norm, d.k_norm]
                    .map(|gradient| Some(tensor(gradient, shapes.next()?)))
            },
        )
    }

    fn token_losses(logits: FloatTensor<Self>, targets: Arc<[u32]>) -> FloatTensor<Self> {
        tracked::<C, _, _>(
            [logits],
            |[logits]| {
                let rows = Rows::of(&logits);
                let log_sums = log_sums(&rows);
                let losses = losses(&rows, log_sums.clone(), &targets);
                (losses, (logits, log_sums, targets))
            },
            |(logits, log_sums, targets), g, _| {
                let (logits, g) = (Rows::of(&logits), Rows::of(&g));
                let mut out = vec![0.0; logits.values().len()];
                let rows = row_parts(logits.rows, logits.columns);
                let part = rows * logits.columns;
                let columns = logits
                    .values()
                    .par_chunks(part)
                    .zip(out.par_chunks_mut(part));
                let of_rows = log_sums.par_chunks(rows).zip(targets.par_chunks(rows));
                let parts = columns.zip(of_rows).zip(g.values().par_chunks(rows));
                parts.for_each(|(((z, out), (sums, targets)), g)| {
                    loss::token_losses_backward(z, sums, targets, g, out);
                });
                [Some(tensor(out, logits.shape()))]
            },
        )
    }

    fn log_softmax(logits: FloatTensor<Self>) -> FloatTensor<Self> {
        tracked::<C, _, _>(
            [logits],
            |[logits]| {
                let y = Flex::log_softmax(logits);
                (y.clone(), y)
            },
            |y, g, _| {
                let (y, g) = (Rows::of(&y), Rows::of(&g));
                let mut out = vec![0.0; y.values().len()];
                let columns = y.columns;
                let part = row_parts(y.rows, columns) * columns;
                let inputs = y.values().par_chunks(part).zip(g.values().par_chunks(part));
                let parts = inputs.zip(out.par_chunks_mut(part));
                parts.for_each(|((y, g), out)| {
                    loss::log_softmax_backward(y, columns, g, out);
                });
                [Some(tensor(out, y.shape()))]
            },
        )
    }
}

fn rms_norm_backward(x: &FlexTensor, w: &FlexTensor, eps: f32, g: &FlexTensor) -> [FlexTensor; 2] {
    let (x, w, g) = (Rows::of(x), Rows::of(w), Rows::of(g));
    let mut dx = vec![0.0; x.values().len()];
    let mut dw = vec![0.0; x.columns];
    norm::backward(x.values(), w.values(), eps, g.values(), &mut dx, &mut dw);
    [tensor(dx, x.shape()), tensor(dw, w.shape())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_without_its_instruction_gives_the_same_products() {
        if !gemm::is_native(Precision::Bf16) {
            return;
        }
        let numbers =
            |n: usize, step: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * step).sin()).collect() };
        let (a, b) = (
            tensor(numbers(37 * 50, 0.7), [37, 50]),
            tensor(numbers(41 * 50, 0.3), [41, 50]),
        );
        let turned = [false, true];
        let with = product(Precision::Bf16, &a, &b, turned);
        let without = product(Precision::F32, &rounded(&a), &rounded(&b), turned);
        let plain = product(Precision::F32, &a, &b, turned);
        let furthest = |x: &FlexTensor, y: &FlexTensor| {
            let (x, y) = (Rows::of(x), Rows::of(y));
            let pairs = x.values().iter().zip(y.values());
            pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
        };
        assert!(furthest(&with, &without) < 1e-5);
        assert!(furthest(&plain, &without) > 1e-3, "rounding is visible");
    }
}
