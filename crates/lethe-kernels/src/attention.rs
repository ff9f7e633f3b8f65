//! Causal grouped-query attention (arXiv 2305.13245) with Gemma's normalised, rotated queries and
//! keys: from what the three projections give to what the fourth takes.
//!
//! Only the inputs are kept for the gradient; probabilities are computed again from them (as in
//! arXiv 2205.14135). The query heads of one group share keys and values: they are stacked, and
//! each product is done once for the group.

use std::sync::Arc;

use rayon::prelude::*;

use crate::gemm::{Matrix, at_least, product, product_into};
use crate::wide::{exp, maximum, sum, sum2, wide};
use crate::{Precision, norm};

/// Cosines and sines of the rotary embedding (arXiv 2104.09864), `[positions, head_dim / 2]`.
#[derive(Debug, Clone)]
pub struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Angles {
    /// Of the positions `0..positions`, with frequencies `base^(−2i / head_dim)`.
    #[must_use]
    pub fn new(base: f64, head_dim: usize, positions: usize) -> Self {
        let half = head_dim / 2;
        let frequency = |i: usize| base.powf(-2.0 * i as f64 / head_dim as f64);
        let frequencies: Vec<f64> = (0..half).map(frequency).collect();
        let angles = |position: usize| frequencies.iter().map(move |f| position as f64 * f);
        let all = || (0..positions).flat_map(angles);
        Angles {
            cos: all().map(|a| a.cos() as f32).collect(),
            sin: all().map(|a| a.sin() as f32).collect(),
        }
    }
}

/// What attention needs to know besides its tensors.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Sequences.
    pub batch: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// A token sees itself and so many before it less one.
    pub window: usize,
    /// Factor on the scores.
    pub scale: f32,
    /// Of the norms.
    pub eps: f32,
    /// As many positions as a sequence has tokens.
    pub angles: Arc<Angles>,
}

/// Keys, normalised and rotated, and values of the tokens seen so far, in memory for `capacity` of
/// them.
#[derive(Debug, Clone)]
pub struct KvCache {
    /// `[batch, kv_heads, capacity, head_dim]`.
    keys: Vec<f32>,
    values: Vec<f32>,
    capacity: usize,
    /// `kv_heads · head_dim`.
    width: usize,
}

impl KvCache {
    /// Room for `capacity` tokens of every sequence.
    #[must_use]
    pub fn new(batch: usize, kv_heads: usize, head_dim: usize, capacity: usize) -> Self {
        let width = kv_heads * head_dim;
        KvCache {
            keys: vec![0.0; batch * width * capacity],
            values: vec![0.0; batch * width * capacity],
            capacity,
            width,
        }
    }

    /// Tokens that there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Keeps only these sequences of the batch, in this order.
    pub fn select(&mut self, batch: &[usize]) {
        let row = self.row();
        for buffer in [&mut self.keys, &mut self.values] {
            let rows = batch.iter().flat_map(|&b| &buffer[b * row..][..row]);
            *buffer = rows.copied().collect();
        }
    }

    /// Numbers of one sequence.
    fn row(&self) -> usize {
        self.width * self.capacity
    }
}

/// Gradients of attention's inputs, in their order.
pub(crate) struct Gradients {
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    pub q_norm: Vec<f32>,
    pub k_norm: Vec<f32>,
}

/// Attention's inputs: projections `[batch · tokens, heads · head_dim]`, norm weights `[head_dim]`.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub q: &'a [f32],
    pub k: &'a [f32],
    pub v: &'a [f32],
    pub q_norm: &'a [f32],
    pub k_norm: &'a [f32],
}

