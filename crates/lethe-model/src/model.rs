//! A language model: network and tokenizer, from and to disk.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use rand_distr::{Distribution, StandardNormal};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::gguf::Gguf;
use crate::lora::matrix;
use crate::network::{Layer, Linear, Network};
use crate::{Error, LoraConfig, ModelConfig, Precision, Tokenizer, seeded};

/// Weights on disk, opened but not yet on a device.
#[derive(Debug)]
pub struct Pretrained {
    path: PathBuf,
    config: ModelConfig,
    tokenizer: Tokenizer,
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    Gguf(Gguf),
    /// The bytes of a safetensors file.
    Safetensors(PathBuf, Vec<u8>),
}

/// A causal language model, ready to train, score and generate.
#[derive(Debug, Clone)]
pub struct LanguageModel {
    /// The weights.
    pub network: Network,
    /// Text to the network's ids and back.
    pub tokenizer: Tokenizer,
}

/// `blk.3.attn_q` for `model.layers.3.self_attn.q_proj`.
fn gguf_name(name: &str) -> String {
    let parts = [
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "post_attention_norm"),
        ("pre_feedforward_layernorm", "ffn_norm"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
    ];
    match name {
        "model.embed_tokens.weight" => "token_embd.weight".to_owned(),
        "model.norm.weight" => "output_norm.weight".to_owned(),
        _ => {
            let block = name.replacen("model.layers.", "blk.", 1);
            let part = parts.iter().find(|(hf, _)| {
                let tail = block.strip_suffix(".weight").unwrap_or(&block);
                tail.ends_with(&format!(".{hf}"))
            });
            part.map_or(block.clone(), |(hf, gguf)| block.replacen(hf, gguf, 1))
        }
    }
}

impl Pretrained {
    /// Opens a GGUF file, or a folder in Hugging Face's layout (`config.json`,
    /// `model.safetensors`, `tokenizer.json`).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`], [`Error::Unsupported`]: see the formats.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            let config = ModelConfig::from_json(&path.join("config.json"))?;
            let tokenizer = Tokenizer::from_json(&path.join("tokenizer.json"), &config)?;
            let file = path.join("model.safetensors");
            let bytes = std::fs::read(&file).map_err(Error::io(&file))?;
            return Ok(Pretrained {
                path: path.to_path_buf(),
                config,
                tokenizer,
                weights: Weights::Safetensors(file, bytes),
            });
        }
        let gguf = Gguf::open(path)?;
        let config = ModelConfig::from_gguf(&gguf)?;
        let tokenizer = Tokenizer::from_gguf(&gguf, &config)?;
        Ok(Pretrained {
            path: path.to_path_buf(),
            config,
            tokenizer,
            weights: Weights::Gguf(gguf),
        })
    }

    /// Where the weights came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tokenizer over the vocabulary that is on disk.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The hyper-parameters.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// How many numbers the weights hold on disk.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        match &self.weights {
            Weights::Gguf(gguf) => gguf.parameters(),
            Weights::Safetensors(_, bytes) => SafeTensors::deserialize(bytes).map_or(0, |file| {
                let count = |(_, view): (String, TensorView)| {
                    view.shape().iter().map(|&d| d as u64).product::<u64>()
                };
                file.tensors().into_iter().map(count).sum()
            }),
        }
    }

    /// Loads the weights as `f32` onto a device. With `kept` (ids of the full vocabulary,
    /// ascending, see [`Tokenizer::tokens_of`]) only those rows of the embedding are loaded.
    ///
    /// # Errors
    /// [`Error::Format`] when a tensor is missing or has another shape than the configuration
    /// says; [`Error::Argument`] for `kept` on a vocabulary that is already trimmed.
    pub fn load(&self, device: &Device, kept: Option<&[u32]>) -> Result<LanguageModel, Error> {
        let mut config = self.config.clone();
        let mut tokenizer = self.tokenizer.clone();
        if let Some(kept) = kept {
            if config.kept_tokens.is_some() {
                return Err(Error::Argument(format!(
                    "{}: its vocabulary is already trimmed",
                    self.path.display()
                )));
            }
            tokenizer = tokenizer.trimmed(kept)?;
            config.kept_tokens = Some(kept.to_vec());
            config.vocab_size = kept.len();
        }
        let network = match &self.weights {
            Weights::Gguf(gguf) => Network::build(&config, |name, shape| {
                let is_norm = shape[0] == 1;
                let is_embedding = name == "model.embed_tokens.weight";
                let stored = if is_norm {
                    vec![shape[1]]
                } else {
                    shape.to_vec()
                };
                let values = if let (true, Some(kept)) = (is_embedding, kept) {
                    let full = [self.config.vocab_size, shape[1]];
                    gguf.tensor(&gguf_name(name), &full, Some(kept))?
                } else {
                    gguf.tensor(&gguf_name(name), &stored, None)?
                };
                // llama.cpp's converter bakes the one of Gemma's `1 + w` into its norms.
                let values = if is_norm {
                    values.into_iter().map(|w| w - 1.0).collect()
                } else {
                    values
                };
                Ok(matrix(values, shape, device))
            })?,
            Weights::Safetensors(path, bytes) => {
                let file = SafeTensors::deserialize(bytes)
                    .map_err(|e| Error::format(path, e.to_string()))?;
                Network::build(&config, |name, shape| {
                    let is_embedding = name == "model.embed_tokens.weight";
                    let rows = kept.filter(|_| is_embedding);
                    read_safetensor(path, &file, name, shape, rows, device)
                })?
            }
        };
        Ok(LanguageModel { network, tokenizer })
    }
}

