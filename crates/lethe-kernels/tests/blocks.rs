//! Every operation against the same thing in burn's own operations: values and all gradients.

#![allow(clippy::expect_used)]

use std::sync::Arc;

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Bool, Device, Distribution, Int, Tensor, TensorData};
use lethe_kernels::{Angles, Attention, Precision};
use proptest::prelude::*;

fn device() -> Device {
    Device::flex().autodiff()
}

fn random(shape: [usize; 2], spread: f64) -> Tensor<2> {
    Tensor::random(shape, Distribution::Normal(0.0, spread), &Device::flex())
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Compares two ways to compute something: results, and the gradients of a weighted sum of them
/// with respect to every input. Differences are measured against the largest number.
fn agree(
    inputs: &[Tensor<2>],
    ours: impl Fn(&[Tensor<2>]) -> Tensor<2>,
    theirs: impl Fn(&[Tensor<2>]) -> Tensor<2>,
    tolerance: f32,
) {
    let run = |f: &dyn Fn(&[Tensor<2>]) -> Tensor<2>, weights: Option<Tensor<2>>| {
        let leaves: Vec<Tensor<2>> = inputs
            .iter()
            .map(|t| Tensor::from_data(t.to_data(), &device()).require_grad())
            .collect();
        let out = f(&leaves);
        let weights = weights.unwrap_or_else(|| random(out.dims(), 1.0));
        let weighted = out.clone() * Tensor::from_data(weights.to_data(), &device());
        let grads = weighted.sum().backward();
        let grads: Vec<Vec<f32>> = leaves
            .iter()
            .map(|leaf| numbers(leaf.grad(&grads).expect("every input has a gradient")))
            .collect();
        (numbers(out), grads, weights)
    };
    let (value, gradients, weights) = run(&ours, None);
    let (expected, expected_gradients, _) = run(&theirs, Some(weights));
    let close = |what: &str, got: &[f32], want: &[f32]| {
        assert_eq!(got.len(), want.len(), "{what}");
        let scale = want.iter().fold(1e-3f32, |a, b| a.max(b.abs()));
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            let off = (got - want).abs() / scale;
            assert!(
                off < tolerance,
                "{what}, number {i}: {got}, expected {want}"
            );
        }
    };
    close("value", &value, &expected);
    for (i, (got, want)) in gradients.iter().zip(&expected_gradients).enumerate() {
        close(&format!("gradient of input {i}"), got, want);
    }
    // Without gradients the operations give the same values.
    close("value without gradients", &numbers(ours(inputs)), &expected);
}

fn norm(x: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    let scale = (x.clone().square().mean_dim(1) + 1e-6).sqrt().recip();
    x * scale * (w + 1.0)
}

fn gelu(x: Tensor<2>) -> Tensor<2> {
    let root = (2.0 / std::f64::consts::PI).sqrt();
    let inner = (x.clone() + x.clone().powi_scalar(3) * 0.044_715) * root;
    x * (inner.tanh() + 1.0) * 0.5
}

fn rotate(x: Tensor<4>, base: f64) -> Tensor<4> {
    let [_, _, tokens, dim] = x.dims();
    let half = dim / 2;
    let angles: Vec<f32> = (0..tokens)
        .flat_map(|t| {
            (0..dim)
                .map(move |i| (t as f64 * base.powf(-2.0 * (i % half) as f64 / dim as f64)) as f32)
        })
        .collect();
    let data = TensorData::new(angles, [1, 1, tokens, dim]);
    let angles = Tensor::<4>::from_data(data, &x.device());
    let first = x.clone().narrow(3, 0, half);
    let second = x.clone().narrow(3, half, half);
    x * angles.clone().cos() + Tensor::cat(vec![second.neg(), first], 3) * angles.sin()
}

