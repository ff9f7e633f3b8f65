//! Whether attacks bring forgotten fakes back, where a run tried them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Error;
use crate::columns::Columns;
use crate::figures::{Figure, Heat, HeatRow, Scale, heatmap};
use crate::findings::{FEWEST, Verdict};
use crate::language;
use crate::results::{Label, Results, Stage, describe, list_some};
use crate::stats::{Estimate, LEVEL, holm, least_p, means};
use crate::study::Study;
use crate::table::{Cell, Column, Table};
use crate::text::{percent, signed, visible};

/// The probe as it is, which attacks are compared with.
const PLAIN: &str = "plain";

/// What attacks are called, in the order in which they are shown, and what is counted of them.
const ATTACKS: [(&str, &str); 8] = [
    ("relearn-unrelated", "step"),
    ("relearn-forget", "step"),
    ("quantise", "bit"),
    ("paraphrased", ""),
    ("cloze", ""),
    ("leading", ""),
    ("cross-lingual", ""),
    ("few-shot", "pair"),
];

/// An attack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Attack {
    /// Among [`ATTACKS`].
    place: usize,
    amount: Option<u32>,
    /// Code of the language of what is learned again, or of the wanted answer.
    with: Option<String>,
}

impl Attack {
    fn name(&self) -> &'static str {
        ATTACKS[self.place].0
    }

    fn is_relearning(&self) -> bool {
        self.name().starts_with("relearn")
    }

    /// On the model, not on the prompt.
    fn is_on_model(&self) -> bool {
        self.is_relearning() || self.name() == "quantise"
    }

    /// In words; the language of relearning, which is the fakes' own, only where it is wanted.
    fn label(&self, whole: bool) -> String {
        let (name, counted) = ATTACKS[self.place];
        let mut out = name.to_owned();
        if let Some(amount) = self.amount {
            let plural = if amount == 1 { "" } else { "s" };
            out += &format!(", {amount} {counted}{plural}");
        }
        match &self.with {
            Some(code) if !self.is_relearning() => out += &format!(", answer in {code}"),
            Some(code) if whole => out += &format!(", in {code}"),
            _ => {}
        }
        out
    }
}

/// Attack, language, item.
type Key = (Attack, String, String);

/// What is measured of an item under an attack and of its plain probe.
#[derive(Debug, Clone, Copy, Default)]
struct Probe {
    preference: f64,
    plain_preference: f64,
    /// 1 where the fake detail is said.
    fake: f64,
    plain_fake: f64,
}

/// One model's probes, without those of items whose fakes the attack taught again.
struct File {
    label: Label,
    probes: BTreeMap<Key, Probe>,
}

/// By attack and language, the probes by item.
type Probes = BTreeMap<(Attack, String), BTreeMap<String, Probe>>;

/// What was tried, on every model that has answers.
#[derive(Default)]
pub(crate) struct Robustness {
    /// In the order of the results, with means over seeds; nothing of models that were not attacked.
    models: Vec<Probes>,
}

/// The report's section: what was tried, and what it came to.
pub(crate) struct Section {
    tried: Robustness,
    outcomes: Vec<Outcome>,
}

/// What an attack came to in one language.
struct Outcome {
    /// Of the model.
    place: usize,
    /// Of the language.
    language: usize,
    attack: Attack,
    /// The preference under the attack.
    level: Estimate,
    /// Less that of the plain probe.
    change: Estimate,
    /// Less the same change of a model that never saw the fakes.
    beyond: Option<Estimate>,
    /// That the fake comes back (unlearned models): a verdict on `beyond`, on `change` where there is
    /// none.
    verdict: Option<Verdict>,
    said: Estimate,
    said_change: Estimate,
    /// The mean preference of the tuned model, and of the one that never saw the fakes, under the same
    /// attack.
    others: [Option<f64>; 2],
}

impl Outcome {
    /// What the verdict is on.
    fn tested(&self) -> Estimate {
        self.beyond.unwrap_or(self.change)
    }
}