fn read_safetensor(
    path: &Path,
    file: &SafeTensors,
    name: &str,
    shape: [usize; 2],
    rows: Option<&[u32]>,
    device: &Device,
) -> Result<Tensor<2>, Error> {
    let view = file
        .tensor(name)
        .map_err(|e| Error::format(path, format!("tensor {name}: {e}")))?;
    let found = view.shape();
    let fits = match rows {
        Some(_) => found.len() == 2 && found[1] == shape[1],
        None => found == shape || (shape[0] == 1 && found == [shape[1]]),
    };
    if !fits {
        return Err(Error::format(
            path,
            format!("tensor {name} has shape {found:?}, expected {shape:?} from config.json"),
        ));
    }
    let decode: fn(&[u8]) -> f32 = match view.dtype() {
        Dtype::F32 => |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        Dtype::F16 => |b| half::f16::from_le_bytes([b[0], b[1]]).to_f32(),
        Dtype::BF16 => |b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32(),
        other => {
            return Err(Error::unsupported(
                path,
                format!("tensor {name} is {other:?}; supported are F32, F16, BF16"),
            ));
        }
    };
    let size = if view.dtype() == Dtype::F32 { 4 } else { 2 };
    let data = view.data();
    let values: Vec<f32> = match rows {
        None => data.chunks_exact(size).map(decode).collect(),
        Some(rows) => {
            let mut out = Vec::with_capacity(rows.len() * shape[1]);
            for &row in rows {
                let start = row as usize * shape[1] * size;
                let Some(row) = data.get(start..start + shape[1] * size) else {
                    return Err(Error::format(
                        path,
                        format!("tensor {name} has no row {row}"),
                    ));
                };
                out.extend(row.chunks_exact(size).map(decode));
            }
            out
        }
    };
    Ok(matrix(values, shape, device))
}

impl Network {
    /// Assembles a network from tensors asked for by name and shape.
    fn build(
        config: &ModelConfig,
        mut get: impl FnMut(&str, [usize; 2]) -> Result<Tensor<2>, Error>,
    ) -> Result<Self, Error> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (q, kv) = (
            config.num_attention_heads * config.head_dim,
            config.num_key_value_heads * config.head_dim,
        );
        let embedding = get("model.embed_tokens.weight", [config.vocab_size, hidden])?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for index in 0..config.num_hidden_layers {
            let mut weight = |part: &str, shape: [usize; 2]| {
                get(&format!("model.layers.{index}.{part}.weight"), shape)
            };
            let linear = |weight: Tensor<2>| Linear {
                weight,
                adapter: None,
            };
            layers.push(Layer {
                input_norm: weight("input_layernorm", [1, hidden])?,
                q: linear(weight("self_attn.q_proj", [q, hidden])?),
                k: linear(weight("self_attn.k_proj", [kv, hidden])?),
                v: linear(weight("self_attn.v_proj", [kv, hidden])?),
                o: linear(weight("self_attn.o_proj", [hidden, q])?),
                q_norm: weight("self_attn.q_norm", [1, config.head_dim])?,
                k_norm: weight("self_attn.k_norm", [1, config.head_dim])?,
                post_attention_norm: weight("post_attention_layernorm", [1, hidden])?,
                pre_feedforward_norm: weight("pre_feedforward_layernorm", [1, hidden])?,
                gate: linear(weight("mlp.gate_proj", [inner, hidden])?),
                up: linear(weight("mlp.up_proj", [inner, hidden])?),
                down: linear(weight("mlp.down_proj", [hidden, inner])?),
                post_feedforward_norm: weight("post_feedforward_layernorm", [1, hidden])?,
            });
        }
        Ok(Network {
            precision: Precision::F32,
            embedding,
            layers,
            norm: get("model.norm.weight", [1, hidden])?,
            config: config.clone(),
        })
    }

    /// A network with random weights: normal with standard deviation 0.02 (norms: zero, that is a
    /// factor of one), reproducible from `seed`.
    ///
    /// # Errors
    /// [`Error::Argument`] never in practice: the shapes are the configuration's own.
    pub fn random(config: &ModelConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        Network::build(config, |name, shape| {
            let mut rng = seeded(seed, name);
            let normal = |rng: &mut rand_chacha::ChaCha8Rng| -> f32 { StandardNormal.sample(rng) };
            let scale = if shape[0] == 1 { 0.0 } else { 0.02 };
            let values = (0..shape[0] * shape[1]).map(|_| scale * normal(&mut rng));
            Ok(matrix(values.collect(), shape, device))
        })
    }
}

