//! The gated feed-forward's middle (arXiv 2002.05202): `gelu(gate) · up`, GELU in its tanh form
//! (arXiv 1606.08415), written with the sigmoid: `½ (1 + tanh y) = σ(2y)`.

use crate::wide::{sigmoid, wide};

/// `2 √(2/π)`.
const TWICE_ROOT: f32 = 1.595_769_2;
const CUBE: f32 = 0.044_715;

/// `σ(2y)` of `y = √(2/π) (x + 0.044715 x³)`, and `d(2y)/dx`.
#[inline(always)]
fn inner(x: f32) -> (f32, f32) {
    let square = CUBE * x * x;
    let s = sigmoid(TWICE_ROOT * x * (1.0 + square));
    (s, TWICE_ROOT * (1.0 + 3.0 * square))
}

wide! {
    /// `out = gelu(gate) · up`.
    fn forward(gate: &[f32], up: &[f32], out: &mut [f32]) {
        for ((out, &x), &up) in out.iter_mut().zip(gate).zip(up) {
            *out = x * inner(x).0 * up;
        }
    }
}

wide! {
    /// From the output's gradient, those of both inputs.
    fn backward(gate: &[f32], up: &[f32], g: &[f32], dgate: &mut [f32], dup: &mut [f32]) {
        let inputs = gate.iter().zip(up).zip(g);
        for (((&x, &up), &g), (dgate, dup)) in inputs.zip(dgate.iter_mut().zip(dup.iter_mut())) {
            let (s, slope) = inner(x);
            *dgate = g * up * (s + x * s * (1.0 - s) * slope);
            *dup = g * x * s;
        }
    }
}
