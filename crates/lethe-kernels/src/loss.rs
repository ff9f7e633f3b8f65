//! Logarithms of probabilities over a vocabulary.

use crate::wide::{exp, maximum, sum, wide};

wide! {
    /// `ln Σ eᶻ` of every row of `width` logits.
    fn log_sum_exp(logits: &[f32], width: usize, out: &mut [f32]) {
        for (z, out) in logits.chunks_exact(width).zip(out.iter_mut()) {
            let top = maximum(z);
            *out = top + sum(z, |z| exp(z - top)).ln();
        }
    }
}

wide! {
    /// From the gradients of `ln Σ eᶻ − z[target]`, those of the logits: `g (softmax(z) − 1[target])`.
    fn token_losses_backward(
        logits: &[f32],
        log_sums: &[f32],
        targets: &[u32],
        g: &[f32],
        out: &mut [f32],
    ) {
        let width = logits.len() / log_sums.len().max(1);
        let rows = logits.chunks_exact(width.max(1)).zip(out.chunks_exact_mut(width.max(1)));
        for (row, (z, out)) in rows.enumerate() {
            let (log_sum, g) = (log_sums[row], g[row]);
            for (out, &z) in out.iter_mut().zip(z) {
                *out = g * exp(z - log_sum);
            }
            out[targets[row] as usize] -= g;
        }
    }
}

wide! {
    /// `out = z − ln Σ eᶻ`.
    fn log_softmax(logits: &[f32], log_sums: &[f32], out: &mut [f32]) {
        let width = logits.len() / log_sums.len().max(1);
        let rows = logits.chunks_exact(width.max(1)).zip(out.chunks_exact_mut(width.max(1)));
        for ((z, out), &log_sum) in rows.zip(log_sums) {
            for (out, &z) in out.iter_mut().zip(z) {
                *out = z - log_sum;
            }
        }
    }
}

wide! {
    /// From the output `y` of [`log_softmax`] and its gradient, the logits': `g − e^y Σ g`.
    fn log_softmax_backward(y: &[f32], width: usize, g: &[f32], out: &mut [f32]) {
        let rows = y.chunks_exact(width).zip(g.chunks_exact(width));
        for ((y, g), out) in rows.zip(out.chunks_exact_mut(width)) {
            let total = sum(g, |g| g);
            for ((out, &y), &g) in out.iter_mut().zip(y).zip(g) {
                *out = g - exp(y) * total;
            }
        }
    }
}
