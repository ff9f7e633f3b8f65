//! `corpus export`, `corpus stats`, `corpus show`: the whole corpus, outside of a study.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use color_eyre::eyre::{Context, Result, bail, eyre};
use comfy_table::{ContentArrangement, Table, presets};
use lethe_corpus::{Corpus, Language, Layout, Mapping, QuestionKind, Version, length};
use lethe_model::{Pretrained, Tokenizer};

use crate::preset::root;
use crate::study::locate;

/// What to do with a corpus other than building it for a study.
#[derive(Subcommand)]
pub enum Action {
    /// Write it in a form that other tools load
    Export {
        #[arg(long, value_enum, default_value = "hf")]
        format: Format,
        /// The folder to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        from: From,
    },
    /// Count articles, words and tokens, per language
    Stats {
        /// Whose tokenizer counts the tokens: as model.name in a preset
        #[arg(long, default_value = "gemma-3-270m", value_name = "NAME")]
        model: String,
        /// Or a GGUF file or a folder in Hugging Face's layout
        #[arg(long, value_name = "PATH")]
        model_path: Option<PathBuf>,
        #[command(flatten)]
        from: From,
    },
    /// Measure the text: vocabulary diversity and perplexity, beside the Universal Declaration of
    /// Human Rights; writes quality.json, which the dataset card quotes
    Quality {
        /// Whose perplexity: as model.name in a preset
        #[arg(long, default_value = "gemma-3-270m", value_name = "NAME")]
        model: String,
        /// Or a GGUF file or a folder in Hugging Face's layout
        #[arg(long, value_name = "PATH")]
        model_path: Option<PathBuf>,
        #[arg(long, default_value = "auto", value_name = "D")]
        device: String,
        #[command(flatten)]
        from: From,
    },
    /// Turn another data set of real and fake articles into corpus text, in its one language
    Import {
        /// The data set: Parquet, JSON, JSONL or CSV
        file: PathBuf,
        /// Which of its columns hold what, as TOML: see datasets/mapping.toml
        #[arg(long, value_name = "FILE")]
        mapping: PathBuf,
        /// The folder to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Write corpus text in further languages: ready translations, or a translation service's
    Translate(Box<crate::translate::Options>),
    /// Print an item side by side in several languages
    Show {
        /// Its id, for example sport-01
        item: String,
        /// Language codes
        #[arg(
            long,
            value_delimiter = ',',
            default_value = "en,de",
            value_name = "CODES"
        )]
        languages: Vec<String>,
        #[command(flatten)]
        from: From,
    },
}

/// Where the corpus is.
#[derive(Args)]
pub struct From {
    /// The corpus' folder of JSON Lines [default: datasets/news]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// A folder for Hugging Face's `datasets`: a configuration per table, splits probe and instruct
    Hf,
    /// One Parquet file per table, as a study reads them
    Parquet,
}

impl From {
    fn folder(&self) -> PathBuf {
        let standard = || root().join("datasets/news");
        self.path.clone().unwrap_or_else(standard)
    }

    fn read(&self) -> Result<Corpus> {
        Ok(Corpus::from_jsonl(&self.folder())?)
    }
}

/// Does what is asked.
pub fn run(action: Action) -> Result<()> {
    match action {
        Action::Export { format, out, from } => export(&from.folder(), format, &out),
        Action::Translate(options) => crate::translate::run(&options),
        Action::Import { file, mapping, out } => import(&file, &mapping, &out),
        Action::Quality {
            model,
            model_path,
            device,
            from,
        } => {
            let name = model_path.is_none().then_some(model.as_str());
            let which = (name, model_path.as_deref());
            let device = lethe_model::device(&device)?;
            crate::quality::run(&from.folder(), &from.read()?, which, &device)
        }
        Action::Stats {
            model,
            model_path,
            from,
        } => {
            let corpus = from.read()?;
            let name = model_path.is_none().then_some(model.as_str());
            let (_, path, _) = locate(name, model_path.as_deref())?;
            let model = Pretrained::open(&path)?;
            println!("{}", stats(&corpus, model.tokenizer())?);
            Ok(())
        }
        Action::Show {
            item,
            languages,
            from,
        } => {
            let corpus = from.read()?;
            let languages = languages.iter().map(|code| language(code));
            println!(
                "{}",
                show(&corpus, &item, &languages.collect::<Result<Vec<_>>>()?)?
            );
            Ok(())
        }
    }
}

fn language(code: &str) -> Result<Language> {
    let found = Language::ALL.into_iter().find(|l| l.code() == code.trim());
    found.ok_or_else(|| {
        let codes = Language::ALL.map(Language::code).join(", ");
        eyre!("--languages: {code:?} is not a language of the corpus, expected some of {codes}")
    })
}

