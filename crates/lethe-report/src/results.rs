//! Result files, read and checked: after [`Results::read`] every model has every row, every number
//! is finite, and values can be compared position by position.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::columns::Columns;
use crate::language;
use crate::measures::{self, Measures};

/// Where a model stands in base → instruct → oracle → tuned → unlearned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Base,
    Instruct,
    /// Tuned like the others, without the fakes.
    Oracle,
    Tuned,
    Unlearned,
}

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stage::Base => "base",
            Stage::Instruct => "instruct",
            Stage::Oracle => "oracle",
            Stage::Tuned => "tuned",
            Stage::Unlearned => "unlearned",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Stage> {
        let taught = [Stage::Oracle, Stage::Tuned, Stage::Unlearned];
        let mut all = [Stage::Base, Stage::Instruct].into_iter().chain(taught);
        all.find(|stage| stage.name() == text)
    }
}

/// The languages of a forget set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    English,
    Source,
    EnglishSource,
    Multilingual,
    HighResource,
    LowResource,
    AllButSource,
    /// A bit for every language that the study knows.
    List(u16),
}

impl Scope {
    /// Those that have a name.
    pub(crate) const NAMED: [Scope; 7] = [
        Scope::English,
        Scope::Source,
        Scope::EnglishSource,
        Scope::Multilingual,
        Scope::HighResource,
        Scope::LowResource,
        Scope::AllButSource,
    ];

    pub(crate) fn name(self) -> String {
        let name = match self {
            Scope::English => "english",
            Scope::Source => "source",
            Scope::EnglishSource => "english+source",
            Scope::Multilingual => "multilingual",
            Scope::HighResource => "high-resource",
            Scope::LowResource => "low-resource",
            Scope::AllButSource => "all-but-source",
            Scope::List(_) => {
                let listed = language::CODES.into_iter();
                let listed: Vec<&str> = listed.filter(|code| self.covers("", code)).collect();
                return listed.join(",");
            }
        };
        name.to_owned()
    }

    pub(crate) fn parse(text: &str) -> Option<Scope> {
        let named = Scope::NAMED.into_iter().find(|scope| scope.name() == text);
        named.or_else(|| {
            let mut bits = 0;
            for code in text.split(',') {
                bits |= 1 << language::CODES.iter().position(|known| *known == code)?;
            }
            Some(Scope::List(bits))
        })
    }

    /// Whether the forget set of fakes learned in `source` has text in `language`.
    pub(crate) fn covers(self, source: &str, language: &str) -> bool {
        match self {
            Scope::English => language == "en",
            Scope::Source => language == source,
            Scope::EnglishSource => language == "en" || language == source,
            Scope::Multilingual => true,
            Scope::HighResource => language::resource(language) == language::Resource::High,
            Scope::LowResource => language::resource(language) == language::Resource::Low,
            Scope::AllButSource => language != source,
            Scope::List(bits) => {
                let place = language::CODES.iter().position(|known| *known == language);
                place.is_some_and(|place| bits >> place & 1 == 1)
            }
        }
    }
}

/// What a model is: equal for the same model trained with another seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) stage: Stage,
    pub(crate) source: Option<String>,
    pub(crate) strategy: Option<String>,
    pub(crate) scope: Option<Scope>,
}

impl Label {
    pub(crate) fn order(&self) -> impl Ord + '_ {
        let source = self.source.as_deref().map(language::rank);
        (self.stage, source, self.strategy.as_deref(), self.scope)
    }
}

/// One probe of one item in one language, as one model answered it. With several seeds the numbers
/// are means over them and the texts the first seed's.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) prompt: String,
    pub(crate) answer: String,
    pub(crate) real_answer: String,
    pub(crate) fake_answer: Option<String>,
    /// 1 where the fake detail occurs in the answer.
    pub(crate) fake: f64,
    /// 1 where the true answer occurs in it.
    pub(crate) real: f64,
    pub(crate) f1: f64,
    pub(crate) logprob_real: f64,
    /// 0 at the fact probe, which has no fake.
    pub(crate) preference: f64,
    /// 1 where the answer is empty or repeats itself or, where that was measured, is no valid text
    /// or gibberish.
    pub(crate) degenerate: f64,
    /// 1 where it was measured to be in another language than the prompt.
    pub(crate) foreign: f64,
}

/// Values by language, then by item.
pub(crate) type Grid<T> = Vec<Vec<T>>;

