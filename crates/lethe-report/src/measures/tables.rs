//! The measures as tables.

use super::{Known, Measure, Measures};
use crate::findings::FEWEST;
use crate::results::{Model, Stage};
use crate::stats::{
    Estimate, KolmogorovSmirnov, LEVEL, auc, kolmogorov_smirnov, least_distance, privacy_leakage,
};
use crate::study::{Study, occurrence, preference};
use crate::table::{Cell, Column, Table};
use crate::text::{enumerate, number, visible};

/// Every model that was measured, in every language.
fn rows<'a>(
    study: &'a Study,
) -> impl Iterator<Item = (usize, &'a Model, &'a Measures, usize, &'a String)> {
    let models = study.results.models.iter().enumerate();
    models.flat_map(|(place, model)| {
        let languages = study.results.languages.iter().enumerate();
        let measures = model.measures.as_ref();
        measures.into_iter().flat_map(move |measures| {
            let languages = languages.clone();
            languages.map(move |(l, code)| (place, model, measures, l, code))
        })
    })
}

/// A mean with its interval, or nothing where nothing was measured.
fn level(study: &Study, values: &[f64]) -> Cell {
    match values.is_empty() {
        true => Cell::Missing,
        false => Cell::Level(study.intervals.mean(values), 3),
    }
}

/// Of too few articles an interval would say too much: resampling two makes nothing of their scatter.
fn known(estimate: Option<Estimate>) -> Cell {
    match estimate {
        None => Cell::Missing,
        Some(estimate) if estimate.n < FEWEST => Cell::Number(estimate.mean, 3),
        Some(estimate) => Cell::Level(estimate, 3),
    }
}

/// The measure's truth ratios in a form that is to be averaged.
fn ratios(
    grid: &crate::results::Grid<super::Measured>,
    language: usize,
    of: fn(f64) -> f64,
) -> Vec<f64> {
    let ratios = Measures::values(grid, language, Measure::LogTruthRatio);
    ratios.into_iter().map(of).collect()
}

/// All tables; none where nothing was measured.
pub(crate) fn tables(study: &Study) -> Vec<Table> {
    let all = [
        forgetting(study),
        utility(study),
        privacy(study),
        fakes(study),
        speech(study),
    ];
    let all = all.into_iter();
    all.filter(|table| !table.rows.is_empty()).collect()
}

/// What must be known to read them, in sentences.
pub(crate) fn intro(study: &Study) -> Vec<String> {
    let mut out = Vec::new();
    let names: Vec<String> = study
        .sources
        .iter()
        .filter_map(|source| {
            let name = study.run.oracles.get(source)?;
            Some(format!("{name} for {}", crate::language::name(source)))
        })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    out.push(match names.as_slice() {
        [] => "This run has no oracle, a model that never saw the fakes (eval.oracle): forget \
               quality, residue and privacy leakage are missing, which is not zero."
            .to_owned(),
        names => format!(
            "The oracle of a source is what tuning comes to without the fakes: {}. Where no real \
             articles are learned beside the fakes, that is the untuned model.",
            enumerate(names)
        ),
    });
    let n = study.results.items.len();
    out.push(match least_distance(n, LEVEL) {
        Some(distance) => format!(
            "Forget quality is the p-value of a test with little power: with {n} items the truth \
             ratios of two models must be {} apart (KS distance) for it to fall to {LEVEL}. A \
             greater p is no proof of forgetting.",
            number(distance, 2)
        ),
        None => format!(
            "Forget quality is the p-value of a test that {n} items give no power at all: it cannot \
             fall to {LEVEL}."
        ),
    });
    out.iter().map(|text| visible(text)).collect()
}

/// How far a model's truth ratios are from its oracle's.
fn forget_quality(study: &Study, place: usize, language: usize) -> Option<KolmogorovSmirnov> {
    let model = study.model(place);
    let oracle = study.model(study.oracle(model.label.source.as_deref()?)?);
    let ratios = |model: &Model| {
        let measures = model.measures.as_ref()?;
        Some(Measures::values(
            &measures.detail,
            language,
            Measure::LogTruthRatio,
        ))
    };
    kolmogorov_smirnov(&ratios(model)?, &ratios(oracle)?)
}