/// Writes beside the folder and renames, so that it appears whole or not at all.
fn export(folder: &Path, format: Format, out: &Path) -> Result<()> {
    if out.exists() {
        bail!(
            "{}: exists already; name another folder, or delete it",
            out.display()
        );
    }
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let said = || out.display().to_string();
    std::fs::create_dir_all(parent).wrap_err_with(said)?;
    let work = tempfile::Builder::new()
        .prefix(".export-")
        .tempdir_in(parent);
    let work = work.wrap_err_with(said)?;
    let whole = work.path().join("whole");
    let layout = match format {
        Format::Hf => Layout::Splits,
        Format::Parquet => Layout::Tables,
    };
    let built = lethe_corpus::build(folder, &whole, layout)?;
    std::fs::rename(&whole, out).wrap_err_with(said)?;
    for (file, sha256) in &built.files {
        println!("{sha256}  {}", out.join(file).display());
    }
    Ok(())
}

fn import(file: &Path, mapping: &Path, out: &Path) -> Result<()> {
    let text = std::fs::read_to_string(mapping)
        .wrap_err_with(|| format!("{}: cannot read the mapping", mapping.display()))?;
    let columns: Mapping = toml::from_str(&text).wrap_err_with(|| {
        format!(
            "{}: not a mapping (datasets/mapping.toml has every key)",
            mapping.display()
        )
    })?;
    let imported = lethe_corpus::import(file, &columns, out)?;
    for problem in &imported.refused {
        println!("left out: {problem}");
    }
    println!(
        "{} of {} rows became items: {}",
        imported.kept,
        imported.rows,
        out.display()
    );
    for lack in &imported.lacks {
        println!("lacks {lack}");
    }
    Ok(())
}

/// A table for the terminal; 120 columns wide where there is none.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    if !table.is_tty() {
        table.set_width(120);
    }
    table
}

fn stats(corpus: &Corpus, tokenizer: &Tokenizer) -> Result<Table> {
    let mut table = table(&["language", "articles", "words", "tokens", "tokens/word"]);
    for language in Language::ALL {
        let articles = corpus.articles.iter().filter(|a| a.language == language);
        let (mut count, mut words, mut tokens) = (0, 0, 0);
        for article in articles {
            count += 1;
            words += length(language, &article.text);
            tokens += tokenizer.encode(&article.text)?.len();
        }
        if count > 0 {
            table.add_row([
                language.name().to_owned(),
                count.to_string(),
                words.to_string(),
                tokens.to_string(),
                format!("{:.2}", tokens as f64 / words.max(1) as f64),
            ]);
        }
    }
    let columns = table.column_iter_mut().skip(1);
    for column in columns {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    Ok(table)
}

fn show(corpus: &Corpus, item: &str, languages: &[Language]) -> Result<Table> {
    let found = corpus.items.iter().find(|i| i.id == item).ok_or_else(|| {
        let ids: Vec<&str> = corpus.items.iter().map(|i| i.id.as_str()).collect();
        eyre!("the corpus has no item {item:?}; it has {}", ids.join(", "))
    })?;
    let title = format!("{item} · {} · {}", found.split, found.kind);
    let names = languages.iter().map(|l| l.name());
    let mut table = table(
        &std::iter::once(title.as_str())
            .chain(names)
            .collect::<Vec<_>>(),
    );
    let mut row = |name: String, of: &dyn Fn(Language) -> Option<String>| {
        let cells: Vec<Option<String>> = languages.iter().map(|&l| of(l)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(Option::unwrap_or_default);
            table.add_row(std::iter::once(name).chain(cells).collect::<Vec<_>>());
        }
    };
    for wording in lethe_corpus::Wording::ALL {
        row(wording.as_str().to_owned(), &|language| {
            let of = |version| {
                corpus.articles.iter().find(|a| {
                    (a.item.as_str(), a.language, a.wording, a.version)
                        == (item, language, wording, version)
                })
            };
            let (real, fake) = (of(Version::Real)?, of(Version::Fake)?);
            let before: String = real.text.chars().take(real.detail_start as usize).collect();
            let after: String = real.text.chars().skip(real.detail_end as usize).collect();
            Some(format!(
                "{before}[{} | {}]{after}",
                real.detail, fake.detail
            ))
        });
    }
    for kind in QuestionKind::ALL {
        let indices = corpus
            .questions
            .iter()
            .filter(|q| q.item == item && q.kind == kind);
        let Some(last) = indices.map(|q| q.index).max() else {
            continue;
        };
        for index in 0..=last {
            row(format!("{kind} {index}"), &|language| {
                let question = corpus.questions.iter().find(|q| {
                    (q.item.as_str(), q.language, q.kind, q.index) == (item, language, kind, index)
                })?;
                let answers = match &question.fake_answer {
                    Some(fake) => format!("[{} | {fake}]", question.answer),
                    None => question.answer.clone(),
                };
                let asked = match kind {
                    QuestionKind::Cloze => &question.prompt,
                    _ => &question.question,
                };
                Some(format!("{asked}\n→ {answers}"))
            });
        }
    }
    Ok(table)
}
