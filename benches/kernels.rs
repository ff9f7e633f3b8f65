//! Products of matrices in the shapes of Gemma 3 270M's layers, 256 tokens: burn's own on the flex backend,
//! ours in `f32` and with operands rounded to `bf16`, on all cores. Throughput is in multiplications and
//! additions.
//!
//! `cargo bench -p lethe-kernels`

#![allow(missing_docs)]

use burn::tensor::{Device, Distribution, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lethe_kernels::Precision;

fn benchmarks(criterion: &mut Criterion) {
    let device = Device::flex();
    let random = |rows, columns| -> Tensor<2> {
        Tensor::random([rows, columns], Distribution::Normal(0.0, 1.0), &device)
    };
    for (what, inputs, outputs) in [
        ("up", 640, 2048),
        ("down", 2048, 640),
        ("queries", 640, 1024),
        ("4096 logits", 640, 4096),
    ] {
        let (x, w) = (random(256, inputs), random(outputs, inputs));
        let mut group = criterion.benchmark_group(format!("{what}, 256x{inputs}x{outputs}"));
        let operations = 2 * 256 * inputs * outputs;
        group.throughput(Throughput::Elements(operations as u64));
        group.bench_function("burn, f32", |b| {
            b.iter(|| x.clone().matmul(w.clone().transpose()));
        });
        for precision in [Precision::F32, Precision::Bf16] {
            group.bench_function(format!("ours, {precision:?}"), |b| {
                b.iter(|| lethe_kernels::linear(x.clone(), w.clone(), precision));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
