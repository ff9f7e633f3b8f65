//! The Gemma 3 text network (arXiv 2503.19786) as plain structs of burn tensors.
//!
//! Differences from Llama that matter here: embeddings are scaled by `sqrt(hidden)`, RMSNorm
//! multiplies by `1 + w`, queries and keys are normalised per head before the half-split rotary
//! embedding, every block is normalised before *and* after, the gate is tanh-GELU, and the output
//! layer is the transposed embedding. Weights are in Hugging Face's convention (`w`, not `1 + w`).
//!
//! Every weight is a matrix (`[1, n]` for norms), so that optimizers, adapters and checkpoints see
//! one kind of thing, under Hugging Face's names.

use std::sync::Arc;

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use lethe_kernels::{Angles, Attention, KvCache, Precision};

use crate::ModelConfig;
use crate::blocks::{add_rms_norm, geglu, linear, rms_norm};
use crate::lora::Adapter;

/// A dense layer `y = x Wᵀ`, optionally with a low-rank adapter.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// `[out, in]`.
    pub weight: Tensor<2>,
    pub adapter: Option<Adapter>,
}

impl Linear {
    /// `[n, in]` to `[n, out]`.
    fn forward(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        let y = linear(x.clone(), self.weight.clone(), precision);
        match &self.adapter {
            Some(adapter) => y + adapter.forward(x, precision),
            None => y,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub input_norm: Tensor<2>,
    pub q: Linear,
    pub k: Linear,
    pub v: Linear,
    pub o: Linear,
    pub q_norm: Tensor<2>,
    pub k_norm: Tensor<2>,
    pub post_attention_norm: Tensor<2>,
    pub pre_feedforward_norm: Tensor<2>,
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
    pub post_feedforward_norm: Tensor<2>,
}

/// The weights of a causal language model.
#[derive(Debug, Clone)]
pub struct Network {
    pub(crate) config: ModelConfig,
    pub(crate) precision: Precision,
    pub(crate) embedding: Tensor<2>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Tensor<2>,
}

/// Keys and values of the positions seen so far, in buffers allocated once for `capacity`
/// positions.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    /// Of every layer.
    layers: Vec<LayerCache>,
    /// Over the capacity, where fused attention uses them.
    angles: Option<Rotations>,
    /// Positions filled.
    len: usize,
}

/// Angles of local and of global layers.
#[derive(Debug, Clone)]
struct Rotations {
    local: Arc<Angles>,
    global: Arc<Angles>,
}

impl Rotations {
    fn new(config: &ModelConfig, positions: usize) -> Self {
        let angles = |base| Arc::new(Angles::new(base, config.head_dim, positions));
        Rotations {
            local: angles(config.rope_local_base_freq),
            global: angles(config.rope_theta),
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "one per layer")]
#[derive(Debug, Clone)]
enum LayerCache {
    /// The processor's own memory.
    Fused(KvCache),
    /// Keys and values, `[batch, kv_heads, capacity, head_dim]`.
    Tensors(Tensor<4>, Tensor<4>),
}

impl Cache {
    pub fn new(config: &ModelConfig, batch: usize, capacity: usize, device: &Device) -> Self {
        let (kv, dim) = (config.num_key_value_heads, config.head_dim);
        let fused = lethe_kernels::takes(device) && !device.is_autodiff();
        let layer = |_| match fused {
            true => LayerCache::Fused(KvCache::new(batch, kv, dim, capacity)),
            false => {
                let zeros = || Tensor::zeros([batch, kv, capacity, dim], device);
                LayerCache::Tensors(zeros(), zeros())
            }
        };
        Cache {
            layers: (0..config.num_hidden_layers).map(layer).collect(),
            angles: fused.then(|| Rotations::new(config, capacity)),
            len: 0,
        }
    }