wide! {
    /// Rotates rows of one head that stand at the positions of these angles, one after another (again
    /// from the first after the last one).
    fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32], dim: usize) {
        let half = dim / 2;
        let table = cos.chunks_exact(half).zip(sin.chunks_exact(half)).cycle();
        for (x, (cos, sin)) in x.chunks_exact_mut(dim).zip(table) {
            let (first, second) = x.split_at_mut(half);
            let angles = cos.iter().zip(sin);
            for ((a, b), (&cos, &sin)) in first.iter_mut().zip(second).zip(angles) {
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    }
}

wide! {
    /// The gradient of [`rotate`]: turns back.
    fn rotate_back(g: &mut [f32], angles: &Angles, dim: usize) {
        let half = dim / 2;
        let table = angles.cos.chunks_exact(half).zip(angles.sin.chunks_exact(half)).cycle();
        for (g, (cos, sin)) in g.chunks_exact_mut(dim).zip(table) {
            let (first, second) = g.split_at_mut(half);
            let angles = cos.iter().zip(sin);
            for ((a, b), (&cos, &sin)) in first.iter_mut().zip(second).zip(angles) {
                (*a, *b) = (*a * cos + *b * sin, *b * cos - *a * sin);
            }
        }
    }
}

wide! {
    /// Scores `[heads · tokens, past + tokens]` to probabilities; what is not seen has none. The first
    /// `pad` of the slots are padding, whose own queries see only themselves.
    fn softmax(
        scores: &mut [f32],
        tokens: usize,
        past: usize,
        pad: usize,
        window: usize,
        scale: f32,
    ) {
        for (row, scores) in scores.chunks_exact_mut(past + tokens).enumerate() {
            let last = past + row % tokens;
            let first = (last + 1).saturating_sub(window).max(pad).min(last);
            scores[..first].fill(0.0);
            scores[last + 1..].fill(0.0);
            let seen = &mut scores[first..=last];
            let top = maximum(seen);
            for s in seen.iter_mut() {
                *s = exp((*s - top) * scale);
            }
            let inverse = 1.0 / sum(seen, |s| s);
            for s in seen.iter_mut() {
                *s *= inverse;
            }
        }
    }
}

wide! {
    /// From the probabilities' gradients `g`, those of the scores, in place:
    /// `scale · p (g − Σ g p)`.
    fn softmax_backward(p: &[f32], g: &mut [f32], tokens: usize, scale: f32) {
        for (p, g) in p.chunks_exact(tokens).zip(g.chunks_exact_mut(tokens)) {
            let mean = sum2(p, g, |p, g| p * g);
            for (g, &p) in g.iter_mut().zip(p) {
                *g = scale * p * (*g - mean);
            }
        }
    }
}

/// The columns of some heads of one sequence, one head's rows after another's.
fn gather(x: &[f32], width: usize, dim: usize, heads: std::ops::Range<usize>) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len() / width * dim * heads.len());
    for head in heads {
        for row in x.chunks_exact(width) {
            out.extend_from_slice(&row[head * dim..][..dim]);
        }
    }
    out
}

/// The other way round.
fn scatter(from: &[f32], x: &mut [f32], width: usize, dim: usize, heads: std::ops::Range<usize>) {
    let mut from = from.chunks_exact(dim);
    for head in heads {
        for (row, from) in x.chunks_exact_mut(width).zip(&mut from) {
            row[head * dim..][..dim].copy_from_slice(from);
        }
    }
}

/// The query heads that share a key head, of one sequence.
struct Group {
    /// `[group · tokens, head_dim]`, as projected.
    raw_queries: Vec<f32>,
    /// `[tokens, head_dim]`, as projected.
    raw_keys: Vec<f32>,
    /// Normalised and rotated.
    queries: Vec<f32>,
    /// The same.
    keys: Vec<f32>,
    /// `[group · tokens, tokens]`.
    probabilities: Vec<f32>,
}