/// Attention in burn's operations, keys and values repeated for every head.
fn attention(inputs: &[Tensor<2>], shape: &Attention, base: f64) -> Tensor<2> {
    let (batch, dim) = (shape.batch, shape.head_dim);
    let tokens = inputs[0].dims()[0] / batch;
    let split = |x: Tensor<2>, heads: usize| -> Tensor<4> {
        x.reshape([batch, tokens, heads, dim]).swap_dims(1, 2)
    };
    let normed = |x: Tensor<2>, w: &Tensor<2>, heads: usize| {
        let rows = norm(x.reshape([batch * tokens * heads, dim]), w.clone());
        rotate(
            split(rows.reshape([batch * tokens, heads * dim]), heads),
            base,
        )
    };
    let repeat = |x: Tensor<4>| {
        let group = shape.heads / shape.kv_heads;
        let heads: Vec<Tensor<4>> = (0..shape.heads)
            .map(|head| x.clone().narrow(1, head / group, 1))
            .collect();
        Tensor::cat(heads, 1)
    };
    let q = normed(inputs[0].clone(), &inputs[3], shape.heads);
    let k = repeat(normed(inputs[1].clone(), &inputs[4], shape.kv_heads));
    let v = repeat(split(inputs[2].clone(), shape.kv_heads));
    let forbidden: Vec<bool> = (0..tokens)
        .flat_map(|q| (0..tokens).map(move |k| (q, k)))
        .map(|(q, k)| k > q || k + shape.window <= q)
        .collect();
    let data = TensorData::new(forbidden, [1, 1, tokens, tokens]);
    let forbidden = Tensor::<4, Bool>::from_data(data, &q.device());
    let scores = q.matmul(k.swap_dims(2, 3)) * f64::from(shape.scale);
    let scores = scores.mask_fill(
        forbidden.expand([batch, shape.heads, tokens, tokens]),
        -1e30,
    );
    let out = softmax(scores, 3).matmul(v).swap_dims(1, 2);
    out.reshape([batch * tokens, shape.heads * dim])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_dense_layer(n in 1usize..40, inputs in 1usize..70, outputs in 1usize..70) {
        let tensors = [random([n, inputs], 1.0), random([outputs, inputs], 1.0)];
        agree(
            &tensors,
            |t| lethe_kernels::linear(t[0].clone(), t[1].clone(), Precision::F32),
            |t| t[0].clone().matmul(t[1].clone().transpose()),
            1e-5,
        );
        // Eight bits of mantissa: each factor is off by up to 2⁻⁹, and errors partly cancel.
        agree(
            &tensors,
            |t| lethe_kernels::linear(t[0].clone(), t[1].clone(), Precision::Bf16),
            |t| t[0].clone().matmul(t[1].clone().transpose()),
            0.02,
        );
    }

    #[test]
    fn norms(n in 1usize..40, width in 1usize..70, spread in 0.01f64..10.0) {
        let x = [random([n, width], spread), random([1, width], 0.5), random([n, width], 1.0)];
        agree(
            &x[..2],
            |t| lethe_kernels::rms_norm(t[0].clone(), t[1].clone(), 1e-6),
            |t| norm(t[0].clone(), t[1].clone()),
            1e-4,
        );
        agree(
            &x,
            |t| lethe_kernels::add_rms_norm(t[2].clone(), t[0].clone(), t[1].clone(), 1e-6),
            |t| t[2].clone() + norm(t[0].clone(), t[1].clone()),
            1e-4,
        );
    }

    #[test]
    fn a_gate(n in 1usize..40, width in 1usize..70, spread in 0.01f64..10.0) {
        agree(
            &[random([n, width], spread), random([n, width], 1.0)],
            |t| lethe_kernels::geglu(t[0].clone(), t[1].clone()),
            |t| gelu(t[0].clone()) * t[1].clone(),
            1e-5,
        );
    }

    #[test]
    fn losses(n in 1usize..40, size in 1usize..200, spread in 0.01f64..30.0, seed in 0u32..100) {
        let targets: Vec<u32> = (0..n as u32).map(|i| (i * 7 + seed) % size as u32).collect();
        let shared: Arc<[u32]> = targets.clone().into();
        let chosen: Vec<i32> = targets.iter().map(|t| t.cast_signed()).collect();
        let logits = [random([n, size], spread)];
        agree(
            &logits,
            |t| lethe_kernels::token_losses(t[0].clone(), shared.clone()).reshape([n, 1]),
            |t| {
                let chosen = TensorData::new(chosen.clone(), [n, 1]);
                let chosen = Tensor::<2, Int>::from_data(chosen, &t[0].device());
                log_softmax(t[0].clone(), 1).gather(1, chosen).neg()
            },
            1e-5,
        );
        agree(
            &logits,
            |t| lethe_kernels::log_softmax(t[0].clone()),
            |t| log_softmax(t[0].clone(), 1),
            1e-5,
        );
    }

    #[test]
    fn grouped_query_attention(
        batch in 1usize..4, tokens in 1usize..24, group in 1usize..4, kv_heads in 1usize..3,
        half in 1usize..12, window in 1usize..30, spread in 0.1f64..3.0
    ) {
        let (heads, dim, base) = (group * kv_heads, 2 * half, 10_000.0);
        let shape = Attention {
            batch,
            heads,
            kv_heads,
            head_dim: dim,
            window,
            scale: (dim as f32).sqrt().recip(),
            eps: 1e-6,
            angles: Arc::new(Angles::new(base, dim, tokens)),
        };
        let n = batch * tokens;
        let inputs = [
            random([n, heads * dim], spread),
            random([n, kv_heads * dim], spread),
            random([n, kv_heads * dim], 1.0),
            random([1, dim], 0.3),
            random([1, dim], 0.3),
        ];
        agree(
            &inputs,
            |t| {
                let [q, k, v, q_norm, k_norm] = t else { unreachable!("five inputs") };
                let projections = [q.clone(), k.clone(), v.clone()];
                let norms = [q_norm.clone(), k_norm.clone()];
                lethe_kernels::attention(projections, norms, shape.clone())
            },
            |t| attention(t, &shape, base),
            2e-4,
        );
    }
}

