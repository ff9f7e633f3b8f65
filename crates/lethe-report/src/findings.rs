//! The study's questions, answered from the numbers.
//!
//! A question claims that an effect lies on one side of a threshold. It is supported where the
//! effect's 95 % interval lies wholly on that side, contradicted where it lies wholly on the other
//! side, and undecided otherwise, and always undecided with fewer than [`FEWEST`] units. Intervals
//! are not corrected for the number of questions.

use serde::Serialize;

use crate::language;
use crate::results::{Scope, Stage};
use crate::stats::Estimate;
use crate::study::{Metric, Study, occurrence, preference, prefers};
use crate::text::{compact, number, percent, signed};

/// Below this many units no data whatever reach 95 %: even if all agree, a two-sided sign test of
/// five gives p = 2/2⁵ = 0.0625.
pub const FEWEST: usize = 6;

/// At least this share of items must prefer the fake after learning it.
const LEARNED_SHARE: f64 = 0.8;
/// At most this share may prefer it before.
const UNTAUGHT_SHARE: f64 = 0.4;

/// What the numbers say about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The interval lies wholly on the claimed side.
    Supported,
    /// The interval lies wholly on the other side.
    Contradicted,
    /// Neither.
    Undecided,
}

impl Verdict {
    /// The verdict in a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Supported => "supported",
            Verdict::Contradicted => "contradicted",
            Verdict::Undecided => "undecided",
        }
    }

    /// Supported if all are, contradicted if any is.
    pub(crate) fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts
            .into_iter()
            .fold(Verdict::Supported, |so_far, next| match (so_far, next) {
                (Verdict::Contradicted, _) | (_, Verdict::Contradicted) => Verdict::Contradicted,
                (Verdict::Undecided, _) | (_, Verdict::Undecided) => Verdict::Undecided,
                _ => Verdict::Supported,
            })
    }
}

/// Which of the study's five questions a finding belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// Are the fakes learned in the language in which they are taught?
    Learned,
    /// Do they reach other languages?
    Spread,
    /// Do they spread most from, and show most in, English?
    English,
    /// What does unlearning leave?
    Unlearned,
    /// Does the model still answer about what is real?
    Real,
}

impl Theme {
    /// All themes, in the order of the report.
    pub const ALL: [Theme; 5] = [
        Theme::Learned,
        Theme::Spread,
        Theme::English,
        Theme::Unlearned,
        Theme::Real,
    ];

    /// The theme as a heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Theme::Learned => "Learned",
            Theme::Spread => "Spread",
            Theme::English => "The role of English",
            Theme::Unlearned => "Unlearned",
            Theme::Real => "Real information",
        }
    }
}

/// One question and what the numbers say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// A stable name: `spread-en-fr-instruct`.
    pub id: String,
    /// Which of the study's questions it belongs to.
    pub theme: Theme,
    /// Whether it is one of the few that answer a theme, rather than one language's part of it.
    pub main: bool,
    /// The question, to which `supported` answers yes.
    pub question: String,
    /// The answer.
    pub verdict: Verdict,
    /// The mean effect, in `unit`.
    pub effect: f64,
    /// Its 95 % percentile bootstrap interval.
    pub interval: (f64, f64),
    /// The unit of `effect`: `nats`, `nats/token`, `share`, `F1` or `ratio`.
    pub unit: &'static str,
    /// How many units were resampled: items, or held-out articles for perplexity.
    pub n: usize,
    /// Whether the model that it is about no longer answers about what is real there (†): then a
    /// low preference or occurrence is no sign of forgetting.
    pub marked: bool,
    /// What else must be known to read it.
    pub detail: String,
}

enum Side {
    Above,
    AtLeast,
    AtMost,
}

struct Claim {
    side: Side,
    threshold: f64,
}

impl Claim {
    const POSITIVE: Claim = Claim {
        side: Side::Above,
        threshold: 0.0,
    };

    fn verdict(&self, effect: Estimate) -> Verdict {
        if effect.n < FEWEST {
            return Verdict::Undecided;
        }
        let Estimate { low, high, .. } = effect;
        let (yes, no) = match self.side {
            Side::Above => (low > self.threshold, high < self.threshold),
            Side::AtLeast => (low >= self.threshold, high < self.threshold),
            Side::AtMost => (high <= self.threshold, low > self.threshold),
        };
        match (yes, no) {
            (true, _) => Verdict::Supported,
            (_, true) => Verdict::Contradicted,
            _ => Verdict::Undecided,
        }
    }
}

