//! The network seen as named parameters: what optimizers, checkpoints and tests iterate over.

use burn::tensor::{Tensor, TensorData};

use crate::Error;
use crate::network::{Layer, Linear, Network};
use crate::quant::Encoding;

/// To how many bits a weight can be rounded ([`Network::quantised`]).
pub const QUANTISED_BITS: [u32; 2] = [8, 4];

/// The linear layers of a block with their names, in one place.
const LINEARS: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

const NORMS: [&str; 6] = [
    "input_layernorm",
    "self_attn.q_norm",
    "self_attn.k_norm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
];

impl Layer {
    fn linears(&self) -> [&Linear; 7] {
        [
            &self.q, &self.k, &self.v, &self.o, &self.gate, &self.up, &self.down,
        ]
    }

    fn linears_mut(&mut self) -> [&mut Linear; 7] {
        [
            &mut self.q,
            &mut self.k,
            &mut self.v,
            &mut self.o,
            &mut self.gate,
            &mut self.up,
            &mut self.down,
        ]
    }

    fn norms(&self) -> [&Tensor<2>; 6] {
        [
            &self.input_norm,
            &self.q_norm,
            &self.k_norm,
            &self.post_attention_norm,
            &self.pre_feedforward_norm,
            &self.post_feedforward_norm,
        ]
    }
}

fn name(layer: usize, part: &str) -> String {
    format!("model.layers.{layer}.{part}")
}