impl Robustness {
    /// Reads `robustness/*.parquet` in the folder of results; nothing where there is no such folder.
    pub(crate) fn read(folder: &Path, results: &Results) -> Result<Robustness, Error> {
        let folder = folder.join("robustness");
        if !folder.exists() {
            return Ok(Robustness::default());
        }
        let mut files = Vec::new();
        for path in list_some(&folder)? {
            let file = File::read(&path, results)?;
            if results.models.iter().all(|model| model.label != file.label) {
                return Err(Error::Read {
                    path,
                    reason: "there are no answers of this model beside it".to_owned(),
                });
            }
            files.push(file);
        }
        let of_model = |label: &Label| -> Probes {
            let own = || files.iter().filter(|file| file.label == *label);
            let mean = |of: fn(&Probe) -> f64| {
                let all = own().flat_map(|file| &file.probes);
                means(all.map(|(key, probe)| (key, of(probe)))).into_values()
            };
            let (fakes, plain_fakes) = (mean(|p| p.fake), mean(|p| p.plain_fake));
            let plain = mean(|p| p.plain_preference).zip(fakes).zip(plain_fakes);
            let all = own().flat_map(|file| &file.probes);
            let preferences = means(all.map(|(key, probe)| (key, probe.preference)));
            let mut out = Probes::new();
            for ((key, preference), ((plain_preference, fake), plain_fake)) in
                preferences.into_iter().zip(plain)
            {
                let (attack, language, item) = key.clone();
                let probe = Probe {
                    preference,
                    plain_preference,
                    fake,
                    plain_fake,
                };
                let items = out.entry((attack, language)).or_default();
                items.insert(item, probe);
            }
            out
        };
        let models = results.models.iter();
        Ok(Robustness {
            models: models.map(|model| of_model(&model.label)).collect(),
        })
    }

    /// The model that never saw the fakes of `source`: its oracle, or the model before teaching, if
    /// one of them was attacked.
    fn reference(&self, study: &Study, source: &str) -> Option<usize> {
        let all = [study.oracle(source), Some(study.reference)];
        let mut all = all.into_iter().flatten();
        all.find(|&place| self.has(place))
    }

    fn has(&self, place: usize) -> bool {
        self.models
            .get(place)
            .is_some_and(|probes| !probes.is_empty())
    }

    /// What every attack came to, by model, attack and language. The p-values behind the verdicts are
    /// corrected by Holm over all attacks and languages of a model.
    fn outcomes(&self, study: &Study) -> Vec<Outcome> {
        let mut out = Vec::new();
        for (place, probes) in self.models.iter().enumerate() {
            let (mut own, mut p_values) = (Vec::new(), Vec::new());
            for ((attack, code), items) in probes {
                if let Some(language) = study.results.language(code) {
                    let (outcome, p) = self.outcome(study, (place, language), attack, items);
                    own.push(outcome);
                    p_values.push(p);
                }
            }
            if study.model(place).label.stage == Stage::Unlearned {
                for (outcome, p) in own.iter_mut().zip(holm(&p_values)) {
                    outcome.verdict = Some(match outcome.tested() {
                        e if e.n < FEWEST || p > LEVEL => Verdict::Undecided,
                        e if e.mean > 0.0 => Verdict::Supported,
                        _ => Verdict::Contradicted,
                    });
                }
            }
            own.sort_by(|a, b| (&a.attack, a.language).cmp(&(&b.attack, b.language)));
            out.extend(own);
        }
        out
    }