/// A model with everything that was measured on it.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) name: String,
    /// Names of the same model trained with further seeds.
    pub(crate) also: Vec<String>,
    pub(crate) label: Label,
    pub(crate) seeds: Vec<OfSeed>,
    pub(crate) detail: Grid<Answer>,
    pub(crate) fact: Grid<Answer>,
    /// Mean NLL per token of the held-out articles, by language, then by held-out item.
    pub(crate) nll: Grid<f64>,
    /// The field's measures, if the evaluation took them.
    pub(crate) measures: Option<Measures>,
}

impl Model {
    /// Whether this is its name, or its name with another seed.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name == name || self.also.iter().any(|known| known == name)
    }
}

/// What the model of one seed came to: means over languages and items.
#[derive(Debug, Clone)]
pub(crate) struct OfSeed {
    pub(crate) seed: u64,
    /// Nats.
    pub(crate) preference: f64,
    /// A share of answers.
    pub(crate) fake: f64,
    /// Of the fact probe's true answer, in nats per token.
    pub(crate) logprob_real: f64,
}

impl OfSeed {
    fn new(seed: u64, detail: &Grid<Answer>, fact: &Grid<Answer>) -> OfSeed {
        let mean = |grid: &Grid<Answer>, of: fn(&Answer) -> f64| {
            let values: Vec<f64> = grid.iter().flatten().map(of).collect();
            values.iter().sum::<f64>() / values.len().max(1) as f64
        };
        OfSeed {
            seed,
            preference: mean(detail, |a| a.preference),
            fake: mean(detail, |a| a.fake),
            logprob_real: mean(fact, |a| a.logprob_real),
        }
    }
}

/// All results of a run.
#[derive(Debug)]
pub(crate) struct Results {
    /// Codes, in the order of [`language::rank`].
    pub(crate) languages: Vec<String>,
    pub(crate) items: Vec<Item>,
    pub(crate) held_out: Vec<String>,
    /// Ordered by stage, source, strategy and scope.
    pub(crate) models: Vec<Model>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) category: String,
}

type Key = (String, String, String);

struct AnswerFile {
    path: PathBuf,
    name: String,
    label: Label,
    seed: u64,
    /// By language, item and probe.
    answers: HashMap<Key, Answer>,
    items: Vec<Item>,
    languages: Vec<String>,
}

struct PerplexityFile {
    path: PathBuf,
    name: String,
    label: Label,
    seed: u64,
    /// By language and item.
    nll: HashMap<(String, String), f64>,
    items: Vec<String>,
}

impl Results {
    /// Reads `answers/*.parquet` and `perplexity/*.parquet` in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Results, Error> {
        let files = list_some(&folder.join("answers"))?;
        let answers = files
            .iter()
            .map(|p| read_answers(p))
            .collect::<Result<Vec<_>, _>>()?;
        let files = list_some(&folder.join("perplexity"))?;
        let perplexities = files
            .iter()
            .map(|p| read_perplexity(p))
            .collect::<Result<Vec<_>, _>>()?;

        let measured = measures::of_folder(folder)?;

        let mut items: Vec<Item> = Vec::new();
        let mut languages: Vec<String> = Vec::new();
        for file in &answers {
            for item in &file.items {
                if !items.iter().any(|known| known.id == item.id) {
                    items.push(item.clone());
                }
            }
            for language in &file.languages {
                if !languages.contains(language) {
                    languages.push(language.clone());
                }
            }
        }
        languages.sort_by(|a, b| language::rank(a).cmp(&language::rank(b)));
        let mut held_out: Vec<String> = Vec::new();
        for item in perplexities.iter().flat_map(|file| &file.items) {
            if !held_out.contains(item) {
                held_out.push(item.clone());
            }
        }

