//! The paper's two measures, by every judge, and how far judges agree: over all answers, drawn ones
//! too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use crate::Error;
use crate::columns::Columns;
use crate::language;
use crate::results::list;
use crate::stats::{Agreement, Intervals, SEED, bootstrap_kappa, means};
use crate::study::Study;
use crate::table::{Cell, Column, Table};
use crate::text::compact;

/// Model, item, language, probe and sample of an answer.
type Id = (String, String, String, String, Option<u32>);

/// Whether the fake detail occurs, and the quality of the real information, where that is decided.
#[derive(Debug, Clone, Copy, Default)]
struct Verdict {
    fake: Option<bool>,
    quality: Option<f64>,
}

/// An answer with what the aliases say of it.
struct Answer {
    text: String,
    temperature: Option<f64>,
    alias: Verdict,
}

/// What one judge says.
struct Judge {
    judge: String,
    model: Option<String>,
    prompt: Option<String>,
    verdicts: HashMap<Id, Verdict>,
    /// Judgements of answers that are not among the results any more.
    stale: u64,
}

impl Judge {
    fn name(&self) -> String {
        match &self.model {
            Some(model) => format!("{} {model}", self.judge),
            None => self.judge.clone(),
        }
    }
}

/// All answers of a run, and every judge's verdicts on them.
pub(crate) struct Judged {
    answers: BTreeMap<Id, Answer>,
    judges: Vec<Judge>,
}

impl Judged {
    /// Reads `answers/*.parquet`, and `judgements/*.parquet` where there are any.
    pub(crate) fn read(folder: &Path) -> Result<Judged, Error> {
        let mut answers = BTreeMap::new();
        for path in list(&folder.join("answers"))? {
            read_answers(&path, &mut answers)?;
        }
        let judgements = folder.join("judgements");
        let files = match judgements.is_dir() {
            true => list(&judgements)?,
            false => Vec::new(),
        };
        let judges: Result<Vec<Option<Judge>>, Error> = files
            .iter()
            .map(|path| read_judge(path, &answers))
            .collect();
        Ok(Judged {
            answers,
            judges: judges?.into_iter().flatten().collect(),
        })
    }

    /// Whether there is something that other tables do not say.
    fn is_worth_a_table(&self) -> bool {
        !self.judges.is_empty() || self.answers.keys().any(|id| id.4.is_some())
    }

    /// How far each judge agrees with the aliases, in all languages and in each.
    pub(crate) fn agreement(&self) -> Table {
        let codes: BTreeSet<&str> = self.answers.keys().map(|id| id.2.as_str()).collect();
        let mut codes: Vec<&str> = codes.into_iter().collect();
        codes.sort_by_key(|code| language::rank(code));
        let mut rows = Vec::new();
        for judge in &self.judges {
            for code in std::iter::once(None).chain(codes.iter().copied().map(Some)) {
                rows.extend(self.agreement_row(judge, code));
            }
        }
        Table {
            name: "agreement".to_owned(),
            caption:
                "Judges against the aliases: the share of answers on which both say the same, \
                      and Cohen’s kappa, which is 0 for no more than chance and 1 for full \
                      agreement, with 95 % bootstrap intervals over items. Quality counts as the \
                      same where both put it below 1/2, or neither."
                    .to_owned(),
            columns: vec![
                Column::new("Judge", "judge"),
                Column::new("Prompt", "prompt"),
                Column::new("Language", "language"),
                Column::new("Answers judged", "answers"),
                Column::new("Undecided", "undecided"),
                Column::new("Of answers that have changed", "stale"),
                Column::new("Fake: same", "same_fake"),
                Column::interval("Fake: kappa", "kappa_fake"),
                Column::new("Quality: same", "same_quality"),
                Column::interval("Quality: kappa", "kappa_quality"),
            ],
            rows,
        }
    }

    fn agreement_row(&self, judge: &Judge, code: Option<&str>) -> Option<Vec<Cell>> {
        let (mut fakes, mut qualities) = (PerItem::default(), PerItem::default());
        let (mut judged, mut undecided) = (0, 0);
        for (id, answer) in &self.answers {
            if code.is_some_and(|code| code != id.2) {
                continue;
            }
            let Some(verdict) = judge.verdicts.get(id) else {
                continue;
            };
            judged += 1;
            undecided += u64::from(verdict.fake.is_none() || verdict.quality.is_none());
            fakes.add(&id.1, answer.alias.fake.zip(verdict.fake));
            let half = |quality: f64| quality >= 0.5;
            let alias = answer.alias.quality.map(half);
            qualities.add(&id.1, alias.zip(verdict.quality.map(half)));
        }
        let stale = match code {
            None => Cell::Count(judge.stale),
            Some(_) => Cell::Missing,
        };
        let [same_fake, fake] = fakes.cells();
        let [same_quality, quality] = qualities.cells();
        (judged > 0 || code.is_none()).then(|| {
            vec![
                Cell::text(judge.name()),
                Cell::text(judge.prompt.as_deref().unwrap_or("–")),
                code.map_or_else(|| Cell::text("all"), Cell::language),
                Cell::Count(judged),
                Cell::Count(undecided),
                stale,
                same_fake,
                fake,
                same_quality,
                quality,
            ]
        })
    }

