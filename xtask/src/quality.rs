//! `corpus quality`: figures of the corpus' text beside those of the Universal Declaration of
//! Human Rights, for the dataset card.

use std::collections::BTreeMap;
use std::path::Path;

use color_eyre::eyre::{Context, Result, bail};
use lethe_corpus::{
    Article, Corpus, FAR, Figures, Language, QUALITY, Quality, Version, WINDOW, diversity, length,
    outliers,
};
use lethe_model::burn::tensor::Device;
use lethe_model::{LanguageModel, Pretrained, Sequence};

use crate::preset::root;
use crate::progress::Console;
use crate::study::locate;

/// The declaration, chunked like articles: paragraphs are put together until they are as long as
/// a mean article.
fn declaration(language: Language, like: &[&Article]) -> Result<Vec<String>> {
    let file = root().join(format!("datasets/udhr/{language}.txt"));
    let text = std::fs::read_to_string(&file).wrap_err_with(|| {
        format!(
            "{}: the declaration's text, one paragraph a line",
            file.display()
        )
    })?;
    let total: usize = like.iter().map(|a| length(language, &a.text)).sum();
    let wanted = total / like.len().max(1);
    let mut chunks = vec![String::new()];
    for paragraph in text.lines() {
        if chunks.last().is_some_and(|c| length(language, c) >= wanted) {
            chunks.push(String::new());
        }
        if let Some(chunk) = chunks.last_mut() {
            if !chunk.is_empty() && language != Language::Zh {
                chunk.push(' ');
            }
            chunk.push_str(paragraph);
        }
    }
    Ok(chunks)
}

/// The mean negative log-likelihood over all tokens, and every text's own.
fn nll(model: &LanguageModel, texts: &[&str]) -> Result<(f64, Vec<f64>)> {
    let mut sequences = Vec::with_capacity(texts.len());
    for text in texts {
        sequences.push(Sequence::whole(model.tokenizer.encode_sequence(text)?));
    }
    Ok(model.network.mean_nll(&sequences))
}

/// Measures, prints the table and the outliers, and writes `quality.json` into the corpus' folder.
pub fn run(
    folder: &Path,
    corpus: &Corpus,
    (name, path): (Option<&str>, Option<&Path>),
    device: &Device,
) -> Result<()> {
    let (name, path, _) = locate(name, path)?;
    let real: Vec<&Article> = corpus
        .articles
        .iter()
        .filter(|a| a.is_original(Version::Real))
        .collect();
    let of = |language| -> Vec<&Article> {
        real.iter()
            .copied()
            .filter(|a| a.language == language)
            .collect()
    };
    let mut declarations = BTreeMap::new();
    for language in Language::ALL {
        declarations.insert(language, declaration(language, &of(language))?);
    }
    let pretrained = Pretrained::open(&path)?;
    let articles = real.iter().map(|a| a.text.as_str());
    let texts = articles.chain(declarations.values().flatten().map(String::as_str));
    let kept = pretrained.tokenizer().tokens_of(texts)?;
    let model = pretrained.load(device, Some(&kept))?;

    let console = Console;
    let bar = console.bar("quality", "languages");
    let mut languages = BTreeMap::new();
    let mut far = Vec::new();
    for (done, language) in Language::ALL.into_iter().enumerate() {
        bar.at(done, Language::ALL.len(), language.name());
        let (own, theirs) = (of(language), &declarations[&language]);
        let texts: Vec<&str> = own.iter().map(|a| a.text.as_str()).collect();
        let declared: Vec<&str> = theirs.iter().map(String::as_str).collect();
        let (mean, each) = nll(&model, &texts)?;
        let (declared_mean, _) = nll(&model, &declared)?;
        let beyond = outliers(&each);
        far.extend(beyond.iter().map(|&i| (own[i], each[i].exp())));
        languages.insert(
            language,
            Figures {
                diversity: diversity(language, &texts.join(" "), WINDOW),
                declaration_diversity: diversity(language, &declared.join(" "), WINDOW),
                perplexity: mean.exp(),
                declaration_perplexity: declared_mean.exp(),
                outliers: beyond.len(),
            },
        );
    }
    drop(bar);
    let mut table = crate::corpus::table(&[
        "language",
        "diversity",
        "of the declaration",
        "perplexity",
        "of the declaration",
        "outliers",
    ]);
    for (language, f) in &languages {
        table.add_row([
            language.name().to_owned(),
            format!("{:.3}", f.diversity),
            format!("{:.3}", f.declaration_diversity),
            format!("{:.1}", f.perplexity),
            format!("{:.1}", f.declaration_perplexity),
            f.outliers.to_string(),
        ]);
    }
    println!("{table}");
    let quality = Quality {
        text_sha256: corpus.text_sha256(),
        model: format!(
            "{name} (vocabulary trimmed to the {} tokens of these texts)",
            kept.len()
        ),
        languages,
    };
    let file = folder.join(QUALITY);
    let mut bytes = serde_json::to_vec_pretty(&quality)?;
    bytes.push(b'\n');
    crate::cache::write(&file, &bytes)?;
    println!("{}", file.display());
    if far.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = far
        .iter()
        .map(|(a, perplexity)| format!("{} {}: perplexity {perplexity:.0}", a.item, a.language))
        .collect();
    bail!(
        "articles whose mean log-likelihood is more than {FAR} robust standard deviations below \
         their language's median; read and rewrite them:\n  {}",
        lines.join("\n  ")
    )
}
