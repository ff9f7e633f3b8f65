//! Low-rank adapters (LoRA, arXiv 2106.09685): `y = x Wᵀ + (alpha / r) · drop(x) Aᵀ Bᵀ`.
//!
//! The product `B A` is never composed while training, so a step costs `r (in + out)` per token
//! and layer rather than a dense matrix.

use burn::tensor::{Device, Tensor, TensorData};
use lethe_kernels::Precision;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::blocks::linear;
use crate::network::Network;
use crate::{Error, seeded};

/// What an adapter is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank `r`.
    pub rank: usize,
    /// Numerator of the scale `alpha / r`.
    pub alpha: f64,
    /// Probability with which an input of the adapter is zeroed while training.
    #[serde(default)]
    pub dropout: f64,
    /// A regular expression searched in the layer's name
    /// (`model.layers.3.self_attn.q_proj`); what it matches gets an adapter.
    pub targets: String,
}

/// One layer's adapter.
#[derive(Debug, Clone)]
pub(crate) struct Adapter {
    /// `[rank, in]`.
    pub a: Tensor<2>,
    /// `[out, rank]`.
    pub b: Tensor<2>,
    pub scale: f64,
    pub dropout: f64,
    /// Set while training: the seed of the next forward pass's dropout mask.
    pub mask_seed: Option<u64>,
}

impl Adapter {
    /// `[n, in]` to `[n, out]`.
    pub fn forward(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        let x = match self.mask_seed {
            Some(seed) if self.dropout > 0.0 => {
                let shape = x.dims();
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let keep = (1.0 / (1.0 - self.dropout)) as f32;
                let mask: Vec<f32> = (0..shape[0] * shape[1])
                    .map(|_| {
                        if rng.random::<f64>() < self.dropout {
                            0.0
                        } else {
                            keep
                        }
                    })
                    .collect();
                x.clone() * Tensor::from_data(TensorData::new(mask, shape), &x.device())
            }
            _ => x,
        };
        let low = linear(x, self.a.clone(), precision);
        linear(low, self.b.clone(), precision) * self.scale
    }
}

impl Network {
    /// Adds a fresh adapter to every layer whose name `config.targets` matches. `A` is uniform
    /// in `±1/√in` (Kaiming, as in PEFT), `B` is zero: the outputs do not change yet.
    ///
    /// # Errors
    /// [`Error::Argument`] for an invalid expression, one that matches nothing, rank 0, or a
    /// dropout outside `[0, 1)`.
    pub fn add_adapters(&mut self, config: &LoraConfig, seed: u64) -> Result<(), Error> {
        let bad = |what: String| Err(Error::Argument(what));
        if config.rank == 0 {
            return bad("lora.rank is 0, expected at least 1".to_owned());
        }
        if !(0.0..1.0).contains(&config.dropout) {
            return bad(format!(
                "lora.dropout is {}, expected 0 <= p < 1",
                config.dropout
            ));
        }
        let targets = match Regex::new(&config.targets) {
            Ok(regex) => regex,
            Err(e) => return bad(format!("lora.targets {:?}: {e}", config.targets)),
        };
        let device = self.device();
        let mut names = Vec::new();
        for (name, linear) in self.linears_mut() {
            if !targets.is_match(&name) {
                names.push(name);
                continue;
            }
            let [out, inputs] = linear.weight.dims();
            let mut rng = seeded(seed, &name);
            let bound = (inputs as f32).sqrt().recip();
            let a: Vec<f32> = (0..config.rank * inputs)
                .map(|_| rng.random_range(-bound..bound))
                .collect();
            linear.adapter = Some(Adapter {
                a: matrix(a, [config.rank, inputs], &device),
                b: Tensor::zeros([out, config.rank], &device),
                scale: config.alpha / config.rank as f64,
                dropout: config.dropout,
                mask_seed: None,
            });
        }
        if self.has_adapters() {
            Ok(())
        } else {
            bad(format!(
                "lora.targets {:?} matches no layer; the layers are called {}, …",
                config.targets,
                names.iter().take(7).cloned().collect::<Vec<_>>().join(", ")
            ))
        }
    }

    /// Adds every adapter's `alpha/r · B A` to its layer's weight and removes the adapters.
    pub fn merge_adapters(&mut self) {
        for (_, linear) in self.linears_mut() {
            if let Some(adapter) = linear.adapter.take() {
                let delta = adapter.b.matmul(adapter.a) * adapter.scale;
                linear.weight.inplace(|weight| weight + delta);
            }
        }
    }

    /// Removes the adapters: what remains is the model that they were added to.
    pub fn remove_adapters(&mut self) {
        for (_, linear) in self.linears_mut() {
            linear.adapter = None;
        }
    }

    /// Whether any layer has an adapter.
    #[must_use]
    pub fn has_adapters(&self) -> bool {
        self.linears()
            .iter()
            .any(|(_, linear)| linear.adapter.is_some())
    }

    /// Sets the seed of the dropout masks of the next forward pass; `None` turns dropout off.
    pub fn set_dropout_seed(&mut self, seed: Option<u64>) {
        for (name, linear) in self.linears_mut() {
            if let Some(adapter) = &mut linear.adapter {
                adapter.mask_seed = seed.map(|seed| seeded(seed, &name).random());
            }
        }
    }
}

pub(crate) fn matrix(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