impl LanguageModel {
    /// A small model with random weights and a tokenizer trained on `texts`: the model of the
    /// `smoke` preset, which needs no download.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn random(
        texts: &[&str],
        vocabulary: usize,
        layers: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Error> {
        let tokenizer = Tokenizer::train(texts, vocabulary)?;
        let special = tokenizer.special();
        let config = ModelConfig {
            model_type: "gemma3_text".to_owned(),
            vocab_size: tokenizer.len(),
            hidden_size: 64,
            intermediate_size: 128,
            num_hidden_layers: layers,
            num_attention_heads: 4,
            num_key_value_heads: 1,
            head_dim: 16,
            query_pre_attn_scalar: 16.0,
            rms_norm_eps: 1e-6,
            rope_theta: 1e6,
            rope_local_base_freq: 1e4,
            sliding_window: 64,
            sliding_window_pattern: 2,
            max_position_embeddings: 2048,
            bos_token_id: special.bos,
            eos_token_id: special.eos,
            pad_token_id: special.pad,
            kept_tokens: None,
        };
        Ok(LanguageModel {
            network: Network::random(&config, seed, device)?,
            tokenizer,
        })
    }

    /// Writes the model in Hugging Face's layout: `config.json`, `model.safetensors` (`f32`,
    /// adapters merged), `tokenizer.json` (over the full vocabulary; `kept_tokens` in
    /// `config.json` maps a trimmed one). The folder appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`], for instance on a full disk.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut network = self.network.clone().without_gradients();
        network.merge_adapters();
        let config = serde_json::to_string_pretty(&network.config)
            .map_err(|e| Error::format(dir, e.to_string()))?;
        let weights = network.weights();
        let norms = |shape: [usize; 2]| {
            if shape[0] == 1 {
                vec![shape[1]]
            } else {
                shape.to_vec()
            }
        };
        let weights = weights
            .into_iter()
            .map(|(name, w)| (name, norms(w.dims()), w));
        let weights = safetensors_bytes(dir, weights.collect())?;
        write_folder(
            dir,
            &[
                ("config.json", config.as_bytes()),
                ("model.safetensors", &weights),
                ("tokenizer.json", self.tokenizer.to_json()?.as_bytes()),
            ],
        )
    }

    /// Writes only the adapters, in PEFT's layout: `adapter_config.json` and
    /// `adapter_model.safetensors`.
    ///
    /// # Errors
    /// [`Error::Argument`] without adapters, [`Error::Io`].
    pub fn save_adapter(&self, lora: &LoraConfig, base: &str, dir: &Path) -> Result<(), Error> {
        let network = self.network.clone().without_gradients();
        if !network.has_adapters() {
            return Err(Error::Argument(
                "this model has no adapter to save".to_owned(),
            ));
        }
        let config = serde_json::json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base,
            "r": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "target_modules": lora.targets,
            "bias": "none",
            "inference_mode": true,
        });
        let adapters = network.adapters().into_iter();
        let adapters = adapters
            .map(|(name, w)| (name, w.dims().to_vec(), w))
            .collect();
        write_folder(
            dir,
            &[
                ("adapter_config.json", format!("{config:#}").as_bytes()),
                (
                    "adapter_model.safetensors",
                    &safetensors_bytes(dir, adapters)?,
                ),
            ],
        )
    }

    /// Loads adapters in PEFT's layout into this model: the layers get exactly the adapters that
    /// the folder has.
    ///
    /// # Errors
    /// [`Error::Format`] when the folder's adapters do not fit this model.
    pub fn load_adapter(&mut self, dir: &Path) -> Result<(), Error> {
        let path = dir.join("adapter_config.json");
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let config: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| Error::format(&path, e.to_string()))?;
        let missing = |key: &str| Error::format(&path, format!("no usable key {key:?}"));
        let lora = LoraConfig {
            rank: config["r"].as_u64().ok_or_else(|| missing("r"))? as usize,
            alpha: config["lora_alpha"]
                .as_f64()
                .ok_or_else(|| missing("lora_alpha"))?,
            dropout: config["lora_dropout"].as_f64().unwrap_or(0.0),
            targets: config["target_modules"]
                .as_str()
                .ok_or_else(|| missing("target_modules"))?
                .to_owned(),
        };
        let path = dir.join("adapter_model.safetensors");
        let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
        let file =
            SafeTensors::deserialize(&bytes).map_err(|e| Error::format(&path, e.to_string()))?;
        let mut network = self.network.clone().without_gradients();
        network.remove_adapters();
        network.add_adapters(&lora, 0)?;
        let device = network.device();
        let count = network.adapters().len();
        if file.names().len() != count {
            return Err(Error::format(
                &path,
                format!(
                    "{} tensors, this model's adapters have {count}",
                    file.names().len()
                ),
            ));
        }
        for (name, tensor) in network.trainable_mut() {
            *tensor = read_safetensor(&path, &file, &name, tensor.dims(), None, &device)?;
        }
        self.network = network;
        Ok(())
    }
}