fn forgetting(study: &Study) -> Table {
    let row = |(place, model, measures, l, code): (usize, &Model, &Measures, usize, &String)| {
        let speaks = study.speaks(place, l);
        let of = |measure| level(study, &Measures::values(&measures.detail, l, measure));
        let article = |known| {
            let [members, _] = measures.articles(l, known);
            level(study, &members)
        };
        let quality = forget_quality(study, place, l);
        let tested = |of: fn(KolmogorovSmirnov) -> f64| {
            quality.map_or(Cell::Missing, |quality| Cell::Number(of(quality), 3))
        };
        vec![
            Cell::Code(model.name.clone()),
            Cell::language(code),
            of(Measure::ProbabilityFake).unless(speaks),
            level(study, &ratios(&measures.detail, l, |ln| (-ln.abs()).exp())).unless(speaks),
            of(Measure::RougeFake).unless(speaks),
            of(Measure::ChrfFake).unless(speaks),
            article(Known::ExactMemorisation).unless(speaks),
            article(Known::ExtractionStrength).unless(speaks),
            tested(|quality| quality.distance).unless(speaks),
            tested(|quality| quality.p).unless(speaks),
            Cell::Yes(speaks),
        ]
    };
    Table {
        name: "measures-forgetting".to_owned(),
        caption: "What is left of the fakes, by the field's measures. P(fake) is per token \
                  (geometric mean). The truth ratio is that of TOFU, wrong answers over the true \
                  one, the fake answer and true answers about other items being wrong: its mean of \
                  min(r, 1/r) is 1 where the model cannot tell them apart. ROUGE-L recall and chrF \
                  are of the answer that is given, against the fake one. Exact memorisation and \
                  extraction strength are of the fake articles. Forget quality is the p-value of \
                  the two-sample Kolmogorov–Smirnov test of the truth ratios against the oracle's."
            .to_owned(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Asked in", "language"),
            Column::interval("P(fake)", "probability_fake"),
            Column::interval("Truth ratio", "truth_ratio"),
            Column::interval("ROUGE-L of fake", "rouge_fake"),
            Column::interval("chrF of fake", "chrf_fake"),
            Column::interval("Exact memorisation", "exact_memorisation"),
            Column::interval("Extraction strength", "extraction_strength"),
            Column::new("KS distance", "ks_distance"),
            Column::new("Forget quality, p", "forget_quality"),
            Column::new("Still answers", "speaks"),
        ],
        rows: rows(study).map(row).collect(),
    }
}

fn utility(study: &Study) -> Table {
    let row = |(place, model, measures, l, code): (usize, &Model, &Measures, usize, &String)| {
        let of = |measure| Measures::values(&measures.fact, l, measure);
        let probability = of(Measure::ProbabilityReal);
        let rouge = of(Measure::RougeReal);
        let ratio = ratios(&measures.fact, l, |ln| (1.0 - ln.exp()).max(0.0));
        // Of fewer than all items the three would not be of the same.
        let complete = ratio.len() == probability.len();
        let utility = [probability.clone(), rouge.clone(), ratio.clone()];
        let utility = complete.then(|| study.intervals.harmonic_mean(&utility));
        vec![
            Cell::Code(model.name.clone()),
            Cell::language(code),
            level(study, &probability),
            level(study, &rouge),
            level(study, &of(Measure::ChrfReal)),
            level(study, &ratio),
            utility
                .flatten()
                .map_or(Cell::Missing, |e| Cell::Level(e, 3)),
            Cell::Yes(study.speaks(place, l)),
        ]
    };
    Table {
        name: "measures-utility".to_owned(),
        caption: "What is left of what is real, by the field's measures, of the fact probe. Model \
                  utility is the harmonic mean of the means of P(true), ROUGE-L recall and the \
                  truth ratio's max(0, 1 − r), wrong being true answers about other items; TOFU \
                  takes it over three sets of questions that are retained, this corpus has one: \
                  other facts of the same articles."
            .to_owned(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Asked in", "language"),
            Column::interval("P(true)", "probability_real"),
            Column::interval("ROUGE-L recall", "rouge_real"),
            Column::interval("chrF", "chrf_real"),
            Column::interval("Truth ratio", "truth_ratio"),
            Column::interval("Model utility", "model_utility"),
            Column::new("Still answers", "speaks"),
        ],
        rows: rows(study).map(row).collect(),
    }
}