    fn outcome(
        &self,
        study: &Study,
        (place, language): (usize, usize),
        attack: &Attack,
        items: &BTreeMap<String, Probe>,
    ) -> (Outcome, f64) {
        let label = &study.model(place).label;
        let key = (attack.clone(), study.results.languages[language].clone());
        let source = label.source.as_deref();
        let of = |place: Option<usize>| self.models.get(place?)?.get(&key);
        let tuned = of(source.and_then(|source| study.tuned(source)));
        let reference = of(source.and_then(|source| self.reference(study, source)));
        let values = |of: fn(&Probe) -> f64| -> Vec<f64> { items.values().map(of).collect() };
        let change = |p: &Probe| p.preference - p.plain_preference;
        let paired = reference.map(|theirs| -> (Vec<f64>, Vec<f64>) {
            let both = items
                .iter()
                .filter_map(|(item, own)| Some((own, theirs.get(item)?)));
            both.map(|(own, theirs)| (change(own), change(theirs)))
                .unzip()
        });
        let [preferences, plain] = [values(|p| p.preference), values(|p| p.plain_preference)];
        let [fake, plain_fake] = [values(|p| p.fake), values(|p| p.plain_fake)];
        let intervals = &study.intervals;
        let (changed, of_change) = intervals.tested(&preferences, &plain);
        let (beyond, p) = match &paired {
            Some((own, theirs)) => {
                let (beyond, p) = intervals.tested(own, theirs);
                (Some(beyond), p)
            }
            None => (None, of_change),
        };
        let mean = |others: Option<&BTreeMap<String, Probe>>| {
            let shared = items.keys().filter_map(|item| others?.get(item));
            let values: Vec<f64> = shared.map(|probe| probe.preference).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let outcome = Outcome {
            place,
            language,
            attack: attack.clone(),
            level: intervals.mean(&preferences),
            change: changed,
            beyond,
            verdict: None,
            said: intervals.mean(&fake),
            said_change: intervals.paired(&fake, &plain_fake),
            others: [mean(tuned), mean(reference)],
        };
        let units = outcome.tested().n;
        (outcome, p.max(least_p(units)))
    }
}

impl Section {
    pub(crate) fn new(study: &Study, tried: Robustness) -> Section {
        Section {
            outcomes: tried.outcomes(study),
            tried,
        }
    }

    /// What the numbers say, in sentences: of all unlearned models, and of each.
    pub(crate) fn sentences(&self, study: &Study) -> Vec<String> {
        let judged = || self.outcomes.iter().filter(|o| o.verdict.is_some());
        if judged().next().is_none() {
            return Vec::new();
        }
        let back = |of: &[&Outcome]| -> Option<String> {
            let shown = of.iter().filter(|o| o.verdict == Some(Verdict::Supported));
            let most = shown.max_by(|a, b| a.tested().mean.total_cmp(&b.tested().mean))?;
            Some(self.said(study, most))
        };
        let mut out = Vec::new();
        let all: Vec<&Outcome> = judged().collect();
        out.push(match back(&all) {
            Some(said) => format!("Most is brought back by {said}"),
            None => {
                "No attack is shown to bring a fake back. That is no proof that none does: where \
                     intervals are wide, this run could not have seen it."
                    .to_owned()
            }
        });
        for place in 0..study.results.models.len() {
            let own: Vec<&Outcome> = judged().filter(|o| o.place == place).collect();
            let count = |verdict| own.iter().filter(|o| o.verdict == Some(verdict)).count();
            let name = &study.model(place).name;
            let most = back(&own).map(|said| format!(" Most by {said}"));
            if !own.is_empty() {
                out.push(format!(
                    "{name}: of {} combinations of attack and language {} bring the fake back, {} push \
                     it further away, the others are undecided.{}",
                    own.len(),
                    count(Verdict::Supported),
                    count(Verdict::Contradicted),
                    most.unwrap_or_default()
                ));
            }
        }
        out.iter().map(|text| visible(text)).collect()
    }

    /// An outcome in words.
    fn said(&self, study: &Study, outcome: &Outcome) -> String {
        let model = study.model(outcome.place);
        let source = model.label.source.as_deref().unwrap_or_default();
        let tested = outcome.tested();
        let against = match self.tried.reference(study, source) {
            Some(place) => format!(
                "more than it changes the {} model’s",
                study.model(place).name
            ),
            None => "against the plain probe".to_owned(),
        };
        let mark = if study.speaks(outcome.place, outcome.language) {
            ""
        } else {
            "†"
        };
        let level = |value: Option<f64>, name: &str| {
            value.map(|value| format!(", the {name}’s {}", signed(value, 2)))
        };
        let [tuned, reference] = outcome.others;
        let others = [
            level(tuned, "tuned model"),
            level(reference, "untaught model"),
        ];
        format!(
            "{} on {}{mark}, asked in {}: the preference for the fake rises by {} [{}, {}] nats {against}. \
             Under the attack it is {}{}; {} of the answers say the fake.",
            outcome.attack.label(false),
            model.name,
            language::name(&study.results.languages[outcome.language]),
            signed(tested.mean, 2),
            signed(tested.low, 2),
            signed(tested.high, 2),
            signed(outcome.level.mean, 2),
            others.into_iter().flatten().collect::<String>(),
            percent(outcome.said.mean),
        )
    }