    /// Forgets the positions from `len` on; what was written there is overwritten later.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Keeps only these rows of the batch, in this order.
    pub fn select(&mut self, rows: &[usize], device: &Device) {
        let ids: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [rows.len()]), device);
        for layer in &mut self.layers {
            match layer {
                LayerCache::Fused(cache) => cache.select(rows),
                LayerCache::Tensors(keys, values) => {
                    keys.inplace(|b| b.select(0, ids.clone()));
                    values.inplace(|b| b.select(0, ids.clone()));
                }
            }
        }
    }
}

/// A batch on its way through the network: ids and where each row's real tokens begin.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'a> {
    /// `batch × width` ids of the model's vocabulary, row-major.
    pub ids: &'a [u32],
    pub batch: usize,
    /// Per row, how many cache slots at the left are padding: position 0 is the slot after them.
    pub left_pad: &'a [usize],
}

/// Where the tokens of one forward pass stand, and what each may see.
#[expect(clippy::large_enum_variant, reason = "one per forward pass")]
enum Positions<'a> {
    /// Fused attention: angles, and the padding on the left.
    Fused(Rotations, &'a [usize]),
    /// Attention in burn's operations.
    Composed(Geometry),
}

/// Sines and cosines for the rotary embedding, and the masks, of one forward pass.
struct Geometry {
    /// `[batch, 1, width, head_dim]`.
    local: (Tensor<4>, Tensor<4>),
    global: (Tensor<4>, Tensor<4>),
    /// `[batch, 1, width, slots]`, true where attention is forbidden; `None` where nothing is.
    local_mask: Option<Tensor<4, Bool>>,
    global_mask: Option<Tensor<4, Bool>>,
}

/// Half-split rotary embedding: `x cos + rotate_half(x) sin`.
fn rotate(x: Tensor<4>, (cos, sin): &(Tensor<4>, Tensor<4>)) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let first = x.clone().narrow(3, 0, half);
    let second = x.clone().narrow(3, half, half);
    let rotated = Tensor::cat(vec![second.neg(), first], 3);
    x * cos.clone() + rotated * sin.clone()
}

impl<'a> Positions<'a> {
    fn new(
        config: &ModelConfig,
        rows: &Rows<'a>,
        cache: Option<&Cache>,
        device: &Device,
    ) -> Positions<'a> {
        let width = rows.ids.len() / rows.batch;
        let fused = match cache {
            // Fused attention without a cache knows no padding.
            None => (lethe_kernels::takes(device) && rows.left_pad.iter().all(|&pad| pad == 0))
                .then(|| Rotations::new(config, width)),
            Some(cache) => cache.angles.clone(),
        };
        match fused {
            Some(angles) => Positions::Fused(angles, rows.left_pad),
            None => {
                let past = cache.map_or(0, Cache::len);
                Positions::Composed(Geometry::new(config, rows, past, device))
            }
        }
    }
}

impl Geometry {
    fn new(config: &ModelConfig, rows: &Rows, past: usize, device: &Device) -> Self {
        let (batch, width) = (rows.batch, rows.ids.len() / rows.batch);
        let slots = past + width;
        let half = config.head_dim / 2;
        let angles = |base: f64| {
            let mut cos = Vec::with_capacity(batch * width * config.head_dim);
            let mut sin = Vec::with_capacity(batch * width * config.head_dim);
            let frequencies: Vec<f64> = (0..half)
                .map(|i| base.powf(-2.0 * i as f64 / config.head_dim as f64))
                .collect();
            for &pad in rows.left_pad {
                for slot in past..slots {
                    let position = slot.saturating_sub(pad) as f64;
                    for _ in 0..2 {
                        for frequency in &frequencies {
                            let (s, c) = (position * frequency).sin_cos();
                            cos.push(c as f32);
                            sin.push(s as f32);
                        }
                    }
                }
            }
            let shape = [batch, 1, width, config.head_dim];
            (
                Tensor::from_data(TensorData::new(cos, shape), device),
                Tensor::from_data(TensorData::new(sin, shape), device),
            )
        };
        let mask = |window: usize| {
            let mut forbidden = Vec::with_capacity(batch * width * slots);
            for &pad in rows.left_pad {
                for query in past..slots {
                    for key in 0..slots {
                        // A padding query sees itself: a row with no key has no softmax.
                        let seen = key <= query && key + window > query && key >= pad;
                        forbidden.push(!(seen || (query < pad && key == query)));
                    }
                }
            }
            forbidden.iter().any(|&f| f).then(|| {
                Tensor::from_data(TensorData::new(forbidden, [batch, 1, width, slots]), device)
            })
        };
        let global_mask = mask(usize::MAX / 2);
        Geometry {
            local: angles(config.rope_local_base_freq),
            global: angles(config.rope_theta),
            local_mask: if slots <= config.sliding_window {
                global_mask.clone()
            } else {
                mask(config.sliding_window)
            },
            global_mask,
        }
    }
}