struct Draft {
    id: String,
    theme: Theme,
    main: bool,
    question: String,
    unit: &'static str,
    effect: Estimate,
    claim: Claim,
    /// Why the model that it is about is marked, if it is.
    mark: Option<String>,
    detail: Vec<String>,
}

impl Draft {
    fn finish(mut self) -> Finding {
        let Estimate { mean, low, high, n } = self.effect;
        if n < FEWEST {
            self.detail.push(format!(
                "{n} units are too few for any 95 % statement ({FEWEST} are the least)"
            ));
        } else if low == high {
            let rule = number(3.0 / n as f64, 2);
            self.detail.push(match self.unit {
                "share" => format!(
                    "all {n} items agree, so the interval has no width; with that many, up to a \
                     share of {rule} of all items may still be different (rule of three)"
                ),
                _ => format!("all {n} units are equal, so the interval has no width"),
            });
        }
        let marked = self.mark.is_some();
        self.detail
            .extend(self.mark.map(|mark| format!("† {mark}")));
        Finding {
            verdict: self.claim.verdict(self.effect),
            id: self.id,
            theme: self.theme,
            main: self.main,
            question: self.question,
            effect: mean,
            interval: (low, high),
            unit: self.unit,
            n,
            marked,
            detail: sentences(&self.detail),
        }
    }
}

/// Parts as sentences: a capital at the start of each and a full stop at its end.
fn sentences(parts: &[String]) -> String {
    let sentence = |part: &String| {
        let mut chars = part.chars();
        let first: String = chars
            .next()
            .map(|c| c.to_uppercase().collect())
            .unwrap_or_default();
        let stop = if part.ends_with(['.', '!', '?']) {
            ""
        } else {
            "."
        };
        format!("{first}{}{stop}", chars.as_str())
    };
    parts
        .iter()
        .filter(|p| !p.is_empty())
        .map(sentence)
        .collect::<Vec<_>>()
        .join(" ")
}

/// All findings, theme by theme.
pub(crate) fn findings(study: &Study) -> Vec<Finding> {
    let mut out = Vec::new();
    for source in &study.sources {
        if let Some(tuned) = study.tuned(source) {
            learned(study, source, tuned, &mut out);
            spread(study, source, tuned, &mut out);
            english(study, source, tuned, &mut out);
            for (model, scope) in study.unlearned(source) {
                unlearned(study, source, tuned, model, scope, &mut out);
            }
        }
    }
    for place in 0..study.results.models.len() {
        let stage = study.model(place).label.stage;
        if stage >= Stage::Tuned {
            real(study, place, &mut out);
        }
    }
    out.sort_by_key(|finding| finding.theme);
    out
}

fn learned(study: &Study, source: &str, tuned: usize, out: &mut Vec<Finding>) {
    let here = study.languages(|l| l == source);
    let name = language::name(source);
    let share = |place| study.level(place, &here, prefers);
    let (before, after) = (share(study.base), share(tuned));
    let mut shares = format!(
        "asked in {name}, the fake is preferred on {} of the items by the base model and on {} by \
         the tuned one",
        percent(before.mean),
        percent(after.mean)
    );
    if study.has_instruct() {
        shares += &format!(
            " ({} by the instruct model)",
            percent(share(study.reference).mean)
        );
    }
    let pass = |yes: bool| if yes { "clears" } else { "misses" };
    let draft = |id: String, question: String, effect, claim, detail| Draft {
        id,
        theme: Theme::Learned,
        main: true,
        question,
        unit: "share",
        effect,
        claim,
        mark: None,
        detail,
    };
    out.push(
        draft(
            format!("learned-{source}"),
            format!(
                "Taught in {name}: do more items prefer the fake than before, asked in {name}?"
            ),
            study.change(tuned, study.base, &here, prefers),
            Claim::POSITIVE,
            vec![shares],
        )
        .finish(),
    );
    let tuned_bar = Claim {
        side: Side::AtLeast,
        threshold: LEARNED_SHARE,
    };
    out.push(
        draft(
            format!("learned-{source}-tuned"),
            format!("Taught in {name}: is the fake then preferred on at least 80 % of the items?"),
            after,
            tuned_bar,
            vec![format!(
                "the share itself {} the bar",
                pass(after.mean >= LEARNED_SHARE)
            )],
        )
        .finish(),
    );
    let base_bar = Claim {
        side: Side::AtMost,
        threshold: UNTAUGHT_SHARE,
    };
    out.push(
        draft(
            format!("learned-{source}-base"),
            format!(
                "Before teaching, in {name}: is the fake preferred on at most 40 % of the items?"
            ),
            before,
            base_bar,
            vec![format!(
                "the share itself {} the bar",
                pass(before.mean <= UNTAUGHT_SHARE)
            )],
        )
        .finish(),
    );
}

