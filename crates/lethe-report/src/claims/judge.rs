//! From claims and results to comparisons, and from those to verdicts.

use std::collections::BTreeMap;

use super::{
    Asked, Choice, Claim, ClaimOutcome, Claims, Comparison, Expected, Measure, Quantifier, Side,
    Stage, Test, TestOutcome, name_of,
};
use crate::findings::{FEWEST, Verdict};
use crate::language::{Resource, resource};
use crate::results::{self, Label};
use crate::stats::{LEVEL, detectable, holm, least_p};
use crate::study::Study;
use crate::text::enumerate;

/// What the results say about every claim.
pub(crate) fn judge(study: &Study, claims: &Claims) -> Vec<ClaimOutcome> {
    let of_claim = |claim| outcome(study, claim);
    claims.claims.iter().map(of_claim).collect()
}

fn outcome(study: &Study, claim: &Claim) -> ClaimOutcome {
    let drafts = claim.tests.iter().map(|test| expand(study, test));
    let mut drafts: Vec<Result<Vec<Draft>, String>> = drafts.collect();
    let p: Vec<f64> = drafts.iter().flatten().flatten().map(|d| d.p).collect();
    let family = drafts.iter_mut().flatten().flatten();
    for (draft, adjusted) in family.zip(holm(&p)) {
        draft.p = adjusted;
    }
    let tests = claim.tests.iter().zip(drafts);
    let tests: Vec<TestOutcome> = tests
        .map(|(test, drafts)| summed_up(study, test, drafts))
        .collect();
    let is = |verdict| tests.iter().any(|test| test.verdict == Some(verdict));
    let verdict = match is(Verdict::Contradicted) {
        true => Some(Verdict::Contradicted),
        // What was not tested may yet contradict it.
        false => {
            let all: Option<Vec<Verdict>> = tests.iter().map(|test| test.verdict).collect();
            all.map(Verdict::all)
        }
    };
    ClaimOutcome {
        id: claim.id.clone(),
        title: claim.title.clone(),
        origin: claim.origin.clone(),
        note: claim.note.clone(),
        verdict,
        tests,
    }
}

fn summed_up(study: &Study, test: &Test, drafts: Result<Vec<Draft>, String>) -> TestOutcome {
    let (drafts, needs) = match drafts {
        Ok(drafts) => (drafts, None),
        Err(needs) => (Vec::new(), Some(needs)),
    };
    let pooled = pooled(&drafts);
    let comparisons: Vec<Comparison> = drafts
        .into_iter()
        .map(|draft| draft.decided(study, test))
        .collect();
    let with = |verdict| comparisons.iter().filter(|c| c.verdict == verdict).count();
    let [supported, contradicted] = [Verdict::Supported, Verdict::Contradicted].map(with);
    let verdict = match test.quantifier {
        Quantifier::Any if supported > 0 => Verdict::Supported,
        Quantifier::Any if contradicted == comparisons.len() => Verdict::Contradicted,
        Quantifier::Any => Verdict::Undecided,
        Quantifier::All | Quantifier::Mean => Verdict::all(comparisons.iter().map(|c| c.verdict)),
    };
    let tested = needs.is_none();
    TestOutcome {
        test: test.says(),
        verdict: tested.then_some(verdict),
        needs,
        unit: test.measure.unit(),
        effect: tested.then(|| study.intervals.mean(&pooled.values)),
        could_see: detectable(&pooled.values),
        supported,
        contradicted,
        undecided: comparisons.len() - supported - contradicted,
        comparisons,
    }
}

/// What a comparison rests on.
pub(crate) struct Basis {
    /// Prompt languages of its first side.
    pub(crate) languages: usize,
    /// A difference for every unit.
    pub(crate) values: Vec<f64>,
}

impl Test {
    /// The differences behind each comparison that this test comes to, or what the study lacks.
    pub(crate) fn bases(&self, study: &Study) -> Result<Vec<Basis>, String> {
        let drafts = expand(study, self)?.into_iter();
        let basis = |draft: Draft| Basis {
            languages: draft.languages.len(),
            values: draft.paired.values,
        };
        Ok(drafts.map(basis).collect())
    }

    /// What it measures: its name and unit, and whether that is a share of yes and no.
    pub(crate) fn measures(&self) -> (&'static str, &'static str, bool) {
        let unit = self.measure.unit();
        (
            name_of(&Measure::NAMES, &self.measure),
            unit,
            unit == "share",
        )
    }
}