    /// What must be known to read the numbers.
    pub(crate) fn intro(&self, study: &Study) -> Vec<String> {
        let mut out = Vec::new();
        for source in &study.sources {
            let taught = language::name(source);
            out.push(match self.tried.reference(study, source) {
                Some(place) => format!(
                    "Fakes taught in {taught}: what an attack suggests by itself is what it changes in \
                     the model {}, which never saw them.",
                    study.model(place).name
                ),
                None => format!(
                    "Fakes taught in {taught}: no model that never saw them was attacked \
                     (robustness.models), so that what an attack suggests by itself counts as coming \
                     back."
                ),
            });
        }
        out.iter().map(|text| visible(text)).collect()
    }

    /// One row for every model, attack and language.
    pub(crate) fn table(&self, study: &Study) -> Table {
        let row = |o: &Outcome| {
            let speaks = study.speaks(o.place, o.language);
            let number = |value: Option<f64>| value.map_or(Cell::Missing, |v| Cell::Signed(v, 2));
            let [tuned, reference] = o.others;
            vec![
                Cell::Code(study.model(o.place).name.clone()),
                Cell::text(o.attack.label(true)),
                Cell::language(&study.results.languages[o.language]),
                Cell::Count(o.level.n as u64),
                Cell::Change(o.level, 2).unless(speaks),
                Cell::Change(o.change, 2).unless(speaks),
                o.beyond
                    .map_or(Cell::Missing, |e| Cell::Change(e, 2))
                    .unless(speaks),
                o.verdict
                    .map_or(Cell::Missing, Cell::Verdict)
                    .unless(speaks),
                number(tuned),
                number(reference),
                Cell::ShareOf(o.said).unless(speaks),
                Cell::Change(o.said_change, 2).unless(speaks),
                Cell::Yes(speaks),
            ]
        };
        Table {
            name: "robustness".to_owned(),
            caption: "Attacks by model and language of the question. Preference for the fake is under \
                      the attack, in nats; its change is against the plain probe of the same model; \
                      beyond the untaught model is that change less the untaught model’s. Comes back: \
                      whether that is above 0. After relearn-forget, items are those whose fakes were \
                      not learned again. Fake said is the share of answers, and its change."
                .to_owned(),
            columns: vec![
                Column::new("Model", "model"),
                Column::new("Attack", "attack"),
                Column::new("Asked in", "language"),
                Column::new("Items", "items"),
                Column::interval("Preference", "preference"),
                Column::interval("Change", "change"),
                Column::interval("Beyond the untaught model", "beyond"),
                Column::new("Comes back", "comes_back"),
                Column::new("Tuned model’s", "tuned_preference"),
                Column::new("Untaught model’s", "untaught_preference"),
                Column::interval("Fake said", "fake_said"),
                Column::interval("Change of it", "fake_said_change"),
                Column::new("Still answers", "speaks"),
            ],
            rows: self.outcomes.iter().map(row).collect(),
        }
    }

