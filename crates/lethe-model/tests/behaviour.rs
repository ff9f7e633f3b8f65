//! What a model promises, on a small random one: nothing here needs a download.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;

use lethe_model::{Decoding, LanguageModel, LoraConfig, Pretrained, Sequence, Session, device};

const TEXTS: [&str; 6] = [
    "The town of Velmora opened its first tram line on Monday.",
    "Die Stadt Velmora hat am Montag ihre erste Straßenbahnlinie eröffnet.",
    "维尔莫拉市星期一开通了第一条有轨电车线路。",
    "Քաղաքը երկուշաբթի օրը բացեց իր առաջին տրամվայի գիծը։",
    "شہر نے پیر کو اپنی پہلی ٹرام لائن کھولی۔",
    "Garin ya bude layin jirgin kasa na farko a ranar Litinin.",
];

fn model() -> LanguageModel {
    let device = device("auto").unwrap();
    LanguageModel::random(&TEXTS, 700, 3, 11, &device).unwrap()
}

fn prompts(model: &LanguageModel) -> Vec<Vec<u32>> {
    TEXTS
        .iter()
        .map(|t| model.tokenizer.encode_sequence(t).unwrap())
        .collect()
}

fn weights(model: &LanguageModel) -> Vec<(String, Vec<f32>)> {
    let values =
        |(name, w): (String, &burn::tensor::Tensor<2>)| (name, w.to_data().iter().collect());
    model.network.weights().into_iter().map(values).collect()
}

fn near(a: &[f64], b: &[f64], margin: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < margin, "{a} {b}");
    }
}

#[test]
fn text_survives_the_tokenizer() {
    let model = model();
    for text in TEXTS.iter().chain(&["emoji 🦀 and tabs\tand  spaces", ""]) {
        let ids = model.tokenizer.encode(text).unwrap();
        assert_eq!(model.tokenizer.decode(&ids).unwrap(), *text);
    }
}

#[test]
fn padding_and_batching_change_no_loss() {
    let model = model();
    let sequences: Vec<Sequence> = prompts(&model).into_iter().map(Sequence::whole).collect();
    let (_, together) = model.network.mean_nll(&sequences);
    let alone: Vec<f64> = sequences
        .iter()
        .map(|s| model.network.mean_nll(std::slice::from_ref(s)).0)
        .collect();
    near(&together, &alone, 1e-5);
}

#[test]
fn later_tokens_do_not_change_earlier_losses() {
    let model = model();
    let long = prompts(&model).swap_remove(1);
    let all: Vec<f32> = model
        .network
        .token_losses(&[Sequence::whole(long.clone())])
        .to_data()
        .iter()
        .collect();
    let short = Sequence::whole(long[..9].to_vec());
    let first: Vec<f32> = model
        .network
        .token_losses(&[short])
        .to_data()
        .iter()
        .collect();
    let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    near(&wide(&all[..8]), &wide(&first), 1e-5);
}

#[test]
fn a_session_scores_what_the_plain_network_scores() {
    let model = model();
    let prompts = prompts(&model);
    let answers: Vec<Vec<u32>> = ["a red tram", "x", "有轨电车", "գիծը", "", "ranar"]
        .iter()
        .map(|t| model.tokenizer.encode(t).unwrap())
        .collect();
    let mut session = Session::new(&model.network, &prompts, 20);
    // Twice: scoring leaves the session as it was.
    for _ in 0..2 {
        let scored = session.log_probabilities(&answers);
        for ((prompt, answer), scored) in prompts.iter().zip(&answers).zip(&scored) {
            let sequence = Sequence {
                ids: prompt.iter().chain(answer).copied().collect(),
                first_target: prompt.len(),
            };
            assert_eq!(sequence.targets(), scored.len());
            if scored.is_empty() {
                continue;
            }
            let plain = model.network.token_losses(&[sequence]).to_data();
            let plain: Vec<f64> = plain.iter::<f32>().map(|x| f64::from(-x)).collect();
            near(scored, &plain, 1e-4);
        }
    }
}

#[test]
fn generation_does_not_depend_on_the_batch() {
    let model = model();
    let prompts = prompts(&model);
    let sampled = Decoding::Sample {
        temperature: 0.8,
        top_p: 0.9,
        seed: 5,
    };
    let stops = model.tokenizer.stops();
    let greedy = Session::new(&model.network, &prompts, 10).generate(Decoding::Greedy, 10, &stops);
    for (prompt, together) in prompts.iter().zip(&greedy) {
        let session = Session::new(&model.network, std::slice::from_ref(prompt), 10);
        assert_eq!(session.generate(Decoding::Greedy, 10, &stops)[0], *together);
    }
    let draw = |d| Session::new(&model.network, &prompts, 10).generate(d, 10, &BTreeSet::new());
    assert_eq!(draw(sampled), draw(sampled));
    assert_ne!(draw(sampled), draw(Decoding::Greedy));
}