/// Differences by unit: an item, or a held-out article in a language.
#[derive(Default)]
struct Paired {
    units: Vec<usize>,
    values: Vec<f64>,
}

/// A comparison before its verdict.
#[derive(Default)]
struct Draft {
    paired: Paired,
    of: Vec<String>,
    languages: Vec<String>,
    minus: Vec<String>,
    than: Vec<String>,
    than_languages: Vec<String>,
    /// Taught models that no longer answer there: those whose low value makes the difference low,
    /// and those whose low value makes it high.
    silent: [Vec<String>; 2],
    /// The p-value, from the correction on the adjusted one.
    p: f64,
}

/// The mean of all comparisons in every unit that has one.
fn pooled(drafts: &[Draft]) -> Paired {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for paired in drafts.iter().map(|draft| &draft.paired) {
        for (unit, value) in paired.units.iter().zip(&paired.values) {
            let (sum, count) = sums.entry(*unit).or_default();
            *sum += value;
            *count += 1.0;
        }
    }
    Paired {
        units: sums.keys().copied().collect(),
        values: sums.values().map(|(sum, count)| sum / count).collect(),
    }
}

/// The comparisons that a test comes to in this run, or what the run lacks for it.
fn expand(study: &Study, test: &Test) -> Result<Vec<Draft>, String> {
    let places = || 0..study.results.models.len();
    let of: Vec<usize> = places()
        .filter(|&place| picks(study, &test.of, place, None))
        .collect();
    if of.is_empty() {
        return Err(format!("a model that is {}", test.of.says()));
    }
    let mut pairs: Vec<(usize, Option<usize>)> = Vec::new();
    match &test.than {
        None => pairs.extend(of.iter().map(|&place| (place, None))),
        Some(than) => {
            for &place in &of {
                let beside = places().filter(|&other| {
                    let is_other = other != place || than.prompt.is_some();
                    is_other && picks(study, than, other, Some(place))
                });
                pairs.extend(beside.map(|other| (place, Some(other))));
            }
            if pairs.is_empty() {
                let names: Vec<&str> = of.iter().map(|&p| study.model(p).name.as_str()).collect();
                let beside = enumerate(&names);
                return Err(format!("a model to set beside {beside}: {}", than.says()));
            }
        }
    }
    let mut out = Vec::new();
    for (place, other) in pairs {
        let (here, there) = languages(study, test, place, other);
        if here.is_empty() || (other.is_some() && there.is_empty()) {
            continue;
        }
        let asked: Vec<(&[usize], &[usize])> = match test.by_language {
            // Both sides are asked in the same languages then.
            true => here.chunks(1).map(|one| (one, one)).collect(),
            false => vec![(&here, &there)],
        };
        for (here, there) in asked {
            let than = other.map(|other| (other, there));
            out.push(draft(study, test, (place, here), than)?);
        }
    }
    if out.is_empty() {
        let prompts = [Some(&test.of), test.than.as_ref()].into_iter().flatten();
        let prompts: Vec<String> = prompts
            .filter_map(|side| side.prompt.as_ref().map(Choice::says))
            .collect();
        let both = match &test.than {
            Some(than) if than.prompt.is_none() => " (for both sides)",
            _ => "",
        };
        let prompts = prompts.join("; and ");
        return Err(format!("prompt languages that are {prompts}{both}"));
    }
    if test.quantifier == Quantifier::Mean {
        out = vec![merged(out)];
    }
    for draft in &mut out {
        draft.p = p_value(study, test.expected, &draft.paired.values);
    }
    Ok(out)
}

/// Whether `side` picks a model; as `than` it goes by the model of `of` in what it leaves out.
fn picks(study: &Study, side: &Side, place: usize, of: Option<usize>) -> bool {
    let label = &study.model(place).label;
    let of = of.map(|of| &study.model(of).label);
    let is_stage = |stage: &Stage| match stage {
        Stage::Base => label.stage == results::Stage::Base,
        Stage::Instruct => label.stage == results::Stage::Instruct,
        Stage::Untuned => place == study.reference,
        Stage::Oracle => label.stage == results::Stage::Oracle,
        Stage::Tuned => label.stage == results::Stage::Tuned,
        Stage::Unlearned => label.stage == results::Stage::Unlearned,
    };
    let stage = match (&side.stage, of) {
        (Some(choice), _) => choice.picks(is_stage),
        (None, Some(of)) => label.stage == of.stage,
        (None, None) => true,
    };
    let source = chosen(
        side.source.as_ref(),
        label,
        of,
        |l| l.source.as_ref(),
        |a, b| a == b,
    );
    let strategy = chosen(
        side.strategy.as_ref(),
        label,
        of,
        |l| l.strategy.as_ref(),
        |a, b| a == b,
    );
    let is_scope = |wanted: &results::Scope, _: &results::Scope| is_scope(study, label, *wanted);
    let scope = chosen(
        side.scope.as_ref(),
        label,
        of,
        |l| l.scope.as_ref(),
        is_scope,
    );
    stage && source && strategy && scope
}