impl Network {
    /// The hyper-parameters.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// In what precision dense layers multiply; weights are `f32` either way.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same network, multiplying in this precision.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Network {
        self.precision = precision;
        self
    }

    /// The device that the weights are on.
    #[must_use]
    pub fn device(&self) -> Device {
        self.embedding.device()
    }

    /// Hidden states after the last norm, `[batch * width, hidden]`.
    ///
    /// With a cache, `rows` are the tokens that follow the cached ones, and are added to it.
    pub(crate) fn hidden(&self, rows: &Rows, cache: Option<&mut Cache>) -> Tensor<2> {
        let x = self.residual(rows, cache, self.layers.len());
        rms_norm(x, &self.norm, self.config.rms_norm_eps)
    }

    /// The residual stream after the first `layers` layers, `[batch * width, hidden]`.
    pub(crate) fn residual(
        &self,
        rows: &Rows,
        mut cache: Option<&mut Cache>,
        layers: usize,
    ) -> Tensor<2> {
        let config = &self.config;
        let device = self.device();
        let (batch, width) = (rows.batch, rows.ids.len() / rows.batch);
        let positions = Positions::new(config, rows, cache.as_deref(), &device);
        let ids: Vec<i32> = rows.ids.iter().map(|&id| id.cast_signed()).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [batch * width]), &device);
        let mut x = self.embedding.clone().select(0, ids) * (config.hidden_size as f64).sqrt();
        let (eps, precision) = (config.rms_norm_eps, self.precision);
        for (index, layer) in self.layers.iter().take(layers).enumerate() {
            let normed = rms_norm(x.clone(), &layer.input_norm, eps);
            let attended = self.attend(index, normed, &positions, batch, cache.as_deref_mut());
            x = add_rms_norm(x, attended, &layer.post_attention_norm, eps);
            let normed = rms_norm(x.clone(), &layer.pre_feedforward_norm, eps);
            let gate = layer.gate.forward(normed.clone(), precision);
            let gated = geglu(gate, layer.up.forward(normed, precision));
            let fed = layer.down.forward(gated, precision);
            x = add_rms_norm(x, fed, &layer.post_feedforward_norm, eps);
        }
        if let Some(cache) = cache {
            cache.len += width;
        }
        x
    }

    fn attend(
        &self,
        index: usize,
        x: Tensor<2>,
        positions: &Positions,
        batch: usize,
        cache: Option<&mut Cache>,
    ) -> Tensor<2> {
        let (config, layer, precision) = (&self.config, &self.layers[index], self.precision);
        let q = layer.q.forward(x.clone(), precision);
        let k = layer.k.forward(x.clone(), precision);
        let v = layer.v.forward(x, precision);
        let attended = match positions {
            Positions::Composed(geometry) => {
                self.attention(index, [q, k, v], geometry, batch, cache)
            }
            Positions::Fused(Rotations { local, global }, left_pad) => {
                let is_global = config.is_global(index);
                let norms = [layer.q_norm.clone(), layer.k_norm.clone()];
                let attention = Attention {
                    batch,
                    heads: config.num_attention_heads,
                    kv_heads: config.num_key_value_heads,
                    head_dim: config.head_dim,
                    window: if is_global {
                        usize::MAX
                    } else {
                        config.sliding_window
                    },
                    scale: config.query_pre_attn_scalar.powf(-0.5) as f32,
                    eps: config.rms_norm_eps as f32,
                    angles: Arc::clone(if is_global { global } else { local }),
                };
                let past = cache.as_ref().map_or(0, |cache| cache.len);
                match cache.and_then(|cache| cache.layers.get_mut(index)) {
                    Some(LayerCache::Fused(cache)) => lethe_kernels::continued_attention(
                        [q, k, v],
                        norms,
                        &attention,
                        cache,
                        past,
                        left_pad,
                    ),
                    _ => lethe_kernels::attention([q, k, v], norms, attention),
                }
            }
        };
        layer.o.forward(attended, precision)
    }

    /// Attention in burn's operations, from projected queries, keys and values.
    fn attention(
        &self,
        index: usize,
        [q, k, v]: [Tensor<2>; 3],
        geometry: &Geometry,
        batch: usize,
        cache: Option<&mut Cache>,
    ) -> Tensor<2> {
        let (config, layer) = (&self.config, &self.layers[index]);
        let width = q.dims()[0] / batch;
        let (heads, kv, dim) = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        );
        let split =
            |x: Tensor<2>, heads: usize| x.reshape([batch, width, heads, dim]).swap_dims(1, 2);
        let normed = |x: Tensor<2>, weight: &Tensor<2>, heads: usize| {
            let rows = x.reshape([batch * width * heads, dim]);
            let rows = rms_norm(rows, weight, config.rms_norm_eps);
            split(rows.reshape([batch * width, heads * dim]), heads)
        };
        let (angles, mask) = if config.is_global(index) {
            (&geometry.global, &geometry.global_mask)
        } else {
            (&geometry.local, &geometry.local_mask)
        };
        let q = rotate(normed(q, &layer.q_norm, heads), angles);
        let k = rotate(normed(k, &layer.k_norm, kv), angles);
        let v = split(v, kv);
        let past = cache.as_ref().map_or(0, |cache| cache.len);
        let (k, v) = match cache.and_then(|cache| cache.layers.get_mut(index)) {
            Some(LayerCache::Tensors(keys, values)) => {
                let slots = past + width;
                let span = [0..batch, 0..kv, past..slots, 0..dim];
                let store = |buffer: &mut Tensor<4>, new: Tensor<4>| {
                    buffer.inplace(|b| b.slice_assign(span.clone(), new));
                    buffer.clone().narrow(2, 0, slots)
                };
                (store(keys, k), store(values, v))
            }
            _ => (k, v),
        };
        // The query heads of one group share a key head: stack them along the query axis, so that
        // keys and values are never repeated.
        let group = heads / kv;
        let slots = k.dims()[2];
        let q = q.reshape([batch, kv, group * width, dim]);
        let scores = q.matmul(k.swap_dims(2, 3)) * config.query_pre_attn_scalar.powf(-0.5);
        let scores = match mask {
            None => scores,
            Some(mask) => scores
                .reshape([batch, heads, width, slots])
                .mask_fill(mask.clone().expand([batch, heads, width, slots]), f32::MIN)
                .reshape([batch, kv, group * width, slots]),
        };
        let out = softmax(scores, 3).matmul(v);
        out.reshape([batch, heads, width, dim])
            .swap_dims(1, 2)
            .reshape([batch * width, heads * dim])
    }

    /// Logits `[n, vocabulary]` from hidden states `[n, hidden]`.
    pub(crate) fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        linear(hidden, self.embedding.clone(), self.precision)
    }
}