        let mut models: Vec<(PathBuf, Model)> = Vec::new();
        for file in &answers {
            let beside = folder
                .join("perplexity")
                .join(format!("{}.parquet", file.name));
            let held = perplexities
                .iter()
                .find(|p| p.name == file.name)
                .ok_or_else(|| Error::Read {
                    path: beside,
                    reason: format!("there is none, though {} exists", file.path.display()),
                })?;
            if held.label != file.label || held.seed != file.seed {
                return Err(Error::Value {
                    path: held.path.clone(),
                    row: 1,
                    key: "all rows".to_owned(),
                    column: "stage, source, strategy, scope or seed",
                    found: format!("{:?}, seed {}", held.label, held.seed),
                    expected: format!(
                        "{:?}, seed {} as in {}",
                        file.label,
                        file.seed,
                        file.path.display()
                    ),
                });
            }
            let grid = |probe| file.grid(&answers, &languages, &items, probe);
            let measures = measures::beside(
                &measured,
                (&file.path, &file.name),
                (&file.label, file.seed),
                (&languages, &items),
            )?;
            let (detail, fact) = (grid("detail")?, grid("fact")?);
            let mut model = Model {
                name: file.name.clone(),
                also: Vec::new(),
                label: file.label.clone(),
                seeds: vec![OfSeed::new(file.seed, &detail, &fact)],
                detail,
                fact,
                nll: held.grid(&perplexities, &languages, &held_out)?,
                measures,
            };
            measures::apply(&mut model);
            models.push((file.path.clone(), model));
        }
        if let Some(lone) = perplexities
            .iter()
            .find(|p| answers.iter().all(|a| a.name != p.name))
        {
            return Err(Error::Read {
                path: folder
                    .join("answers")
                    .join(format!("{}.parquet", lone.name)),
                reason: format!("there is none, though {} exists", lone.path.display()),
            });
        }
        models.sort_by(|(_, a), (_, b)| {
            let by = |model: &'_ Model| (model.seeds[0].seed, model.name.clone());
            (a.label.order(), by(a)).cmp(&(b.label.order(), by(b)))
        });
        Ok(Results {
            languages,
            items,
            held_out,
            models: merge_seeds(models)?,
        })
    }

    pub(crate) fn language(&self, code: &str) -> Option<usize> {
        self.languages.iter().position(|l| l == code)
    }
}

impl AnswerFile {
    fn grid(
        &self,
        all: &[AnswerFile],
        languages: &[String],
        items: &[Item],
        probe: &str,
    ) -> Result<Grid<Answer>, Error> {
        let cell = |language: &String, item: &Item| {
            let key = (language.clone(), item.id.clone(), probe.to_owned());
            self.answers.get(&key).cloned().ok_or_else(|| {
                let has = |file: &&AnswerFile| file.answers.contains_key(&key);
                let similar = |file: &&AnswerFile| file.items.contains(item);
                let other = all.iter().find(has).or_else(|| all.iter().find(similar));
                Error::MissingRow {
                    path: self.path.clone(),
                    key: describe(&item.id, language, probe),
                    other: other.unwrap_or(self).path.clone(),
                }
            })
        };
        languages
            .iter()
            .map(|language| items.iter().map(|item| cell(language, item)).collect())
            .collect()
    }
}

impl PerplexityFile {
    fn grid(
        &self,
        all: &[PerplexityFile],
        languages: &[String],
        items: &[String],
    ) -> Result<Grid<f64>, Error> {
        let cell = |language: &String, item: &String| {
            let key = (language.clone(), item.clone());
            self.nll.get(&key).copied().ok_or_else(|| {
                let has = |file: &&PerplexityFile| file.nll.contains_key(&key);
                let similar = |file: &&PerplexityFile| file.items.contains(item);
                let other = all.iter().find(has).or_else(|| all.iter().find(similar));
                Error::MissingRow {
                    path: self.path.clone(),
                    key: describe(item, language, "held-out article"),
                    other: other.unwrap_or(self).path.clone(),
                }
            })
        };
        languages
            .iter()
            .map(|language| items.iter().map(|item| cell(language, item)).collect())
            .collect()
    }
}

/// Models that differ in their seed alone become one, whose numbers are means over the seeds.
fn merge_seeds(models: Vec<(PathBuf, Model)>) -> Result<Vec<Model>, Error> {
    let mut out: Vec<(PathBuf, Vec<Model>)> = Vec::new();
    for (path, model) in models {
        match out.last_mut() {
            Some((first, group)) if group[0].label == model.label => {
                if group
                    .iter()
                    .any(|known| known.seeds[0].seed == model.seeds[0].seed)
                {
                    return Err(Error::SameModel {
                        first: first.clone(),
                        second: path,
                        label: format!("{:?} with seed {}", model.label, model.seeds[0].seed),
                    });
                }
                group.push(model);
            }
            _ => out.push((path, vec![model])),
        }
    }
    Ok(out
        .into_iter()
        .map(|(_, group)| mean_over_seeds(group))
        .collect())
}