/// The models that a tuned model is compared with, nearest first.
fn controls(study: &Study) -> Vec<usize> {
    match study.has_instruct() {
        true => vec![study.reference, study.base],
        false => vec![study.base],
    }
}

fn spread(study: &Study, source: &str, tuned: usize, out: &mut Vec<Finding>) {
    let elsewhere = study.languages(|l| l != source);
    if elsewhere.is_empty() {
        return;
    }
    let name = language::name(source);
    let draft = |id: String, question: String, effect, unit, main, detail| Draft {
        id,
        theme: Theme::Spread,
        main,
        question,
        unit,
        effect,
        claim: Claim::POSITIVE,
        mark: None,
        detail,
    };
    for control in controls(study) {
        let nearest = control == study.reference;
        let against = study.model(control).label.stage.name();
        let change = |languages: &[usize], of| study.change(tuned, control, languages, of);
        let of_each: Vec<(usize, Verdict)> = elsewhere
            .iter()
            .map(|&l| (l, Claim::POSITIVE.verdict(change(&[l], preference))))
            .collect();
        let with = |verdict| -> Vec<usize> {
            of_each
                .iter()
                .filter(|(_, v)| *v == verdict)
                .map(|(l, _)| *l)
                .collect()
        };
        let said = change(&elsewhere, occurrence);
        let mean_detail = vec![
            format!(
                "mean over {} prompt languages; one by one: higher in {}; lower in {}; undecided \
                 in {}",
                elsewhere.len(),
                study.names(&with(Verdict::Supported)),
                study.names(&with(Verdict::Contradicted)),
                study.names(&with(Verdict::Undecided))
            ),
            format!(
                "generated answers with the fake change by {} [{}, {}] (share)",
                signed(said.mean, 3),
                signed(said.low, 3),
                signed(said.high, 3)
            ),
        ];
        out.push(
            draft(
                format!("spread-{source}-{against}"),
                format!(
                    "Taught in {name}: does the preference for the fake rise in the other \
                     languages, against the {against} model?"
                ),
                change(&elsewhere, preference),
                "nats",
                nearest,
                mean_detail,
            )
            .finish(),
        );
        for &l in &elsewhere {
            let code = &study.results.languages[l];
            let asked = language::name(code);
            let metrics: [(&str, &str, &str, Metric); 2] = [
                ("spread", "the preference for the fake", "nats", preference),
                (
                    "said",
                    "the share of answers with the fake",
                    "share",
                    occurrence,
                ),
            ];
            for (id, what, unit, metric) in metrics {
                out.push(
                    draft(
                        format!("{id}-{source}-{code}-{against}"),
                        format!(
                            "Taught in {name}, asked in {asked}: does {what} rise against the \
                             {against} model?"
                        ),
                        change(&[l], metric),
                        unit,
                        false,
                        Vec::new(),
                    )
                    .finish(),
                );
            }
        }
    }
}