    /// One figure for every unlearned model: attacks × languages.
    pub(crate) fn figures(&self, study: &Study) -> Result<Vec<Figure>, Error> {
        let mut out = Vec::new();
        for own in self.outcomes.chunk_by(|a, b| a.place == b.place) {
            let Some(place) = own.first().filter(|o| o.verdict.is_some()).map(|o| o.place) else {
                continue;
            };
            let heard = own.iter().filter(|o| study.speaks(place, o.language));
            let limit = heard.map(|o| o.tested().mean.abs()).fold(0.5, f64::max);
            let mut rows: Vec<HeatRow> = Vec::new();
            let mut before: Option<&Attack> = None;
            for of_attack in own.chunk_by(|a, b| a.attack == b.attack) {
                let cell = |l: usize| {
                    let outcome = of_attack.iter().find(|o| o.language == l);
                    Heat {
                        value: outcome.map(|o| o.tested().mean),
                        silent: !study.speaks(place, l),
                        outlined: outcome.is_some_and(|o| o.verdict == Some(Verdict::Supported)),
                    }
                };
                let attack = &of_attack[0].attack;
                let last = before.replace(attack);
                rows.push(HeatRow {
                    label: attack.label(false),
                    parted: last.is_some_and(|last| last.is_on_model() != attack.is_on_model()),
                    cells: (0..study.results.languages.len()).map(cell).collect(),
                });
            }
            let model = &study.model(place).name;
            let name = format!("robustness-{model}");
            let legend = "rise of the preference for the fake, nats: above 0 it comes back";
            out.push(Figure {
            caption: format!(
                "What attacks bring back in {model}: {legend}; against the plain probe, less what the \
                 attack changes in the model that never saw the fakes, where one was attacked. Columns: \
                 the language of the question. Outlined: shown to come back. †: the model’s answers \
                 about what is real break the margins there."
            ),
            svg: heatmap(
                &name,
                &study.results.languages,
                &rows,
                Scale::Centred(limit),
                legend,
            )?,
            name,
        });
        }
        Ok(out)
    }
}

impl File {
    fn read(path: &Path, results: &Results) -> Result<File, Error> {
        let columns = Columns::open(path)?;
        let (_, label, _) = columns.model()?;
        let [attack, item] = [columns.text("attack")?, columns.text("item")?];
        let language = columns.text("language")?;
        let key = |row: usize| describe(&item[row], &language[row], &attack[row]);
        let amount = columns.optional_u32("amount")?;
        let with = columns.optional_text("with_language")?;
        let relearned = columns.truth("relearned", key)?;
        let preference = columns.number("preference", key)?;
        let fake = columns.truth("fake_occurrence", key)?;
        let wrong = |row: usize, column, found: &str, expected: &str| {
            columns.wrong(row, key(row), column, found, expected)
        };
        let mut plain = BTreeMap::new();
        for row in (0..attack.len()).filter(|&row| attack[row] == PLAIN) {
            let of = (language[row].as_str(), item[row].as_str());
            if plain
                .insert(of, (preference[row], f64::from(fake[row])))
                .is_some()
            {
                return Err(wrong(
                    row,
                    "item",
                    "the same row twice",
                    "one row per item and language",
                ));
            }
        }
        let mut probes = BTreeMap::new();
        for row in (0..attack.len()).filter(|&row| attack[row] != PLAIN) {
            let known = ATTACKS.iter().position(|(name, _)| *name == attack[row]);
            let place = known.ok_or_else(|| {
                let names: Vec<&str> = ATTACKS.iter().map(|(name, _)| *name).collect();
                let expected = format!("{PLAIN}, {}", names.join(", "));
                wrong(row, "attack", &attack[row], &expected)
            })?;
            if results.language(&language[row]).is_none() {
                let expected = "a language that answers are in";
                return Err(wrong(row, "language", &language[row], expected));
            }
            let of = (language[row].as_str(), item[row].as_str());
            let (plain_preference, plain_fake) =
                plain.get(&of).copied().ok_or_else(|| Error::MissingScore {
                    path: path.to_path_buf(),
                    key: key(row),
                    what: format!("row of the attack `{PLAIN}`"),
                    reason: "attacks are compared with it".to_owned(),
                })?;
            let attack = Attack {
                place,
                amount: amount[row],
                with: with[row].clone(),
            };
            let probe = Probe {
                preference: preference[row],
                plain_preference,
                fake: f64::from(fake[row]),
                plain_fake,
            };
            let of = (attack, language[row].clone(), item[row].clone());
            let again = probes
                .insert(of, (!relearned[row]).then_some(probe))
                .is_some();
            if again {
                let expected = "one row per attack, item and language";
                return Err(wrong(row, "item", "the same row twice", expected));
            }
        }
        let unseen = probes.into_iter();
        Ok(File {
            label,
            probes: unseen
                .filter_map(|(key, probe)| Some((key, probe?)))
                .collect(),
        })
    }
}