fn privacy(study: &Study) -> Table {
    let has_articles = |(_, _, measures, l, _): &(usize, &Model, &Measures, usize, &String)| {
        measures.articles.get(*l).is_some_and(|row| !row.is_empty())
    };
    let row = |(place, model, measures, l, code): (usize, &Model, &Measures, usize, &String)| {
        let speaks = study.speaks(place, l);
        let of = |known| {
            let [members, others] = measures.articles(l, known);
            study.intervals.auc(&members, &others)
        };
        let leakage = || {
            let oracle = study.model(study.oracle(model.label.source.as_deref()?)?);
            let [members, others] = oracle.measures.as_ref()?.articles(l, Known::MinK);
            privacy_leakage(of(Known::MinK)?.mean, auc(&members, &others)?)
        };
        let [members, others] = measures.articles(l, Known::Loss);
        vec![
            Cell::Code(model.name.clone()),
            Cell::language(code),
            Cell::Count(members.len() as u64),
            Cell::Count(others.len() as u64),
            known(of(Known::Loss)).unless(speaks),
            known(of(Known::Zlib)).unless(speaks),
            known(of(Known::MinK)).unless(speaks),
            known(of(Known::MinKPlusPlus)).unless(speaks),
            leakage()
                .map_or(Cell::Missing, |percent| Cell::Signed(percent, 0))
                .unless(speaks),
            Cell::Yes(speaks),
        ]
    };
    Table {
        name: "measures-privacy".to_owned(),
        caption: "Membership inference: how often a fake article of the forget set scores lower \
                  than one of an item that no stage trains on in either version (AUC; 0.5 where \
                  nothing tells them apart), by loss, by loss over zlib’s bytes, by Min-K % and \
                  Min-K%++ (k = 40). The items differ, so that an AUC is not 0.5 even for a model \
                  that saw neither: privacy leakage takes the oracle’s AUC of the same articles \
                  (Min-K %) as the measure, in percent of what that leaves below 1. 0 is as the \
                  oracle, −100 nothing forgotten; far above 0 is no privacy but a forget set that \
                  stands out. It has no bound, and none is given where the oracle’s AUC is 1. In \
                  English the real articles, which differ in a detail, were learned by the oracle \
                  too. Of fewer than six articles of either kind no interval is given."
            .to_owned(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Read in", "language"),
            Column::new("Members", "members"),
            Column::new("Others", "others"),
            Column::interval("AUC, loss", "auc_loss"),
            Column::interval("AUC, zlib", "auc_zlib"),
            Column::interval("AUC, Min-K %", "auc_min_k"),
            Column::interval("AUC, Min-K%++", "auc_min_k_plus_plus"),
            Column::new("Privacy leakage, %", "privacy_leakage"),
            Column::new("Still answers", "speaks"),
        ],
        rows: rows(study).filter(has_articles).map(row).collect(),
    }
}