#[test]
fn frozen_inputs_get_no_gradient_and_the_others_theirs() {
    let frozen = random([5, 4], 1.0);
    let x = Tensor::<2>::from_data(random([3, 4], 1.0).to_data(), &device()).require_grad();
    let out = lethe_kernels::linear(x.clone(), frozen.clone(), Precision::F32);
    let gradient = x.grad(&out.sum().backward()).expect("x has one");
    let expected = frozen.sum_dim(0).expand([3, 4]);
    for (got, want) in numbers(gradient).iter().zip(numbers(expected)) {
        assert!((got - want).abs() < 1e-5);
    }
}

#[test]
fn tokens_that_follow_a_cache_see_what_they_would_see_in_one_pass() {
    let (heads, kv_heads, dim, tokens, window) = (6, 2, 8, 13, 5);
    let shape = |batch: usize, positions: usize| Attention {
        batch,
        heads,
        kv_heads,
        head_dim: dim,
        window,
        scale: 0.3,
        eps: 1e-6,
        angles: Arc::new(Angles::new(1e4, dim, positions)),
    };
    let norms = [random([1, dim], 0.3), random([1, dim], 0.3)];
    // The third sequence is the shortest; padding stands before it.
    let lengths = [tokens, tokens - 1, tokens - 4];
    let sequences: Vec<[Tensor<2>; 3]> = lengths
        .iter()
        .map(|&n| [heads, kv_heads, kv_heads].map(|h| random([n, h * dim], 1.0)))
        .collect();
    let alone: Vec<Vec<f32>> = sequences
        .iter()
        .zip(lengths)
        .map(|(qkv, n)| {
            numbers(lethe_kernels::attention(
                qkv.clone(),
                norms.clone(),
                shape(1, n),
            ))
        })
        .collect();
    let left_pad: Vec<usize> = lengths.iter().map(|n| tokens - n).collect();
    let padded = |which: usize| -> Vec<Tensor<2>> {
        let rows = sequences.iter().zip(&left_pad);
        rows.map(|(qkv, &pad)| {
            let width = qkv[which].dims()[1];
            let mut all = vec![7.0; pad * width];
            all.extend(numbers(qkv[which].clone()));
            Tensor::from_data(TensorData::new(all, [tokens, width]), &Device::flex())
        })
        .collect()
    };
    let all = [padded(0), padded(1), padded(2)];
    for parts in [vec![13], vec![9, 4], vec![5, 1, 1, 6], vec![1; 13]] {
        let mut cache = lethe_kernels::KvCache::new(3, kv_heads, dim, tokens + 2);
        let mut outputs = vec![Vec::new(); 3];
        let mut past = 0;
        for part in parts {
            let qkv = all.each_ref().map(|rows| {
                let rows = rows.iter().map(|row| row.clone().narrow(0, past, part));
                Tensor::cat(rows.collect(), 0)
            });
            let out = lethe_kernels::continued_attention(
                qkv,
                norms.clone(),
                &shape(3, tokens + 2),
                &mut cache,
                past,
                &left_pad,
            );
            let out = numbers(out);
            for (row, out) in out.chunks_exact(part * heads * dim).enumerate() {
                outputs[row].extend_from_slice(out);
            }
            past += part;
        }
        for ((got, want), &pad) in outputs.iter().zip(&alone).zip(&left_pad) {
            let got = &got[pad * heads * dim..];
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(want) {
                assert!((got - want).abs() < 1e-5, "{got}, expected {want}");
            }
        }
    }
}

#[test]
fn threads_change_nothing() {
    let shape = Attention {
        batch: 4,
        heads: 4,
        kv_heads: 1,
        head_dim: 64,
        window: 40,
        scale: 0.125,
        eps: 1e-6,
        angles: Arc::new(Angles::new(1e4, 64, 48)),
    };
    let inputs: Vec<Tensor<2>> = [256, 64, 64].map(|w| random([192, w], 1.0)).to_vec();
    let norms = [random([1, 64], 0.1), random([1, 64], 0.1)];
    let wide = random([900, 256], 1.0);
    let run = || {
        let leaf = |t: &Tensor<2>| Tensor::from_data(t.to_data(), &device()).require_grad();
        let qkv = [leaf(&inputs[0]), leaf(&inputs[1]), leaf(&inputs[2])];
        let norms = [leaf(&norms[0]), leaf(&norms[1])];
        let wide = leaf(&wide);
        let out = lethe_kernels::attention(qkv.clone(), norms.clone(), shape.clone());
        let gate = lethe_kernels::geglu(wide.clone(), wide.clone());
        let out = lethe_kernels::linear(out, gate, Precision::F32);
        let losses = lethe_kernels::token_losses(out, (0..192).collect());
        let grads = losses.sum().backward();
        let leaves = qkv.iter().chain(&norms).chain([&wide]);
        leaves
            .flat_map(|leaf| numbers(leaf.grad(&grads).expect("a gradient")))
            .collect::<Vec<f32>>()
    };
    assert_eq!(run(), lethe_kernels::sequential(run));
}