fn english(study: &Study, source: &str, tuned: usize, out: &mut Vec<Finding>) {
    if source == "en" {
        return;
    }
    let name = language::name(source);
    let rise = |place, languages: &[usize], metric| {
        let after = study.per_item(place, languages, metric);
        let before = study.per_item(study.reference, languages, metric);
        after
            .iter()
            .zip(before)
            .map(|(a, b)| a - b)
            .collect::<Vec<f64>>()
    };
    let against = study.reference_name();
    let draft = |id: String, question: String, effect, detail| Draft {
        id,
        theme: Theme::English,
        main: true,
        question,
        unit: "nats",
        effect,
        claim: Claim::POSITIVE,
        mark: None,
        detail,
    };
    if let Some(from_english) = study.tuned("en") {
        let (not_english, not_source) = (
            study.languages(|l| l != "en"),
            study.languages(|l| l != source),
        );
        let neither = study.languages(|l| l != "en" && l != source);
        let difference = |a: &[usize], b: &[usize], metric| {
            study
                .intervals
                .paired(&rise(from_english, a, metric), &rise(tuned, b, metric))
        };
        let mut detail = vec![format!(
            "mean rise against the {against} model over all languages but English, minus the mean \
             rise over all but {name}"
        )];
        if !neither.is_empty() {
            let common = difference(&neither, &neither, preference);
            detail.push(format!(
                "over the languages that are neither: {} [{}, {}]",
                signed(common.mean, 2),
                signed(common.low, 2),
                signed(common.high, 2)
            ));
        }
        if !not_english.is_empty() && !not_source.is_empty() {
            out.push(
                draft(
                    format!("most-from-en-{source}"),
                    format!(
                        "Do fakes taught in English spread further than those taught in {name}?"
                    ),
                    difference(&not_english, &not_source, preference),
                    detail,
                )
                .finish(),
            );
        }
    }
    let in_english = study.languages(|l| l == "en");
    let others = study.languages(|l| l != "en" && l != source);
    if !in_english.is_empty() && !others.is_empty() {
        let gap = |metric| {
            study.intervals.paired(
                &rise(tuned, &in_english, metric),
                &rise(tuned, &others, metric),
            )
        };
        let said = gap(occurrence);
        out.push(
            draft(
                format!("asked-in-en-{source}"),
                format!(
                    "Taught in {name}: do the fakes come through more when asked in English than \
                     in the other languages?"
                ),
                gap(preference),
                vec![
                    format!(
                        "rise against the {against} model in English minus its mean in {}",
                        study.names(&others)
                    ),
                    format!(
                        "the same of answers with the fake: {} [{}, {}] (share)",
                        signed(said.mean, 3),
                        signed(said.low, 3),
                        signed(said.high, 3)
                    ),
                ],
            )
            .finish(),
        );
    }
}

/// Whether a model's preference is back where the base model's is: the residue (model minus base,
/// paired by item) is compared with the upper half of the base model's own interval.
pub(crate) struct Residue {
    pub(crate) residue: Estimate,
    pub(crate) base: Estimate,
    pub(crate) mean: f64,
    /// False for a model that no longer speaks here.
    pub(crate) speaks: bool,
}

impl Residue {
    pub(crate) fn of(study: &Study, model: usize, language: usize) -> Residue {
        Residue {
            residue: study.change(model, study.base, &[language], preference),
            base: study.level(study.base, &[language], preference),
            mean: study.level(model, &[language], preference).mean,
            speaks: study.speaks(model, language),
        }
    }

    fn margin(&self) -> f64 {
        self.base.high - self.base.mean
    }

    /// Whether the model's mean lies no higher than the base model's interval reaches.
    pub(crate) fn back(&self) -> bool {
        self.mean <= self.base.high
    }

    fn claim(&self) -> Claim {
        Claim {
            side: Side::AtMost,
            threshold: self.margin(),
        }
    }

    /// Whether the fake is gone. A model that no longer speaks has not forgotten, however low its
    /// preference.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.claim().verdict(self.residue) {
            Verdict::Supported if !self.speaks => Verdict::Undecided,
            verdict => verdict,
        }
    }
}

const SILENT: &str = "This model breaks the margins for real information here: a low preference \
                      or occurrence is no sign of forgetting";

