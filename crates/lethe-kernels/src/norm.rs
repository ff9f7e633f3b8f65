//! RMSNorm (arXiv 1910.07467) with Gemma's factor `1 + w`.

use crate::wide::{sum, sum2, wide};

wide! {
    /// `out += x (1 + w) / rms(x)` for every row of `w.len()` numbers.
    fn add(x: &[f32], w: &[f32], eps: f32, out: &mut [f32]) {
        let width = w.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let inverse = 1.0 / (sum(x, |x| x * x) / width as f32 + eps).sqrt();
            for ((out, &x), &w) in out.iter_mut().zip(x).zip(w) {
                *out += x * inverse * (1.0 + w);
            }
        }
    }
}

wide! {
    /// From the output's gradient `g`, the input's into `dx`, and the weight's added to `dw`.
    ///
    /// With `r = 1 / rms(x)` and `a = g (1 + w)`: `dx = r a − x r³ mean(a x)`, `dw = Σ g x r`.
    fn backward(x: &[f32], w: &[f32], eps: f32, g: &[f32], dx: &mut [f32], dw: &mut [f32]) {
        let width = w.len();
        let rows = x.chunks_exact(width).zip(g.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
        for ((x, g), dx) in rows {
            let inverse = 1.0 / (sum(x, |x| x * x) / width as f32 + eps).sqrt();
            for ((dx, &g), &w) in dx.iter_mut().zip(g).zip(w) {
                *dx = g * (1.0 + w);
            }
            let pull = sum2(dx, x, |a, x| a * x) / width as f32 * inverse * inverse * inverse;
            for ((dx, &x), (dw, &g)) in dx.iter_mut().zip(x).zip(dw.iter_mut().zip(g)) {
                *dx = *dx * inverse - x * pull;
                *dw += g * x * inverse;
            }
        }
    }
}