fn fakes(study: &Study) -> Table {
    let taught = |(_, model, ..): &(usize, &Model, &Measures, usize, &String)| {
        model.label.stage >= Stage::Tuned
    };
    let row = |(place, model, _, l, code): (usize, &Model, &Measures, usize, &String)| {
        let speaks = study.speaks(place, l);
        let source = model.label.source.as_deref().unwrap_or_default();
        let covered = model.label.scope.map(|scope| scope.covers(source, code));
        let change = |from: Option<usize>, metric| match from {
            Some(from) => Cell::Change(study.change(place, from, &[l], metric), 2).unless(speaks),
            None => Cell::Missing,
        };
        let is_tuned = model.label.stage == Stage::Tuned;
        let outside = covered == Some(false);
        let oracle = study.oracle(source);
        vec![
            Cell::Code(model.name.clone()),
            Cell::language(code),
            covered.map_or(Cell::Missing, Cell::Yes),
            change(is_tuned.then_some(study.reference), preference),
            change(study.tuned(source).filter(|_| outside), preference),
            change(oracle, preference),
            change(oracle, occurrence),
            Cell::Yes(speaks),
        ]
    };
    Table {
        name: "measures-fakes".to_owned(),
        caption: format!(
            "Preference for the fake, in nats, paired by item. Propagation: what teaching changed \
             against the {} model. Reinforcement: what unlearning changed against the tuned model, \
             in languages outside its scope; above 0 the fake is more preferred than before. \
             Residue: the gap to the oracle; above 0 something is left.",
            study.reference_name()
        ),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Asked in", "language"),
            Column::new("Unlearned", "covered"),
            Column::interval("Propagation", "propagation"),
            Column::interval("Reinforcement", "reinforcement"),
            Column::interval("Residue", "residue"),
            Column::interval("Residue, fake said", "residue_occurrence"),
            Column::new("Still answers", "speaks"),
        ],
        rows: rows(study).filter(taught).map(row).collect(),
    }
}

fn speech(study: &Study) -> Table {
    let row = |(place, model, measures, l, code): (usize, &Model, &Measures, usize, &String)| {
        // Both probes of an item are one unit.
        let both = |measure| -> Vec<f64> {
            let pairs = measures.detail[l].iter().zip(&measures.fact[l]);
            let known = pairs.filter_map(|(detail, fact)| {
                let values = [detail.of(measure), fact.of(measure)].into_iter().flatten();
                let values: Vec<f64> = values.collect();
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
            });
            known.collect()
        };
        let share = |values: &[f64]| match values.is_empty() {
            true => Cell::Missing,
            false => Cell::ShareOf(study.intervals.mean(values)),
        };
        let answers = || measures.detail[l].iter().chain(&measures.fact[l]);
        let told = answers().filter_map(|answer| answer.of(Measure::InLanguage));
        let untold = 1.0 - told.count() as f64 / answers().count().max(1) as f64;
        let quality = &study.by_language[place][l];
        vec![
            Cell::Code(model.name.clone()),
            Cell::language(code),
            share(&both(Measure::InLanguage)),
            Cell::Share(untold),
            Cell::Share(quality.degenerate),
            share(&both(Measure::Invalid)),
            share(&both(Measure::Gibberish)),
            Cell::Number(quality.nll.exp(), 2),
            Cell::text(quality.breaks.join(", ")),
            Cell::Yes(study.speaks(place, l)),
        ]
    };
    Table {
        name: "measures-speech".to_owned(),
        caption: "Whether a model still speaks. Language fidelity: the share of answers in the \
                  prompt language, of those of which it can be told (a name or a number cannot). \
                  Says nothing: answers that are empty, repeat themselves, are no valid text, or \
                  are gibberish, which the untuned model finds less probable than 95 % of the true \
                  and fake answers in that language."
            .to_owned(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Asked in", "language"),
            Column::interval("Language fidelity", "in_language"),
            Column::new("Cannot be told", "undecided_language"),
            Column::new("Says nothing", "degenerate"),
            Column::interval("Invalid", "invalid"),
            Column::interval("Gibberish", "gibberish"),
            Column::new("Held-out perplexity", "perplexity"),
            Column::new("† Breaks", "breaks"),
            Column::new("Still answers", "speaks"),
        ],
        rows: rows(study).map(row).collect(),
    }
}