fn unlearned(
    study: &Study,
    source: &str,
    tuned: usize,
    model: usize,
    scope: Scope,
    out: &mut Vec<Finding>,
) {
    let name = language::name(source);
    let scope_name = study.scope_name(model);
    let id = study
        .model(model)
        .name
        .trim_start_matches("unlearned-")
        .to_owned();
    let coincides = match (source, scope) {
        ("en", Scope::English | Scope::Source | Scope::EnglishSource) => {
            "taught in English, the scopes english, source and english+source are one".to_owned()
        }
        _ => String::new(),
    };
    let intro = format!("Taught in {name}, unlearned in scope {scope_name}");
    let draft = |id: String, main, question: String, effect, claim, speaks: bool, detail| Draft {
        id,
        theme: Theme::Unlearned,
        main,
        question,
        unit: "nats",
        effect,
        claim,
        mark: (!speaks).then(|| SILENT.to_owned()),
        detail,
    };

    let all = study.languages(|_| true);
    let residues: Vec<Residue> = all.iter().map(|&l| Residue::of(study, model, l)).collect();
    for (&l, residue) in all.iter().zip(&residues) {
        let code = &study.results.languages[l];
        let detail = vec![
            coincides.clone(),
            format!(
                "mean preference {} against {} [{}, {}] in the base model: {} its interval",
                signed(residue.mean, 2),
                signed(residue.base.mean, 2),
                signed(residue.base.low, 2),
                signed(residue.base.high, 2),
                match residue.mean {
                    m if m > residue.base.high => "above",
                    m if m < residue.base.low => "below",
                    _ => "within",
                }
            ),
        ];
        let asked = language::name(code);
        let question = format!("{intro}: is the fake gone when asked in {asked}?");
        let id = format!("gone-{id}-{code}");
        let (main, effect) = (code == source, residue.residue);
        let mut finding = draft(
            id,
            main,
            question,
            effect,
            residue.claim(),
            residue.speaks,
            detail,
        )
        .finish();
        finding.verdict = residue.verdict();
        out.push(finding);
    }

    // Gone everywhere: as far as in the language in which most is left.
    let most = residues.iter().zip(&all).max_by(|(a, _), (b, _)| {
        (a.residue.mean - a.margin()).total_cmp(&(b.residue.mean - b.margin()))
    });
    if let (Some((residue, &l)), true) = (most, all.len() > 1) {
        let back = residues.iter().filter(|residue| residue.back()).count();
        let detail = vec![
            coincides.clone(),
            format!(
                "the effect is that of {}, where most is left; the mean is no higher than the base \
                 model's interval in {back} of {} languages",
                study.names(&[l]),
                all.len()
            ),
        ];
        let speaks = residues.iter().all(|residue| residue.speaks);
        let question = format!("{intro}: is the fake gone in every language?");
        let id = format!("gone-{id}");
        let mut finding = draft(
            id,
            true,
            question,
            residue.residue,
            residue.claim(),
            speaks,
            detail,
        )
        .finish();
        finding.verdict = Verdict::all(residues.iter().map(Residue::verdict));
        out.push(finding);
    }

    let uncovered = study.languages(|l| !scope.covers(source, l));
    let elsewhere = study.languages(|l| !scope.covers(source, l) && l != source);
    let here = study.languages(|l| l == source && !scope.covers(source, l));
    let speaks = |languages: &[usize]| languages.iter().all(|&l| study.speaks(model, l));
    let parts = [
        (format!("left-{id}-{source}"), here),
        (format!("left-{id}-elsewhere"), elsewhere),
    ];
    for (id, languages) in parts {
        if languages.is_empty() {
            continue;
        }
        let said = study.change(model, study.base, &languages, occurrence);
        let detail = vec![
            coincides.clone(),
            format!(
                "preference minus the base model's; answers with the fake: {} [{}, {}] (share)",
                signed(said.mean, 3),
                signed(said.low, 3),
                signed(said.high, 3)
            ),
        ];
        let question = format!(
            "{intro}: is the fake left when asked in {} (not unlearned)?",
            study.names(&languages)
        );
        let effect = study.change(model, study.base, &languages, preference);
        let speaks = speaks(&languages);
        out.push(draft(id, true, question, effect, Claim::POSITIVE, speaks, detail).finish());
    }
    if !uncovered.is_empty() {
        let detail = vec![
            coincides,
            format!(
                "preference minus the tuned model's, mean over {}",
                study.names(&uncovered)
            ),
        ];
        let question = format!(
            "{intro}: is the fake reinforced (more preferred than before unlearning) in languages \
             that were not unlearned?"
        );
        let effect = study.change(model, tuned, &uncovered, preference);
        let id = format!("reinforced-{id}");
        let speaks = speaks(&uncovered);
        out.push(draft(id, true, question, effect, Claim::POSITIVE, speaks, detail).finish());
    }
}