    /// The two measures of every model in every language, greedy and drawn answers apart. Models that
    /// no longer speak are marked.
    pub(crate) fn measures(&self, study: &Study) -> Table {
        let intervals = &study.intervals;
        let mut groups: BTreeMap<_, Vec<(&Id, &Answer)>> = BTreeMap::new();
        if self.is_worth_a_table() {
            for (id, answer) in &self.answers {
                let key = (&id.0, language::rank(&id.2), id.4.is_some());
                groups.entry(key).or_default().push((id, answer));
            }
        }
        let mut columns = vec![
            Column::new("Model", "model"),
            Column::new("Language", "language"),
            Column::new("Answers", "answers"),
            Column::interval("Fake said, alias", "fake_alias"),
            Column::interval("Quality, alias", "quality_alias"),
        ];
        for judge in &self.judges {
            let name = judge.name();
            columns.push(Column::new(
                format!("Judged, {name}"),
                format!("judged {name}"),
            ));
            columns.push(Column::interval(
                format!("Fake said, {name}"),
                format!("fake {name}"),
            ));
            columns.push(Column::interval(
                format!("Quality, {name}"),
                format!("quality {name}"),
            ));
        }
        let row = |group: Vec<(&Id, &Answer)>| {
            let (id, first) = group[0];
            let samples: BTreeSet<u32> = group.iter().filter_map(|(id, _)| id.4).collect();
            let decoding = match first.temperature {
                Some(temperature) => format!(
                    "{} drawn at temperature {}",
                    samples.len(),
                    compact(temperature, 2)
                ),
                None => "greedy".to_owned(),
            };
            let mut cells = vec![
                Cell::Code(id.0.clone()),
                Cell::language(&id.2),
                Cell::text(decoding),
            ];
            let speaks = speaks(study, &id.0, &id.2);
            let marked = |cells: [Cell; 2]| cells.map(|cell| cell.unless(speaks));
            let by_alias = measures(intervals, &group, |_, answer| Some(answer.alias));
            cells.extend(marked(by_alias));
            for judge in &self.judges {
                let verdict = |id: &Id, _: &Answer| judge.verdicts.get(id).copied();
                let judged = group
                    .iter()
                    .filter(|(id, _)| judge.verdicts.contains_key(*id));
                cells.push(Cell::Count(judged.count() as u64));
                cells.extend(marked(measures(intervals, &group, verdict)));
            }
            cells
        };
        Table {
            name: "judged".to_owned(),
            caption: "The paper’s two measures by model, prompt language and judge: how often \
                      answers to the detail probe say the fake detail, and the quality, from 0 to \
                      1, of what answers to the fact probe say of the real news. Means over items, \
                      each over its answers, with 95 % bootstrap intervals; undecided answers are \
                      left out. † marks a model that no longer speaks there."
                .to_owned(),
            columns,
            rows: groups.into_values().map(row).collect(),
        }
    }
}

/// Whether a model still speaks in a language, over all of its seeds.
fn speaks(study: &Study, model: &str, language: &str) -> bool {
    let models = &study.results.models;
    let place = models.iter().position(|known| known.is_named(model));
    let places = place.zip(study.results.language(language));
    places.is_none_or(|(place, language)| study.speaks(place, language))
}

/// The mean fake occurrence over detail probes and the mean quality over fact probes.
fn measures(
    intervals: &Intervals,
    group: &[(&Id, &Answer)],
    verdict: impl Fn(&Id, &Answer) -> Option<Verdict>,
) -> [Cell; 2] {
    let mean = |probe: &str, of: fn(Verdict) -> Option<f64>| {
        let own = group.iter().filter(|(id, _)| id.3 == probe);
        let values = own.filter_map(|(id, answer)| Some((&id.1, of(verdict(id, answer)?)?)));
        let means: Vec<f64> = means(values).into_values().collect();
        (!means.is_empty()).then(|| intervals.mean(&means))
    };
    [
        mean("detail", |v| v.fake.map(f64::from)).map_or(Cell::Missing, Cell::ShareOf),
        mean("fact", |v| v.quality).map_or(Cell::Missing, |e| Cell::Level(e, 2)),
    ]
}

/// Pairs of two judges' yes or no, by item.
#[derive(Default)]
struct PerItem(BTreeMap<String, Agreement>);