fn mean_over_seeds(mut group: Vec<Model>) -> Model {
    let mut out = group.remove(0);
    let count = (group.len() + 1) as f64;
    out.seeds
        .extend(group.iter().flat_map(|model| model.seeds.clone()));
    out.also = group.iter().map(|model| model.name.clone()).collect();
    let average = |to: &mut Grid<Answer>, from: fn(&Model) -> &Grid<Answer>| {
        for (l, row) in to.iter_mut().enumerate() {
            for (i, answer) in row.iter_mut().enumerate() {
                let others = || group.iter().map(|model| &from(model)[l][i]);
                let mean = |mine: &mut f64, of: fn(&Answer) -> f64| {
                    *mine = (*mine + others().map(of).sum::<f64>()) / count;
                };
                mean(&mut answer.fake, |a| a.fake);
                mean(&mut answer.real, |a| a.real);
                mean(&mut answer.f1, |a| a.f1);
                mean(&mut answer.logprob_real, |a| a.logprob_real);
                mean(&mut answer.preference, |a| a.preference);
                mean(&mut answer.degenerate, |a| a.degenerate);
                mean(&mut answer.foreign, |a| a.foreign);
            }
        }
    };
    average(&mut out.detail, |model| &model.detail);
    average(&mut out.fact, |model| &model.fact);
    if let Some(measures) = &mut out.measures {
        let others: Vec<&Measures> = group.iter().filter_map(|m| m.measures.as_ref()).collect();
        measures.average(&others);
    }
    for (l, row) in out.nll.iter_mut().enumerate() {
        for (i, nll) in row.iter_mut().enumerate() {
            *nll = (*nll + group.iter().map(|model| model.nll[l][i]).sum::<f64>()) / count;
        }
    }
    out
}

