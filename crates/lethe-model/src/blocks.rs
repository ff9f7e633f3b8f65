//! The network's blocks: fused ones where the tensors are the processor's own memory, and the same in
//! burn's operations on every other device.

use std::sync::Arc;

use burn::tensor::activation::sigmoid;
use burn::tensor::{DType, Int, Tensor, TensorData};
use lethe_kernels::Precision;

/// `x wᵀ`: `[n, in]` and `[out, in]` to `[n, out]`.
pub(crate) fn linear(x: Tensor<2>, w: Tensor<2>, precision: Precision) -> Tensor<2> {
    if lethe_kernels::takes(&x.device()) {
        return lethe_kernels::linear(x, w, precision);
    }
    let rounded = |t: Tensor<2>| match precision {
        Precision::F32 => t,
        Precision::Bf16 => t.cast(DType::BF16).cast(DType::F32),
    };
    rounded(x).matmul(rounded(w).transpose())
}

/// `x (1 + w) / rms(x)` over the rows of `[n, width]`.
pub(crate) fn rms_norm(x: Tensor<2>, w: &Tensor<2>, eps: f64) -> Tensor<2> {
    if lethe_kernels::takes(&x.device()) {
        return lethe_kernels::rms_norm(x, w.clone(), eps);
    }
    let scale = (x.clone().square().mean_dim(1) + eps).sqrt().recip();
    x * scale * (w.clone() + 1.0)
}

/// `residual + rms_norm(x)`.
pub(crate) fn add_rms_norm(
    residual: Tensor<2>,
    x: Tensor<2>,
    w: &Tensor<2>,
    eps: f64,
) -> Tensor<2> {
    if lethe_kernels::takes(&x.device()) {
        lethe_kernels::add_rms_norm(residual, x, w.clone(), eps)
    } else {
        residual + rms_norm(x, w, eps)
    }
}

/// `gelu(gate) · up`, GELU in its tanh form, `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`, written with
/// the sigmoid: `1 + tanh(y) = 2 σ(2y)`.
pub(crate) fn geglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    const TWICE_ROOT: f64 = 2.0 * 0.797_884_560_802_865_4;
    if lethe_kernels::takes(&gate.device()) {
        return lethe_kernels::geglu(gate, up);
    }
    let inner = gate.clone() * (gate.clone().square() * (0.044_715 * TWICE_ROOT) + TWICE_ROOT);
    gate * sigmoid(inner) * up
}

/// Logarithms of probabilities from logits `[n, vocabulary]`.
pub(crate) fn log_softmax(logits: Tensor<2>) -> Tensor<2> {
    if lethe_kernels::takes(&logits.device()) {
        return lethe_kernels::log_softmax(logits);
    }
    // The maximum is a constant shift: without gradient it cancels.
    let shifted = logits.clone() - logits.detach().max_dim(1);
    let log_sum = shifted.clone().exp().sum_dim(1).log();
    shifted - log_sum
}

/// `−ln softmax(logits)[target]` of every row of `[n, vocabulary]`: `[n]`.
pub(crate) fn token_losses(logits: Tensor<2>, targets: &[i32]) -> Tensor<1> {
    if lethe_kernels::takes(&logits.device()) {
        let targets: Arc<[u32]> = targets.iter().map(|t| t.cast_unsigned()).collect();
        return lethe_kernels::token_losses(logits, targets);
    }
    let n = targets.len();
    let targets = TensorData::new(targets.to_vec(), [n, 1]);
    let targets = Tensor::<2, Int>::from_data(targets, &logits.device());
    let shifted = logits.clone() - logits.detach().max_dim(1);
    let log_sum = shifted.clone().exp().sum_dim(1).log();
    (log_sum - shifted.gather(1, targets)).reshape([n])
}