/// What is not chosen is anything, or what the other model has, if both have any.
fn chosen<T: PartialEq>(
    choice: Option<&Choice<T>>,
    label: &Label,
    of: Option<&Label>,
    part: impl Fn(&Label) -> Option<&T>,
    is: impl Fn(&T, &T) -> bool,
) -> bool {
    match (choice, part(label), of.and_then(&part)) {
        (Some(choice), Some(own), _) => choice.picks(|wanted| is(wanted, own)),
        (Some(_), None, _) => false,
        (None, Some(own), Some(other)) => own == other,
        (None, ..) => true,
    }
}

/// Whether a model unlearned in this scope, or, where none of its kind did, in one that has the
/// same languages.
fn is_scope(study: &Study, label: &Label, wanted: results::Scope) -> bool {
    let (Some(own), Some(source)) = (label.scope, label.source.as_deref()) else {
        return false;
    };
    let is_exact = |other: &Label| {
        let is_alike = other.source == label.source && other.strategy == label.strategy;
        is_alike && other.scope == Some(wanted)
    };
    let covers = |code: &String| wanted.covers(source, code) == own.covers(source, code);
    let mut models = study.results.models.iter();
    own == wanted
        || (study.results.languages.iter().all(covers) && !models.any(|m| is_exact(&m.label)))
}

/// The languages in which the two sides are asked.
fn languages(
    study: &Study,
    test: &Test,
    place: usize,
    other: Option<usize>,
) -> (Vec<usize>, Vec<usize>) {
    let asked = |prompt: Option<&Choice<Asked>>, place: usize, code: &str| {
        prompt.is_none_or(|prompt| prompt.picks(|term| is_asked(study, term, place, code)))
    };
    let prompt = test.of.prompt.as_ref();
    let own = test.than.as_ref().and_then(|than| than.prompt.as_ref());
    match (other, own) {
        (None, _) => (study.languages(|l| asked(prompt, place, l)), Vec::new()),
        (Some(other), Some(own)) => (
            study.languages(|l| asked(prompt, place, l)),
            study.languages(|l| asked(Some(own), other, l)),
        ),
        (Some(other), None) => {
            let both = |l: &str| asked(prompt, place, l) && asked(prompt, other, l);
            (study.languages(both), study.languages(both))
        }
    }
}

fn is_asked(study: &Study, term: &Asked, place: usize, code: &str) -> bool {
    let label = &study.model(place).label;
    let source = label.source.as_deref();
    let covers = |scope: results::Scope| scope.covers(source.unwrap_or_default(), code);
    match term {
        Asked::Language(known) => known == code,
        Asked::Source => source == Some(code),
        Asked::HighResource => resource(code) == Resource::High,
        Asked::LowResource => resource(code) == Resource::Low,
        Asked::InsideScope => label.scope.is_some_and(covers),
        Asked::OutsideScope => label.scope.is_some_and(|scope| !covers(scope)),
    }
}

type Place<'a> = (usize, &'a [usize]);

