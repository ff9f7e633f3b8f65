//! Causal language models on burn.
//!
//! **In:** weights on disk (a GGUF file, or a folder in Hugging Face's layout), found by the
//! [`store`]; text. **Out:** logits turned into what the study needs: token losses with gradients
//! ([`Network::token_losses`]), log-probabilities of answers and sampled answers ([`Session`]),
//! checkpoints ([`LanguageModel::save`]).
//!
//! * [`Pretrained`] is a model on disk; [`Pretrained::load`] puts it on a device, whole or with a
//!   trimmed vocabulary (only the embedding rows of tokens that the run's texts can produce:
//!   arXiv 2305.14936 and earlier), and gives a [`LanguageModel`].
//! * [`Network`] is the Gemma 3 text architecture as plain structs of tensors; training sees it as
//!   named matrices ([`Network::trainable`]), losses see what it predicts ([`Predictions`]).
//! * [`LoraConfig`] and [`Network::add_adapters`] give it low-rank adapters.
//! * [`device()`] picks one of the burn backends that were compiled in.
//!
//! Everything is stored in `f32`, and computed in it unless [`Network::set_precision`] says otherwise.
//! On the processor the blocks of the network are `lethe-kernels`' fused ones.

mod blocks;
mod config;
mod device;
mod error;
mod generate;
mod gguf;
#[cfg(feature = "hub")]
mod hub;
mod lora;
mod loss;
mod model;
mod network;
mod parameters;
mod quant;
pub mod store;
mod tokenizer;

pub use burn;
pub use config::ModelConfig;
pub use device::{Adapter, DEVICES, adapters, compiled_devices, computes_in, device, parse_device};
pub use error::Error;
pub use generate::{Decoding, Finish, Generated, Session};
pub use gguf::{Gguf, Value};
pub use lethe_kernels::{Precision, is_native};
pub use lora::LoraConfig;
pub use loss::{Predictions, Sequence};
pub use model::{LanguageModel, Pretrained};
pub use network::Network;
pub use parameters::QUANTISED_BITS;
pub use tokenizer::{Special, Tokenizer};

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use rand::SeedableRng;

/// `work` done on every item by as many threads as the machine has cores; results come in the order
/// of the items. Batches are independent, and many tensor operations use only one core: two
/// batches at a time use two.
pub fn in_parallel<I: Sync, O: Send>(items: &[I], work: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let threads = cores().min(items.len());
    let next = AtomicUsize::new(0);
    let own = || {
        let mut own = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return own;
            };
            own.push((index, work(item)));
        }
    };
    let mut done: Vec<(usize, O)> = std::thread::scope(|scope| {
        let worker = || as_one_of(threads, own);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let join = |t: ScopedJoinHandle<'_, _>| t.join().unwrap_or_else(|e| resume_unwind(e));
        threads.into_iter().flat_map(join).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, output)| output).collect()
}

/// `work`, one of so many that run at the same time: when they keep all cores busy, its operations
/// are not spread over further threads. The result does not depend on it.
pub fn as_one_of<O>(at_a_time: usize, work: impl FnOnce() -> O) -> O {
    if at_a_time >= cores() {
        lethe_kernels::sequential(work)
    } else {
        work()
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A random generator for one named thing: its stream does not depend on what else draws.
pub(crate) fn seeded(seed: u64, name: &str) -> rand_chacha::ChaCha8Rng {
    use sha2::{Digest, Sha256};
    let digest = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(name.as_bytes())
        .finalize();
    rand_chacha::ChaCha8Rng::from_seed(digest.into())
}