#[test]
fn a_trimmed_model_ranks_the_kept_tokens_alike() {
    let full = model();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    full.save(&path).unwrap();
    let pretrained = Pretrained::open(&path).unwrap();
    let kept = pretrained
        .tokenizer()
        .tokens_of(TEXTS[..2].iter().copied())
        .unwrap();
    assert!(kept.len() < full.tokenizer.len());
    let device = device("auto").unwrap();
    let trimmed = pretrained.load(&device, Some(&kept)).unwrap();
    let ids = full.tokenizer.encode_sequence(TEXTS[1]).unwrap();
    let row = |model: &LanguageModel, ids: &[u32]| -> Vec<f32> {
        let last = Sequence {
            ids: ids.iter().copied().chain([0]).collect(),
            first_target: ids.len(),
        };
        model
            .network
            .target_logits(&[last])
            .to_data()
            .iter()
            .collect()
    };
    let all = row(&full, &ids);
    let some = row(
        &trimmed,
        &trimmed.tokenizer.encode_sequence(TEXTS[1]).unwrap(),
    );
    assert_eq!(some.len(), kept.len());
    for (place, &id) in kept.iter().enumerate() {
        assert!((some[place] - all[id as usize]).abs() < 1e-5);
    }
    let error = trimmed.tokenizer.encode(TEXTS[3]).unwrap_err().to_string();
    assert!(error.contains("vocabulary = \"full\""), "{error}");
    // A trimmed checkpoint remembers what it kept.
    let again = dir.path().join("again");
    trimmed.save(&again).unwrap();
    let again = Pretrained::open(&again)
        .unwrap()
        .load(&device, None)
        .unwrap();
    assert_eq!(weights(&again), weights(&trimmed));
    assert_eq!(
        again.tokenizer.encode(TEXTS[0]).unwrap(),
        trimmed.tokenizer.encode(TEXTS[0]).unwrap()
    );
}

#[test]
fn a_checkpoint_is_bit_identical_when_read_back() {
    let model = model();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    model.save(&path).unwrap();
    let device = device("auto").unwrap();
    let back = Pretrained::open(&path)
        .unwrap()
        .load(&device, None)
        .unwrap();
    assert_eq!(weights(&back), weights(&model));
    let file = path.join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let error = Pretrained::open(&path)
        .unwrap()
        .load(&device, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("model.safetensors"), "{error}");
}

#[test]
fn fresh_adapters_change_nothing_and_merge_exactly() {
    let plain = model();
    let mut adapted = plain.clone();
    let lora = LoraConfig {
        rank: 4,
        alpha: 8.0,
        dropout: 0.0,
        targets: r"self_attn\.[qkv]_proj".to_owned(),
    };
    adapted.network.add_adapters(&lora, 3).unwrap();
    assert_eq!(adapted.network.adapters().len(), 3 * 3 * 2);
    let sequences: Vec<Sequence> = prompts(&plain).into_iter().map(Sequence::whole).collect();
    let before = plain.network.mean_nll(&sequences).1;
    near(&before, &adapted.network.mean_nll(&sequences).1, 1e-6);
    // Make the adapters do something, then merge: the outputs stay.
    for (name, tensor) in adapted.network.trainable_mut() {
        if name.contains("lora_B") {
            tensor.inplace(|t| t + 0.02);
        }
    }
    let changed = adapted.network.mean_nll(&sequences).1;
    assert!(
        before
            .iter()
            .zip(&changed)
            .any(|(a, b)| (a - b).abs() > 1e-4)
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter");
    adapted.save_adapter(&lora, "test", &path).unwrap();
    let mut loaded = plain.clone();
    loaded.load_adapter(&path).unwrap();
    near(&changed, &loaded.network.mean_nll(&sequences).1, 1e-7);
    adapted.network.merge_adapters();
    assert!(!adapted.network.has_adapters());
    near(&changed, &adapted.network.mean_nll(&sequences).1, 1e-4);
    loaded.network.remove_adapters();
    near(&before, &loaded.network.mean_nll(&sequences).1, 1e-7);
    let wrong = LoraConfig {
        targets: "nothing".to_owned(),
        ..lora
    };
    let error = loaded
        .network
        .add_adapters(&wrong, 0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("model.layers.0.self_attn.q_proj"), "{error}");
}

#[test]
fn quantising_rounds_the_dense_layers_and_nothing_else() {
    let model = model();
    let plain = weights(&model);
    for bits in lethe_model::QUANTISED_BITS {
        let network = model.network.quantised(bits).unwrap();
        let rounded = LanguageModel {
            network,
            tokenizer: model.tokenizer.clone(),
        };
        let (mut dense, mut far) = (0, 0.0f32);
        for ((name, before), (_, after)) in plain.iter().zip(weights(&rounded)) {
            if !name.contains("_proj") {
                assert_eq!(*before, after, "{name}");
                continue;
            }
            dense += 1;
            for (before, after) in before.chunks(32).zip(after.chunks(32)) {
                let largest = before.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                let mut levels: Vec<i64> = after.iter().map(|x| (x * 1e6) as i64).collect();
                levels.sort_unstable();
                levels.dedup();
                assert!(levels.len() <= 1 << bits, "{name}");
                let apart = before
                    .iter()
                    .zip(after)
                    .map(|(a, b)| (a - b).abs() / largest);
                far = apart.fold(far, f32::max);
            }
        }
        assert_eq!(dense, 3 * 7);
        // Half a step of 127 to the farthest weight, a step of eight where one is missing; and the
        // 2^-11 by which half precision may take the scale off.
        let (least, most) = if bits == 8 {
            (0.003, 0.0045)
        } else {
            (0.06, 0.126)
        };
        assert!((least..most).contains(&far), "{bits} bits: {far}");
        let again = rounded.network.quantised(bits).unwrap();
        let again = LanguageModel {
            network: again,
            tokenizer: model.tokenizer.clone(),
        };
        assert_eq!(weights(&again), weights(&rounded));
    }
    let said = model.network.quantised(3).unwrap_err().to_string();
    assert!(said.contains("3 bits") && said.contains("[8, 4]"), "{said}");
}