impl Network {
    pub(crate) fn linears(&self) -> Vec<(String, &Linear)> {
        let mut out = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let named = LINEARS.iter().zip(layer.linears());
            out.extend(named.map(|(part, linear)| (name(index, part), linear)));
        }
        out
    }

    pub(crate) fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        let mut out = Vec::new();
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let named = LINEARS.iter().zip(layer.linears_mut());
            out.extend(named.map(|(part, linear)| (name(index, part), linear)));
        }
        out
    }

    /// The weights without adapters, under Hugging Face's names.
    #[must_use]
    pub fn weights(&self) -> Vec<(String, &Tensor<2>)> {
        let mut out = vec![("model.embed_tokens.weight".to_owned(), &self.embedding)];
        for (index, layer) in self.layers.iter().enumerate() {
            let linears = LINEARS.iter().zip(layer.linears().map(|l| &l.weight));
            let norms = NORMS.iter().zip(layer.norms());
            let named = linears.chain(norms);
            out.extend(named.map(|(part, w)| (format!("{}.weight", name(index, part)), w)));
        }
        out.push(("model.norm.weight".to_owned(), &self.norm));
        out
    }

    fn weights_mut(&mut self) -> Vec<(String, &mut Tensor<2>)> {
        let mut out = vec![("model.embed_tokens.weight".to_owned(), &mut self.embedding)];
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let Layer {
                input_norm,
                q,
                k,
                v,
                o,
                q_norm,
                k_norm,
                post_attention_norm,
                pre_feedforward_norm,
                gate,
                up,
                down,
                post_feedforward_norm,
            } = layer;
            let linears = LINEARS
                .iter()
                .zip([q, k, v, o, gate, up, down].map(|l| &mut l.weight));
            let norms = NORMS.iter().zip([
                input_norm,
                q_norm,
                k_norm,
                post_attention_norm,
                pre_feedforward_norm,
                post_feedforward_norm,
            ]);
            let named = linears.chain(norms);
            out.extend(named.map(|(part, w)| (format!("{}.weight", name(index, part)), w)));
        }
        out.push(("model.norm.weight".to_owned(), &mut self.norm));
        out
    }

    /// The adapters' matrices, under PEFT's names; empty without adapters.
    #[must_use]
    pub fn adapters(&self) -> Vec<(String, &Tensor<2>)> {
        let mut out = Vec::new();
        for (name, linear) in self.linears() {
            if let Some(adapter) = &linear.adapter {
                out.push((format!("base_model.model.{name}.lora_A.weight"), &adapter.a));
                out.push((format!("base_model.model.{name}.lora_B.weight"), &adapter.b));
            }
        }
        out
    }

    /// What training changes: the adapters where there are any, else every weight.
    #[must_use]
    pub fn trainable(&self) -> Vec<(String, &Tensor<2>)> {
        if self.has_adapters() {
            self.adapters()
        } else {
            self.weights()
        }
    }

    /// [`Self::trainable`], to be replaced.
    pub fn trainable_mut(&mut self) -> Vec<(String, &mut Tensor<2>)> {
        if !self.has_adapters() {
            return self.weights_mut();
        }
        let mut out = Vec::new();
        for (name, linear) in self.linears_mut() {
            if let Some(adapter) = &mut linear.adapter {
                out.push((
                    format!("base_model.model.{name}.lora_A.weight"),
                    &mut adapter.a,
                ));
                out.push((
                    format!("base_model.model.{name}.lora_B.weight"),
                    &mut adapter.b,
                ));
            }
        }
        out
    }

    /// The network so far on the way from this one to another: `θ + factor (θ' - θ)`. Below 0 it is
    /// the other way. Adapters of the other one, which this one lacks, are scaled.
    #[must_use]
    pub fn towards(&self, other: &Network, factor: f64) -> Network {
        let mut out = other.clone();
        let own = self.weights().into_iter();
        for ((_, own), (_, weight)) in own.zip(out.weights_mut()) {
            weight.inplace(|weight| own.clone() + (weight - own.clone()) * factor);
        }
        for (_, linear) in out.linears_mut() {
            if let Some(adapter) = &mut linear.adapter {
                adapter.b.inplace(|b| b * factor);
            }
        }
        out
    }

    /// The same network with every weight of its dense layers rounded to the nearest of 2^`bits`
    /// steps, in blocks of 32 along the input: what GGUF's Q8_0 and Q4_0 keep of a matrix. Adapters
    /// are merged first. The embedding, which is the output layer too, and the norms stay as they are.
    ///
    /// # Errors
    /// [`Error::Argument`] for other bits than 8 and 4, and for a layer whose inputs do not fill
    /// blocks.
    pub fn quantised(&self, bits: u32) -> Result<Network, Error> {
        let encoding = Encoding::of_bits(bits).ok_or_else(|| {
            Error::Argument(format!(
                "quantisation to {bits} bits: expected one of {QUANTISED_BITS:?}"
            ))
        })?;
        let mut out = self.clone();
        out.merge_adapters();
        for (name, linear) in out.linears_mut() {
            let weight = &linear.weight;
            let shape = weight.dims();
            let mut values: Vec<f32> = weight.to_data().iter::<f32>().collect();
            let raw = (shape[1] % encoding.block().0 == 0).then(|| encoding.encode(&values));
            let Some(raw) = raw.flatten() else {
                return Err(Error::Argument(format!(
                    "{name} has {} inputs, expected a multiple of {} to round it in blocks",
                    shape[1],
                    encoding.block().0
                )));
            };
            encoding.decode(&raw, &mut values);
            linear.weight = Tensor::from_data(TensorData::new(values, shape), &weight.device());
        }
        Ok(out)
    }

    /// How many numbers the weights (without adapters) hold.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        let count = |(_, w): (String, &Tensor<2>)| w.shape().num_elements() as u64;
        self.weights().into_iter().map(count).sum()
    }

    /// The same network with gradients: what [`Self::trainable`] lists is a leaf that requires
    /// them, everything else is frozen.
    #[must_use]
    pub fn with_gradients(self) -> Self {
        self.with_gradients_of(&|_| true)
    }

    /// The same, for those of them only whose names are `chosen`.
    #[must_use]
    pub fn with_gradients_of(mut self, chosen: &dyn Fn(&str) -> bool) -> Self {
        if self.has_adapters() {
            for (_, weight) in self.weights_mut() {
                weight.inplace(Tensor::autodiff);
            }
        }
        for (name, tensor) in self.trainable_mut() {
            let leaf = |t: Tensor<2>| t.inner().autodiff();
            match chosen(&name) {
                true => tensor.inplace(|t| leaf(t).require_grad()),
                false => tensor.inplace(leaf),
            }
        }
        self
    }

    /// The same network without gradients.
    #[must_use]
    pub fn without_gradients(mut self) -> Self {
        for (_, linear) in self.linears_mut() {
            if let Some(adapter) = &mut linear.adapter {
                adapter.a.inplace(Tensor::inner);
                adapter.b.inplace(Tensor::inner);
                adapter.mask_seed = None;
            }
        }
        for (_, weight) in self.weights_mut() {
            weight.inplace(Tensor::inner);
        }
        self
    }
}