impl PerItem {
    fn add(&mut self, item: &str, pair: Option<(bool, bool)>) {
        if let Some((first, second)) = pair {
            self.0
                .entry(item.to_owned())
                .or_default()
                .add(first, second);
        }
    }

    /// The share of agreement, and kappa.
    fn cells(&self) -> [Cell; 2] {
        let items: Vec<Agreement> = self.0.values().copied().collect();
        let same: f64 = items
            .iter()
            .filter_map(|item| Some(item.observed()? * item.pairs()))
            .sum();
        let pairs: f64 = items.iter().map(Agreement::pairs).sum();
        let share = match pairs > 0.0 {
            true => Cell::Share(same / pairs),
            false => Cell::Missing,
        };
        let kappa = bootstrap_kappa(&items, SEED);
        [
            share,
            kappa.map_or(Cell::Missing, |kappa| Cell::Level(kappa, 2)),
        ]
    }
}

/// The ids of all rows of a file, with a name for each in errors.
fn ids(columns: &Columns) -> Result<Vec<Id>, Error> {
    let [model, item] = [columns.text("model")?, columns.text("item")?];
    let [language, probe] = [columns.text("language")?, columns.text("probe")?];
    let sample = columns.optional_u32("sample")?;
    let rows = model
        .into_iter()
        .zip(item)
        .zip(language)
        .zip(probe)
        .zip(sample);
    let ids = rows
        .map(|((((model, item), language), probe), sample)| (model, item, language, probe, sample));
    Ok(ids.collect())
}

fn describe(id: &Id) -> String {
    let (model, item, language, probe, sample) = id;
    let sample = sample.map_or("greedy".to_owned(), |sample| format!("sample {sample}"));
    format!("{model}, item {item}, language {language}, {probe} probe, {sample}")
}

fn read_answers(path: &Path, answers: &mut BTreeMap<Id, Answer>) -> Result<(), Error> {
    let columns = Columns::open(path)?;
    let ids = ids(&columns)?;
    let key = |row: usize| describe(&ids[row]);
    let texts = columns.text("answer")?;
    let temperatures = columns.optional_number("temperature", key)?;
    let fakes = columns.truth("fake_occurrence", key)?;
    let reals = columns.truth("real_occurrence", key)?;
    let f1 = columns.number("f1", key)?;
    for (row, (id, text)) in ids.iter().zip(texts).enumerate() {
        if id.4.is_some() != temperatures[row].is_some() {
            let found = temperatures[row].map_or("null".to_owned(), |t| t.to_string());
            let expected = "a number for a drawn answer, null for the greedy one";
            return Err(columns.wrong(row, key(row), "temperature", &found, expected));
        }
        let answer = Answer {
            text,
            temperature: temperatures[row],
            alias: Verdict {
                fake: Some(fakes[row]),
                quality: Some(if reals[row] { 1.0 } else { f1[row] }),
            },
        };
        if answers.insert(id.clone(), answer).is_some() {
            let expected = "one row per item, language, probe and sample";
            return Err(columns.wrong(row, key(row), "item", "the same row twice", expected));
        }
    }
    Ok(())
}

/// None for the aliases' own judgements, which the answers have.
fn read_judge(path: &Path, answers: &BTreeMap<Id, Answer>) -> Result<Option<Judge>, Error> {
    let columns = Columns::open(path)?;
    let ids = ids(&columns)?;
    let key = |row: usize| describe(&ids[row]);
    let judge = columns.constant("judge", columns.text("judge")?)?;
    let model = columns.constant("judge_model", columns.optional_text("judge_model")?)?;
    let prompt = columns.constant("prompt", columns.optional_text("prompt")?)?;
    let texts = columns.text("answer")?;
    let fakes = columns.optional_truth("fake")?;
    let qualities = columns.optional_number("quality", key)?;
    let mut out = Judge {
        judge,
        model,
        prompt,
        verdicts: HashMap::new(),
        stale: 0,
    };
    for (row, id) in ids.iter().enumerate() {
        let (fake, quality) = (fakes[row], qualities[row]);
        if let Some(found) = quality
            && !(0.0..=1.0).contains(&found)
        {
            let found = found.to_string();
            return Err(columns.wrong(row, key(row), "quality", &found, "a number from 0 to 1"));
        }
        let current = answers.get(id);
        if current.is_none_or(|answer| answer.text != texts[row]) {
            out.stale += 1;
        } else if out
            .verdicts
            .insert(id.clone(), Verdict { fake, quality })
            .is_some()
        {
            let expected = "one judgement per answer";
            return Err(columns.wrong(row, key(row), "item", "the same row twice", expected));
        }
    }
    Ok((out.judge != "alias").then_some(out))
}
