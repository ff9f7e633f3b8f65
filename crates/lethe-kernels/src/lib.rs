//! The blocks of a transformer on a CPU: fused operations with hand-written gradients for burn's
//! flex backend.
//!
//! **In and out:** burn tensors, with or without gradients, on a device that [`takes`] them. What
//! the same network costs when it is written in burn's own operations is mostly memory traffic: a
//! norm is seven of them, each with a result that is kept for the backward pass. Here a norm, a
//! gate, attention or a loss is one pass forward and one back over each row, keeps its inputs only,
//! and products of matrices run near the processor's peak ([`linear`], `gemm.rs`).
//!
//! * [`linear`], [`rms_norm`], [`add_rms_norm`], [`geglu`], [`attention`], [`token_losses`],
//!   [`log_softmax`]: the operations; [`continued_attention`] with a [`KvCache`] to generate with. Their tests compare values and gradients with the same thing
//!   written in burn's operations.
//! * [`Precision`]: whether a dense layer's operands are rounded to `bf16`.
//! * [`sequential`]: for callers that keep all cores busy themselves.
//!
//! The one crate with unsafe code: products need the processor's own instructions
//! (`cargo bench -p lethe-kernels` compares them with burn's).

mod attention;
mod blocks;
mod geglu;
mod gemm;
mod loss;
mod norm;
mod wide;

use std::sync::Arc;

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::blocks::Blocks;

pub use attention::{Angles, Attention, KvCache};
pub use gemm::{is_native, sequential};

/// In what precision the operands of a dense layer's products are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// `f32`.
    #[default]
    F32,
    /// Rounded to `bf16`, multiplied and added in `f32`; weights, gradients, norms, attention and
    /// losses stay in `f32`. A product takes half the time on a processor with AVX512-BF16, and
    /// longer than in `f32` elsewhere.
    Bf16,
}

/// Whether tensors of this device can be given to the operations here.
#[must_use]
pub fn takes(device: &Device) -> bool {
    fn flex(device: &DispatchDevice) -> bool {
        match device {
            DispatchDevice::Flex(_) => true,
            DispatchDevice::Autodiff(device) => flex(device),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
    flex(device.as_dispatch())
}

/// A dense layer, `x wᵀ`: `[n, in]` and `[out, in]` to `[n, out]`.
///
/// # Panics
/// As every operation here, for a device that is not [taken](takes) and for shapes that do not fit.
#[must_use]
pub fn linear(x: Tensor<2>, w: Tensor<2>, precision: Precision) -> Tensor<2> {
    let (x, w) = (x.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Blocks>::linear(x, w, precision))
}

/// RMSNorm with Gemma's factor, `x (1 + w) / √(mean(x²) + eps)` over the rows of `[n, width]`; `w`
/// is `[1, width]`.
#[must_use]
pub fn rms_norm(x: Tensor<2>, w: Tensor<2>, eps: f64) -> Tensor<2> {
    let (x, w) = (x.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Blocks>::rms_norm(x, w, eps as f32))
}

/// `residual` plus the [`rms_norm`] of `x`, `[n, width]` both.
#[must_use]
pub fn add_rms_norm(residual: Tensor<2>, x: Tensor<2>, w: Tensor<2>, eps: f64) -> Tensor<2> {
    let (residual, x, w) = (
        residual.into_dispatch(),
        x.into_dispatch(),
        w.into_dispatch(),
    );
    Tensor::from_dispatch(<Dispatch as Blocks>::add_rms_norm(
        residual, x, w, eps as f32,
    ))
}

/// `gelu(gate) · up`, with GELU in its tanh form; `[n, width]` all.
#[must_use]
pub fn geglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let (gate, up) = (gate.into_dispatch(), up.into_dispatch());
    Tensor::from_dispatch(<Dispatch as Blocks>::geglu(gate, up))
}

/// Attention: projected queries `[batch · tokens, heads · head_dim]`, keys and values `[batch ·
/// tokens, kv_heads · head_dim]`, the weights of the norms of queries and keys, `[1, head_dim]`.
/// Gives `[batch · tokens, heads · head_dim]`. Every sequence begins at position 0; there is no
/// padding on the left.
#[must_use]
pub fn attention(
    [q, k, v]: [Tensor<2>; 3],
    [q_norm, k_norm]: [Tensor<2>; 2],
    attention: Attention,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Blocks>::attention(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        q_norm.into_dispatch(),
        k_norm.into_dispatch(),
        attention,
    ))
}

/// The same for tokens that follow `past` others, whose keys and values are in `cache`; those of the
/// new tokens are put there. The first `left_pad` slots of a sequence are padding: position 0 is the
/// slot after them. `attention.angles` must reach over the cache's capacity.
///
/// # Panics
/// Also for tensors with gradients: nothing leads back through a cache.
#[must_use]
pub fn continued_attention(
    qkv: [Tensor<2>; 3],
    norms: [Tensor<2>; 2],
    attention: &Attention,
    cache: &mut KvCache,
    past: usize,
    left_pad: &[usize],
) -> Tensor<2> {
    let [q, k, v] = qkv.map(blocks::plain);
    let [q_norm, k_norm] = norms.map(blocks::plain);
    blocks::continued([q, k, v, q_norm, k_norm], attention, cache, past, left_pad)
}

/// Negative log-likelihoods (nats) of one target a row of `[n, vocabulary]`: `[n]`.
///
/// # Panics
/// When there are not `n` targets, or one is outside the vocabulary.
#[must_use]
pub fn token_losses(logits: Tensor<2>, targets: Arc<[u32]>) -> Tensor<1> {
    let [n, size] = logits.dims();
    assert!(targets.len() == n && targets.iter().all(|&t| (t as usize) < size));
    let losses = <Dispatch as Blocks>::token_losses(logits.into_dispatch(), targets);
    Tensor::<2>::from_dispatch(losses).reshape([n])
}

/// Logarithms of probabilities (nats) from logits `[n, vocabulary]`.
#[must_use]
pub fn log_softmax(logits: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as Blocks>::log_softmax(logits.into_dispatch()))
}