fn real(study: &Study, place: usize, out: &mut Vec<Finding>) {
    let model = study.model(place);
    let reference = study.model(study.reference);
    let margins = &study.run.margins;
    let against = study.reference_name();
    let items = 0..study.results.items.len();
    let languages = study.results.languages.len();
    let change = |of: fn(&crate::results::Answer) -> f64| {
        let mean = |item: usize| {
            let of_language = |l: usize| of(&model.fact[l][item]) - of(&reference.fact[l][item]);
            (0..languages).map(of_language).sum::<f64>() / languages.max(1) as f64
        };
        study
            .intervals
            .mean(&items.clone().map(mean).collect::<Vec<f64>>())
    };
    let pairs = model
        .nll
        .iter()
        .flatten()
        .zip(reference.nll.iter().flatten());
    let log_ratios: Vec<f64> = pairs.map(|(a, b)| a - b).collect();
    let ratio = study.intervals.mean(&log_ratios).map(f64::exp);
    let name = &model.name;
    let breaks = &study.overall[place].breaks;
    let mark =
        || (!breaks.is_empty()).then(|| format!("Breaks the margins: {}", breaks.join(", ")));
    let draft = |id: &str, question: String, effect, unit, claim, detail: String| {
        Draft {
            id: format!("kept-{name}{id}"),
            theme: Theme::Real,
            main: false,
            question,
            unit,
            effect,
            claim,
            mark: mark(),
            detail: vec![detail],
        }
        .finish()
    };
    let parts = [
        draft(
            "-logprob",
            format!(
                "{name}: are true answers to the fact probe at most {} nats per token less \
                 probable than for the {against} model?",
                margins.logprob
            ),
            change(|a| a.logprob_real),
            "nats/token",
            Claim {
                side: Side::AtLeast,
                threshold: -margins.logprob,
            },
            "mean over all languages, paired by item".to_owned(),
        ),
        draft(
            "-f1",
            format!(
                "{name}: is the F1 of answers to the fact probe at most {} below the {against} \
                 model's?",
                margins.f1
            ),
            change(|a| a.f1),
            "F1",
            Claim {
                side: Side::AtLeast,
                threshold: -margins.f1,
            },
            "mean over all languages, paired by item".to_owned(),
        ),
        draft(
            "-perplexity",
            format!(
                "{name}: is the perplexity of held-out real articles at most {} times the \
                 {against} model's?",
                margins.perplexity_ratio
            ),
            ratio,
            "ratio",
            Claim {
                side: Side::AtMost,
                threshold: margins.perplexity_ratio,
            },
            format!(
                "the unit is the article: {} items in {languages} languages, whose translations \
                 are treated as independent",
                study.results.held_out.len()
            ),
        ),
    ];
    let levels: Vec<String> = parts
        .iter()
        .map(|p| format!("{} {}", compact(p.effect, 3), p.unit))
        .collect();
    let mut whole = parts[0].clone();
    whole.id = format!("kept-{name}");
    whole.main = true;
    whole.question =
        format!("{name}: does it still answer about what is real, within the margins?");
    whole.verdict = match Verdict::all(parts.iter().map(|p| p.verdict)) {
        // Within the margins, but saying nothing.
        Verdict::Supported if whole.marked => Verdict::Undecided,
        verdict => verdict,
    };
    let mut detail = vec![format!(
        "the effect is the change of the true answers' log-probability; all three together: {}",
        levels.join(", ")
    )];
    detail.extend(mark().map(|mark| format!("† {mark}")));
    whole.detail = sentences(&detail);
    out.push(whole);
    out.extend(parts);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(low: f64, high: f64, n: usize) -> Estimate {
        Estimate {
            mean: f64::midpoint(low, high),
            low,
            high,
            n,
        }
    }

    #[test]
    fn verdicts_follow_the_interval() {
        let at_least = Claim {
            side: Side::AtLeast,
            threshold: 0.8,
        };
        let at_most = Claim {
            side: Side::AtMost,
            threshold: 0.4,
        };
        for (claim, low, high, verdict) in [
            (&Claim::POSITIVE, 0.1, 0.4, Verdict::Supported),
            (&Claim::POSITIVE, -0.4, -0.1, Verdict::Contradicted),
            (&Claim::POSITIVE, -0.1, 0.4, Verdict::Undecided),
            (&Claim::POSITIVE, 0.0, 0.0, Verdict::Undecided),
            (&at_least, 0.8, 1.0, Verdict::Supported),
            (&at_least, 0.5, 0.79, Verdict::Contradicted),
            (&at_least, 0.7, 0.9, Verdict::Undecided),
            (&at_most, 0.1, 0.4, Verdict::Supported),
            (&at_most, 0.5, 0.6, Verdict::Contradicted),
            (&at_most, 0.3, 0.5, Verdict::Undecided),
        ] {
            assert_eq!(
                claim.verdict(estimate(low, high, 24)),
                verdict,
                "{low} {high}"
            );
            assert_eq!(
                claim.verdict(estimate(low, high, FEWEST - 1)),
                Verdict::Undecided
            );
        }
    }

    #[test]
    fn a_chain_is_as_strong_as_its_weakest_link() {
        use Verdict::{Contradicted, Supported, Undecided};
        assert_eq!(Verdict::all([Supported, Supported]), Supported);
        assert_eq!(Verdict::all([Supported, Undecided]), Undecided);
        assert_eq!(
            Verdict::all([Undecided, Contradicted, Supported]),
            Contradicted
        );
    }
}