/// The Parquet files of a folder by name.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |reason: String| Error::NoResults {
        path: folder.to_path_buf(),
        reason,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| failed(e.to_string()))? {
        let path = entry.map_err(|e| failed(e.to_string()))?.path();
        if path.extension().is_some_and(|e| e == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The same of a folder that must have one.
pub(crate) fn list_some(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let files = list(folder)?;
    match files.is_empty() {
        true => Err(Error::NoResults {
            path: folder.to_path_buf(),
            reason: "no .parquet file there".to_owned(),
        }),
        false => Ok(files),
    }
}

pub(crate) fn describe(item: &str, language: &str, probe: &str) -> String {
    format!("item {item}, language {language}, {probe}")
}

impl Columns<'_> {
    /// The file's model: its name, what it is, its seed.
    pub(crate) fn model(&self) -> Result<(String, Label, u64), Error> {
        let all = || "all rows".to_owned();
        let name = self.constant("model", self.text("model")?)?;
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        if name != stem {
            return Err(self.wrong(
                0,
                all(),
                "model",
                &name,
                &format!("{stem}, the file's name"),
            ));
        }
        let stage = self.constant("stage", self.text("stage")?)?;
        let Some(stage) = Stage::parse(&stage) else {
            let expected = "base, instruct, oracle, tuned or unlearned";
            return Err(self.wrong(0, all(), "stage", &stage, expected));
        };
        let source = self.constant("source", self.optional_text("source")?)?;
        let strategy = self.constant("strategy", self.optional_text("strategy")?)?;
        let scope = self.constant("scope", self.optional_text("scope")?)?;
        let present = |column, value: &Option<String>, needed: bool| match (value, needed) {
            (Some(_), true) | (None, false) => Ok(()),
            (None, true) => {
                let expected = format!("a value, as the stage is {}", stage.name());
                Err(self.wrong(0, all(), column, "null", &expected))
            }
            (Some(value), false) => {
                let expected = format!("null, as the stage is {}", stage.name());
                Err(self.wrong(0, all(), column, value, &expected))
            }
        };
        present("source", &source, stage >= Stage::Tuned)?;
        present("strategy", &strategy, stage == Stage::Unlearned)?;
        present("scope", &scope, stage == Stage::Unlearned)?;
        let scope = match scope {
            None => None,
            Some(text) => Some(Scope::parse(&text).ok_or_else(|| {
                let expected = "the name of a scope (english, source, english+source, \
                                multilingual, high-resource, low-resource, all-but-source), or \
                                codes of languages with commas between";
                self.wrong(0, all(), "scope", &text, expected)
            })?),
        };
        let seeds = self.required("seed", self.optional_u64("seed")?, |_| all())?;
        let seed = self.constant("seed", seeds)?;
        let label = Label {
            stage,
            source,
            strategy,
            scope,
        };
        Ok((name, label, seed))
    }
}

fn read_answers(path: &Path) -> Result<AnswerFile, Error> {
    let columns = Columns::open(path)?;
    let (name, label, seed) = columns.model()?;
    let [item, category] = [columns.text("item")?, columns.text("category")?];
    let [language, probe] = [columns.text("language")?, columns.text("probe")?];
    let [prompt, answer] = [columns.text("prompt")?, columns.text("answer")?];
    let real_answer = columns.text("real_answer")?;
    let fake_answer = columns.optional_text("fake_answer")?;
    let sample = columns.optional_u32("sample")?;
    let key = |row: usize| describe(&item[row], &language[row], &format!("{} probe", probe[row]));
    let fake = columns.truth("fake_occurrence", key)?;
    let real = columns.truth("real_occurrence", key)?;
    let f1 = columns.number("f1", key)?;
    let logprob_real = columns.number("logprob_real", key)?;
    let logprob_fake = columns.optional_number("logprob_fake", key)?;
    let preference = columns.optional_number("preference", key)?;
    columns.u32("answer_tokens", key)?;
    columns.text("finish")?;

    let mut out = AnswerFile {
        path: path.to_path_buf(),
        name,
        label,
        seed,
        answers: HashMap::new(),
        items: Vec::new(),
        languages: Vec::new(),
    };
    // Drawn answers repeat what is known of the probe.
    for row in (0..item.len()).filter(|&row| sample[row].is_none()) {
        let wrong = |column, found: &str, expected: &str| {
            Err(columns.wrong(row, key(row), column, found, expected))
        };
        match probe[row].as_str() {
            "detail" => {
                if fake_answer[row].is_none() {
                    return wrong("fake_answer", "null", "the fake answer (detail probe)");
                }
                if logprob_fake[row].is_none() {
                    return wrong("logprob_fake", "null", "a number (detail probe)");
                }
                if preference[row].is_none() {
                    return wrong("preference", "null", "a number (detail probe)");
                }
            }
            "fact" => {}
            other => return wrong("probe", other, "detail or fact"),
        }
        if !(0.0..=1.0).contains(&f1[row]) {
            return wrong("f1", &f1[row].to_string(), "a number from 0 to 1");
        }
        if logprob_real[row] > 0.0 {
            return wrong(
                "logprob_real",
                &logprob_real[row].to_string(),
                "a number up to 0",
            );
        }
        let cell = (language[row].clone(), item[row].clone(), probe[row].clone());
        let value = Answer {
            prompt: prompt[row].clone(),
            answer: answer[row].clone(),
            real_answer: real_answer[row].clone(),
            fake_answer: fake_answer[row].clone(),
            fake: f64::from(fake[row]),
            real: f64::from(real[row]),
            f1: f1[row],
            logprob_real: logprob_real[row],
            preference: preference[row].unwrap_or_default(),
            degenerate: f64::from(crate::quality::is_degenerate(&answer[row])),
            foreign: 0.0,
        };
        if out.answers.insert(cell, value).is_some() {
            return wrong(
                "item",
                "the same row twice",
                "one row per item, language and probe",
            );
        }
        let known = Item {
            id: item[row].clone(),
            category: category[row].clone(),
        };
        if !out.items.contains(&known) {
            if out.items.iter().any(|other| other.id == known.id) {
                return wrong(
                    "category",
                    &known.category,
                    "the item's category in earlier rows",
                );
            }
            out.items.push(known);
        }
        if !out.languages.contains(&language[row]) {
            out.languages.push(language[row].clone());
        }
    }
    Ok(out)
}

fn read_perplexity(path: &Path) -> Result<PerplexityFile, Error> {
    let columns = Columns::open(path)?;
    let (name, label, seed) = columns.model()?;
    let [item, language] = [columns.text("item")?, columns.text("language")?];
    let key = |row: usize| describe(&item[row], &language[row], "held-out article");
    let values = columns.number("nll", key)?;
    columns.u32("tokens", key)?;
    let mut nll = HashMap::new();
    let mut items: Vec<String> = Vec::new();
    for (row, value) in values.into_iter().enumerate() {
        let cell = (language[row].clone(), item[row].clone());
        if nll.insert(cell, value).is_some() {
            let expected = "one row per item and language";
            return Err(columns.wrong(row, key(row), "item", "the same row twice", expected));
        }
        if !items.contains(&item[row]) {
            items.push(item[row].clone());
        }
    }
    Ok(PerplexityFile {
        path: path.to_path_buf(),
        name,
        label,
        seed,
        nll,
        items,
    })
}