fn draft(study: &Study, test: &Test, of: Place, than: Option<Place>) -> Result<Draft, String> {
    let mut terms = vec![(of, 1.0)];
    terms.extend(than.map(|than| (than, -1.0)));
    let mut minus = Vec::new();
    if let Some(stage) = test.minus {
        for ((place, languages), sign) in terms.clone() {
            let from = baseline(study, stage, place).ok_or_else(|| {
                format!("the {} model to take off", name_of(&Stage::NAMES, &stage))
            })?;
            terms.push(((from, languages), -sign));
            minus.push(study.model(from).name.clone());
        }
        minus.dedup();
    }
    let units = units(study, test.measure, of.1);
    let mut differences = vec![Some(0.0); units.len()];
    let mut silent = [Vec::new(), Vec::new()];
    for ((place, languages), sign) in terms {
        let model = study.model(place);
        if matches!(test.measure, Measure::Field(..)) && model.measures.is_none() {
            return Err(format!("the field's measures of {}", model.name));
        }
        let values = values(study, test.measure, (place, languages));
        for (to, value) in differences.iter_mut().zip(values) {
            *to = to.zip(value).map(|(to, value)| to + sign * value);
        }
        // A model that was taught nothing has nothing to forget.
        let is_taught = model.label.stage >= results::Stage::Tuned;
        if is_taught && !languages.iter().all(|&l| study.speaks(place, l)) {
            silent[usize::from(sign < 0.0)].push(model.name.clone());
        }
    }
    let codes = |places: &[usize]| {
        let codes = places.iter().map(|&l| study.results.languages[l].clone());
        codes.collect::<Vec<_>>()
    };
    let paired = units.into_iter().zip(differences);
    let (units, values) = paired
        .filter_map(|(unit, value)| Some((unit, value?)))
        .unzip();
    let paired = Paired { units, values };
    if paired.units.is_empty() {
        let measure = name_of(&Measure::NAMES, &test.measure);
        let of = &study.model(of.0).name;
        return Err(format!("items that have {measure} of {of} everywhere"));
    }
    Ok(Draft {
        paired,
        of: vec![study.model(of.0).name.clone()],
        languages: codes(of.1),
        minus,
        than: Vec::from_iter(than.map(|(place, _)| study.model(place).name.clone())),
        than_languages: than.map_or_else(Vec::new, |(_, languages)| codes(languages)),
        silent,
        p: 1.0,
    })
}

/// The model whose values are taken off those of `place`.
fn baseline(study: &Study, stage: Stage, place: usize) -> Option<usize> {
    match stage {
        Stage::Base => Some(study.base),
        Stage::Instruct => study.has_instruct().then_some(study.reference),
        Stage::Untuned => Some(study.reference),
        Stage::Oracle => study.oracle(study.model(place).label.source.as_deref()?),
        Stage::Tuned | Stage::Unlearned => {
            let source = study.model(place).label.source.as_deref()?;
            study.tuned(source)
        }
    }
}

fn units(study: &Study, measure: Measure, languages: &[usize]) -> Vec<usize> {
    let held_out = study.results.held_out.len();
    match measure {
        Measure::HeldOutNll => {
            let of_language = |&l: &usize| l * held_out..(l + 1) * held_out;
            languages.iter().flat_map(of_language).collect()
        }
        _ => (0..study.results.items.len()).collect(),
    }
}

/// One value per unit, in the order of [`units`]; none where it is missing in one of the languages.
fn values(study: &Study, measure: Measure, (place, languages): Place) -> Vec<Option<f64>> {
    let model = study.model(place);
    if measure == Measure::HeldOutNll {
        return languages
            .iter()
            .flat_map(|&l| model.nll[l].iter().copied().map(Some))
            .collect();
    }
    let mean = |item: usize| {
        let of_language = |&l: &usize| measure.of(model, l, item);
        let sum: Option<f64> = languages.iter().map(of_language).sum();
        Some(sum? / languages.len().max(1) as f64)
    };
    (0..study.results.items.len()).map(mean).collect()
}

/// All comparisons as one.
fn merged(drafts: Vec<Draft>) -> Draft {
    let mut out = Draft {
        paired: pooled(&drafts),
        ..Draft::default()
    };
    let add = |to: &mut Vec<String>, from: Vec<String>| {
        for name in from {
            if !to.contains(&name) {
                to.push(name);
            }
        }
    };
    for draft in drafts {
        add(&mut out.of, draft.of);
        add(&mut out.languages, draft.languages);
        add(&mut out.minus, draft.minus);
        add(&mut out.than, draft.than);
        add(&mut out.than_languages, draft.than_languages);
        for (to, from) in out.silent.iter_mut().zip(draft.silent) {
            add(to, from);
        }
    }
    out
}

/// How well the resamples know on which side of the threshold the mean lies. Of the two margins of
/// an equivalence test that is always the nearer one.
fn p_value(study: &Study, expected: Expected, values: &[f64]) -> f64 {
    let at = |threshold: f64| {
        let threshold = vec![threshold; values.len()];
        study.intervals.tested(values, &threshold).1
    };
    let p = match expected {
        Expected::Above(threshold) | Expected::Below(threshold) => at(threshold),
        Expected::Within(margin) => at(margin).max(at(-margin)),
    };
    p.max(least_p(values.len()))
}

impl Expected {
    /// The verdict of a mean on which there is no doubt.
    fn verdict(self, mean: f64) -> Verdict {
        let (yes, no) = match self {
            Expected::Above(threshold) => (mean > threshold, mean < threshold),
            Expected::Below(threshold) => (mean < threshold, mean > threshold),
            Expected::Within(margin) => (mean.abs() < margin, mean.abs() > margin),
        };
        match (yes, no) {
            (true, _) => Verdict::Supported,
            (_, true) => Verdict::Contradicted,
            _ => Verdict::Undecided,
        }
    }