/// The bytes of a safetensors file of `f32` tensors.
fn safetensors_bytes(
    dir: &Path,
    tensors: Vec<(String, Vec<usize>, &Tensor<2>)>,
) -> Result<Vec<u8>, Error> {
    let failed = |e: String| Error::format(dir, e);
    let mut data = Vec::new();
    for (name, shape, tensor) in tensors {
        let values: Vec<f32> = tensor
            .try_to_vec_as()
            .map_err(|e| failed(format!("{name}: {e:?}")))?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        data.push((name, shape, bytes));
    }
    let mut views = BTreeMap::new();
    for (name, shape, bytes) in &data {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
            .map_err(|e| failed(format!("{name}: {e}")))?;
        views.insert(name, view);
    }
    let metadata = Some([("format".to_owned(), "pt".to_owned())].into());
    safetensors::serialize(views, metadata).map_err(|e| failed(e.to_string()))
}

/// Writes files into a new folder that appears under its name only when all of it is on disk.
fn write_folder(dir: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    let staging = tempfile::Builder::new()
        .prefix(".partial-")
        .tempdir_in(parent)
        .map_err(Error::io(parent))?;
    for (name, bytes) in files {
        let path = staging.path().join(name);
        std::fs::File::create(&path)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .map_err(Error::io(&path))?;
    }
    if dir.exists() {
        std::fs::remove_dir_all(dir).map_err(Error::io(dir))?;
    }
    std::fs::rename(staging.path(), dir).map_err(Error::io(dir))
}

#[cfg(test)]
mod tests {
    use super::gguf_name;

    #[test]
    fn hugging_face_names_become_gguf_names() {
        for (hf, gguf) in [
            ("model.embed_tokens.weight", "token_embd.weight"),
            ("model.norm.weight", "output_norm.weight"),
            (
                "model.layers.3.self_attn.q_proj.weight",
                "blk.3.attn_q.weight",
            ),
            (
                "model.layers.3.self_attn.q_norm.weight",
                "blk.3.attn_q_norm.weight",
            ),
            (
                "model.layers.11.input_layernorm.weight",
                "blk.11.attn_norm.weight",
            ),
            (
                "model.layers.0.post_feedforward_layernorm.weight",
                "blk.0.post_ffw_norm.weight",
            ),
            (
                "model.layers.0.pre_feedforward_layernorm.weight",
                "blk.0.ffn_norm.weight",
            ),
            (
                "model.layers.0.mlp.down_proj.weight",
                "blk.0.ffn_down.weight",
            ),
        ] {
            assert_eq!(gguf_name(hf), gguf);
        }
    }
}