impl Attention {
    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Normalises heads, and rotates them.
    fn prepared(&self, raw: &[f32], weight: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; raw.len()];
        norm::add(raw, weight, self.eps, &mut out);
        rotate(&mut out, &self.angles.cos, &self.angles.sin, self.head_dim);
        out
    }

    /// One group of one sequence, from its projections.
    fn group_of(&self, q: &[f32], k: &[f32], norms: (&[f32], &[f32]), kv: usize) -> Group {
        let (dim, group) = (self.head_dim, self.group());
        let raw_queries = gather(q, self.heads * dim, dim, kv * group..(kv + 1) * group);
        let raw_keys = gather(k, self.kv_heads * dim, dim, kv..kv + 1);
        let queries = self.prepared(&raw_queries, norms.0);
        let keys = self.prepared(&raw_keys, norms.1);
        let tokens = keys.len() / dim;
        let mut probabilities = product(
            Precision::F32,
            Matrix::new(&queries, group * tokens, dim, dim),
            Matrix::new(&keys, tokens, dim, dim).transposed(),
        );
        softmax(&mut probabilities, tokens, 0, 0, self.window, self.scale);
        Group {
            raw_queries,
            raw_keys,
            queries,
            keys,
            probabilities,
        }
    }

    /// `[batch · tokens, heads · head_dim]`.
    pub(crate) fn forward(&self, inputs: Inputs) -> Vec<f32> {
        let Inputs { q, k, v, .. } = inputs;
        let (dim, group) = (self.head_dim, self.group());
        let (wide, narrow) = (self.heads * dim, self.kv_heads * dim);
        let tokens = q.len() / wide / self.batch;
        let mut out = vec![0.0; q.len()];
        // Of one sequence.
        type Parts<'a> = ((&'a mut [f32], &'a [f32]), (&'a [f32], &'a [f32]));
        let one = |((out, q), (k, v)): Parts| {
            for kv in 0..self.kv_heads {
                let p = self.group_of(q, k, (inputs.q_norm, inputs.k_norm), kv);
                let values = Matrix::new(&v[kv * dim..], tokens, dim, narrow);
                for (head, p) in p.probabilities.chunks_exact(tokens * tokens).enumerate() {
                    let p = Matrix::new(p, tokens, tokens, tokens);
                    let at = (kv * group + head) * dim;
                    product_into(Precision::F32, p, values, &mut out[at..], wide);
                }
            }
        };
        let (wide, narrow) = (tokens * wide, tokens * narrow);
        let kv = k.par_chunks_exact(narrow).zip(v.par_chunks_exact(narrow));
        let each = out.par_chunks_exact_mut(wide).zip(q.par_chunks_exact(wide));
        let each = each.zip(kv).with_min_len(at_least(self.batch));
        each.for_each(one);
        out
    }

    /// The same for tokens that follow those in `cache`, to which they are added as its slots from
    /// `past` on; `left_pad` slots of every sequence are padding.
    pub(crate) fn continued(
        &self,
        inputs: Inputs,
        cache: &mut KvCache,
        past: usize,
        left_pad: &[usize],
    ) -> Vec<f32> {
        let Inputs { q, k, v, .. } = inputs;
        let (dim, group) = (self.head_dim, self.group());
        let (wide, narrow) = (self.heads * dim, self.kv_heads * dim);
        let tokens = q.len() / wide / self.batch;
        let (slots, half) = (past + tokens, dim / 2);
        assert!(slots <= cache.capacity && cache.keys.len() == self.batch * cache.row());
        let (row, capacity) = (cache.row(), cache.capacity);
        let mut out = vec![0.0; q.len()];
        let normed = |x: &[f32], weight: &[f32], pad: usize| {
            let mut out = vec![0.0; x.len()];
            norm::add(x, weight, self.eps, &mut out);
            let width = x.len() / tokens;
            for (token, out) in out.chunks_exact_mut(width).enumerate() {
                let at = (past + token).saturating_sub(pad) * half;
                let (cos, sin) = (
                    &self.angles.cos[at..][..half],
                    &self.angles.sin[at..][..half],
                );
                rotate(out, cos, sin, dim);
            }
            out
        };
        let one = |batch: usize, out: &mut [f32], keys: &mut [f32], values: &mut [f32]| {
            let pad = left_pad[batch];
            let q = normed(
                &q[batch * tokens * wide..][..tokens * wide],
                inputs.q_norm,
                pad,
            );
            let k = normed(
                &k[batch * tokens * narrow..][..tokens * narrow],
                inputs.k_norm,
                pad,
            );
            let v = &v[batch * tokens * narrow..][..tokens * narrow];
            for kv in 0..self.kv_heads {
                let cached = kv * capacity * dim..(kv + 1) * capacity * dim;
                let (keys, values) = (&mut keys[cached.clone()], &mut values[cached]);
                let new = past * dim..slots * dim;
                keys[new.clone()].copy_from_slice(&gather(&k, narrow, dim, kv..kv + 1));
                values[new].copy_from_slice(&gather(v, narrow, dim, kv..kv + 1));
                let queries = gather(&q, wide, dim, kv * group..(kv + 1) * group);
                let mut p = product(
                    Precision::F32,
                    Matrix::new(&queries, group * tokens, dim, dim),
                    Matrix::new(keys, slots, dim, dim).transposed(),
                );
                softmax(&mut p, tokens, past, pad, self.window, self.scale);
                let values = Matrix::new(values, slots, dim, dim);
                for (head, p) in p.chunks_exact(tokens * slots).enumerate() {
                    let p = Matrix::new(p, tokens, slots, slots);
                    let at = (kv * group + head) * dim;
                    product_into(Precision::F32, p, values, &mut out[at..], wide);
                }
            }
        };
        let tall = tokens * wide;
        let (keys, values) = (&mut cache.keys, &mut cache.values);
        let cached = keys
            .par_chunks_exact_mut(row)
            .zip(values.par_chunks_exact_mut(row));
        let each = out.par_chunks_exact_mut(tall).zip(cached).enumerate();
        let each = each.with_min_len(at_least(self.batch));
        each.for_each(|(batch, (out, (keys, values)))| one(batch, out, keys, values));
        out
    }

    /// From the gradient of [`forward`](Self::forward)'s result, those of its inputs.
    pub(crate) fn backward(&self, inputs: Inputs, g: &[f32]) -> Gradients {
        let Inputs { q, k, v, .. } = inputs;
        let (dim, group) = (self.head_dim, self.group());
        let (wide, narrow) = (self.heads * dim, self.kv_heads * dim);
        let tokens = q.len() / wide / self.batch;
        let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; k.len()]);
        let one = |batch: usize, dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]| {
            let q = &q[batch * tokens * wide..][..tokens * wide];
            let g = &g[batch * tokens * wide..][..tokens * wide];
            let k = &k[batch * tokens * narrow..][..tokens * narrow];
            let v = &v[batch * tokens * narrow..][..tokens * narrow];
            let (mut dq_norm, mut dk_norm) = (vec![0.0; dim], vec![0.0; dim]);
            for kv in 0..self.kv_heads {
                let heads = kv * group..(kv + 1) * group;
                let norms = (inputs.q_norm, inputs.k_norm);
                let all = self.group_of(q, k, norms, kv);
                let p = &all.probabilities;
                let g = gather(g, wide, dim, heads.clone());
                let tall = group * tokens;
                let g = Matrix::new(&g, tall, dim, dim);
                let p_matrix = Matrix::new(p, tall, tokens, tokens);
                let into = &mut dv[kv * dim..];
                product_into(Precision::F32, p_matrix.transposed(), g, into, narrow);
                let values = Matrix::new(&v[kv * dim..], tokens, dim, narrow);
                let mut ds = product(Precision::F32, g, values.transposed());
                softmax_backward(p, &mut ds, tokens, self.scale);
                let ds = Matrix::new(&ds, tall, tokens, tokens);
                let back = |mut turned: Vec<f32>, raw: &[f32], weight: &[f32], dw: &mut [f32]| {
                    rotate_back(&mut turned, &self.angles, dim);
                    let mut dx = vec![0.0; turned.len()];
                    norm::backward(raw, weight, self.eps, &turned, &mut dx, dw);
                    dx
                };
                let keys = Matrix::new(&all.keys, tokens, dim, dim);
                let turned = product(Precision::F32, ds, keys);
                let dx = back(turned, &all.raw_queries, inputs.q_norm, &mut dq_norm);
                scatter(&dx, dq, wide, dim, heads);
                let queries = Matrix::new(&all.queries, tall, dim, dim);
                let turned = product(Precision::F32, ds.transposed(), queries);
                let dx = back(turned, &all.raw_keys, inputs.k_norm, &mut dk_norm);
                scatter(&dx, dk, narrow, dim, kv..kv + 1);
            }
            (dq_norm, dk_norm)
        };
        let (tall, short) = (tokens * wide, tokens * narrow);
        let each = dq
            .par_chunks_exact_mut(tall)
            .zip(dk.par_chunks_exact_mut(short))
            .zip(dv.par_chunks_exact_mut(short))
            .enumerate()
            .with_min_len(at_least(self.batch));
        let norms: Vec<(Vec<f32>, Vec<f32>)> =
            each.map(|(b, ((q, k), v))| one(b, q, k, v)).collect();
        // Sequence after sequence, whatever thread computed it.
        let (mut q_norm, mut k_norm) = (vec![0.0; dim], vec![0.0; dim]);
        for (q, k) in norms {
            q_norm.iter_mut().zip(q).for_each(|(sum, x)| *sum += x);
            k_norm.iter_mut().zip(k).for_each(|(sum, x)| *sum += x);
        }
        Gradients {
            q: dq,
            k: dk,
            v: dv,
            q_norm,
            k_norm,
        }
    }
}