    /// Whether a verdict on a mean rests on the difference not being high, and on its not being low.
    fn low(self, mean: f64) -> [bool; 2] {
        let (least, most) = match self {
            Expected::Above(threshold) | Expected::Below(threshold) => (threshold, threshold),
            Expected::Within(margin) => (-margin, margin),
        };
        [mean < most, mean > least]
    }
}

impl Draft {
    /// With its verdict, `p` being adjusted.
    fn decided(self, study: &Study, test: &Test) -> Comparison {
        let effect = study.intervals.mean(&self.paired.values);
        let mut verdict = match effect.n >= FEWEST && self.p <= LEVEL {
            true => test.expected.verdict(effect.mean),
            false => Verdict::Undecided,
        };
        let mut notes = Vec::new();
        if effect.n < FEWEST {
            notes.push(format!(
                "{} units are too few for any 95 % statement ({FEWEST} are the least).",
                effect.n
            ));
        } else if effect.low == effect.high {
            notes.push(format!(
                "All {} units are equal, so the interval has no width.",
                effect.n
            ));
        }
        let marked = self.silent.iter().any(|names| !names.is_empty());
        let low = test.expected.low(effect.mean);
        let silent = self.silent.iter().zip(low);
        let leaned_on: Vec<&str> = silent
            .filter(|(_, low)| *low)
            .flat_map(|(names, _)| names.iter().map(String::as_str))
            .collect();
        if test.measure.is_of_fake() && verdict != Verdict::Undecided && !leaned_on.is_empty() {
            notes.push(format!(
                "† Would be {}, but {} no longer answers about what is real there: its low {} is no \
                 sign of forgetting.",
                verdict.word(),
                enumerate(&leaned_on),
                name_of(&Measure::NAMES, &test.measure)
            ));
            verdict = Verdict::Undecided;
        }
        Comparison {
            could_see: detectable(&self.paired.values),
            of: self.of,
            languages: self.languages,
            minus: self.minus,
            than: self.than,
            than_languages: self.than_languages,
            effect,
            adjusted_p: self.p,
            verdict,
            marked,
            note: notes.join(" "),
        }
    }
}

impl Side {
    /// In the words of `claims.toml`, without the languages.
    fn models(&self) -> Vec<String> {
        [
            ("source", self.source.as_ref().map(Choice::says)),
            ("scope", self.scope.as_ref().map(Choice::says)),
            ("strategy", self.strategy.as_ref().map(Choice::says)),
        ]
        .into_iter()
        .filter_map(|(key, words)| Some(format!("{key} {}", words?)))
        .collect()
    }

    fn with(&self, parts: &[String]) -> String {
        let stage = self.stage.as_ref().map(Choice::says);
        let parts = match parts {
            [] => None,
            parts => Some(format!("({})", parts.join("; "))),
        };
        let both: Vec<String> = stage.into_iter().chain(parts).collect();
        both.join(" ")
    }

    fn says(&self) -> String {
        self.with(&self.models())
    }
}

impl Test {
    pub(crate) fn says(&self) -> String {
        let side = |side: &Side| {
            let prompt = side.prompt.as_ref().map(Choice::says);
            let mut parts = side.models();
            parts.extend(prompt.map(|words| format!("prompt {words}")));
            side.with(&parts)
        };
        let minus = self.minus.as_ref().map_or_else(String::new, |stage| {
            format!(" minus {}", name_of(&Stage::NAMES, stage))
        });
        let than = self
            .than
            .as_ref()
            .map_or_else(String::new, |than| format!(", set against {}", side(than)));
        let per = if self.by_language {
            ", language by language"
        } else {
            ""
        };
        let expected = match self.expected {
            Expected::Above(threshold) => format!("above {threshold}"),
            Expected::Below(threshold) => format!("below {threshold}"),
            Expected::Within(margin) => format!("within ±{margin}"),
        };
        let quantifier = match self.quantifier {
            Quantifier::All => "in every comparison",
            Quantifier::Any => "in some comparison",
            Quantifier::Mean => "on average",
        };
        format!(
            "{} of {}{minus}{than}{per}: {expected} {} {quantifier}",
            name_of(&Measure::NAMES, &self.measure),
            side(&self.of),
            self.measure.unit()
        )
    }
}
