//! What the benchmarks of the model share.

use lethe_model::{LanguageModel, Pretrained, store};

/// Gemma 3 270M with 4,096 vocabulary rows; fetched on first use.
pub fn model() -> LanguageModel {
    let cache = store::cache_dir().expect("a cache folder");
    let path = store::pull(&store::MODELS[0], &cache, &mut |_, _, _| {}).expect("the model");
    let kept: Vec<u32> = (0..4096).collect();
    let device = lethe_model::device("auto").expect("a device");
    let pretrained = Pretrained::open(&path).expect("readable");
    pretrained.load(&device, Some(&kept)).expect("loadable")
}

/// `count` sequences of `length` different tokens, no two alike from whichever is the `first`.
pub fn sequences(first: u32, count: u32, length: u32) -> Vec<Vec<u32>> {
    let ids = |row| {
        (0..length)
            .map(|i| (i * 37 + row * 101) % 4000 + 4)
            .collect()
    };
    (first..first + count).map(ids).collect()
}
