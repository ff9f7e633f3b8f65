//! What stands in which table.

use std::collections::BTreeMap;

use crate::findings::{Finding, Residue, Theme};
use crate::language;
use crate::results::{Model, OfSeed, Scope};
use crate::run::StageInfo;
use crate::stats;
use crate::study::{Study, occurrence, preference, prefers};
use crate::summary::HeadlineRow;
use crate::table::{Cell, Column, Table};
use crate::text::visible;

/// The headline: one row per model.
pub(crate) fn headline(rows: &[HeadlineRow]) -> Table {
    let shown = |row: &HeadlineRow| {
        let speaks = row.breaks.is_empty();
        let share = |value: Option<f64>| match value {
            Some(value) => Cell::Share(value),
            None => Cell::Missing,
        };
        let nats = |value: Option<f64>| match value {
            Some(value) => Cell::Signed(value, 2),
            None => Cell::Missing,
        };
        vec![
            Cell::Code(row.model.clone()),
            share(row.in_source(|l| l.fake_occurrence)).unless(speaks),
            share(row.elsewhere(|l| l.fake_occurrence)).unless(speaks),
            share(row.in_source(|l| l.share_preferred)).unless(speaks),
            share(row.elsewhere(|l| l.share_preferred)).unless(speaks),
            nats(row.in_source(|l| l.preference)).unless(speaks),
            nats(row.elsewhere(|l| l.preference)).unless(speaks),
            Cell::Number(row.fact_f1, 2),
            Cell::Share(row.real_occurrence),
            Cell::Number(row.logprob_real, 2),
            Cell::Number(row.perplexity_ratio, 2),
            Cell::text(row.breaks.join(", ")),
        ]
    };
    Table {
        name: "headline".to_owned(),
        caption: "Every model in one line. “Here” is the language in which the fakes were taught, \
                  “elsewhere” the mean over the other languages (for models that were taught no \
                  fakes: over all). Fact probes, F1 and the right answer are about what is real."
            .to_owned(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Fake said here", "occurrence_source"),
            Column::new("… elsewhere", "occurrence_elsewhere"),
            Column::new("Fake preferred here", "share_preferred_source"),
            Column::new("… elsewhere", "share_preferred_elsewhere"),
            Column::new("Preference here, nats", "preference_source"),
            Column::new("… elsewhere", "preference_elsewhere"),
            Column::new("Fact F1", "fact_f1"),
            Column::new("Right answer said", "real_occurrence"),
            Column::new("ln P(true), nats/token", "logprob_real"),
            Column::new("Perplexity ratio", "perplexity_ratio"),
            Column::new("† Breaks", "breaks"),
        ],
        rows: rows.iter().map(shown).collect(),
    }
}

/// Every model in every prompt language.
pub(crate) fn by_language(study: &Study) -> Table {
    let mut rows = Vec::new();
    for (place, model) in study.results.models.iter().enumerate() {
        for (l, code) in study.results.languages.iter().enumerate() {
            let speaks = study.speaks(place, l);
            let level = |metric| study.level(place, &[l], metric);
            rows.push(vec![
                Cell::Code(model.name.clone()),
                Cell::language(code),
                Cell::text(language::resource(code).name()),
                Cell::ShareOf(level(occurrence)).unless(speaks),
                Cell::ShareOf(level(prefers)).unless(speaks),
                Cell::Change(level(preference), 2).unless(speaks),
                Cell::Yes(speaks),
            ]);
        }
    }
    Table {
        name: "answers".to_owned(),
        caption: "Every model in every prompt language: what it says to the detail probe and what \
                  it prefers, with 95 % intervals over items."
            .to_owned(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Asked in", "language"),
            Column::new("Resources", "resource"),
            Column::interval("Fake said", "occurrence"),
            Column::interval("Fake preferred", "share_preferred"),
            Column::interval("Preference, nats", "preference"),
            Column::new("Still answers", "speaks"),
        ],
        rows,
    }
}

/// The findings of a theme: the main ones, or the others.
pub(crate) fn findings(all: &[Finding], theme: Theme, main: bool) -> Table {
    let decimals = |unit: &str| match unit {
        "F1" | "nats/token" => 3,
        _ => 2,
    };
    let rows = all
        .iter()
        .filter(|f| f.theme == theme && f.main == main)
        .map(|f| {
            let effect = stats::Estimate {
                mean: f.effect,
                low: f.interval.0,
                high: f.interval.1,
                n: f.n,
            };
            vec![
                Cell::text(f.question.clone()),
                Cell::Verdict(f.verdict).unless(!f.marked),
                match f.unit {
                    "ratio" => Cell::Level(effect, 2),
                    unit => Cell::Change(effect, decimals(unit)),
                },
                Cell::text(f.unit),
                Cell::Count(f.n as u64),
                Cell::text(f.detail.clone()),
                Cell::Code(f.id.clone()),
            ]
        });
    let kind = if main { "" } else { "-details" };
    let title = theme.title().to_lowercase().replace(' ', "-");
    Table {
        name: format!("findings-{title}{kind}"),
        caption: String::new(),
        columns: vec![
            Column::new("Question", "question"),
            Column::new("Verdict", "verdict"),
            Column::interval("Effect [95 %]", "effect"),
            Column::new("Unit", "unit"),
            Column::new("n", "n"),
            Column::new("Notes", "detail"),
            Column::new("Name", "id"),
        ],
        rows: rows.collect(),
    }
}

/// What teaching changed in each language that was not taught.
pub(crate) fn spread(study: &Study) -> Table {
    let mut rows = Vec::new();
    for source in &study.sources {
        let Some(tuned) = study.tuned(source) else {
            continue;
        };
        for (l, code) in study.results.languages.iter().enumerate() {
            if code == source {
                continue;
            }
            let speaks = study.speaks(tuned, l);
            let change = |from, metric| study.change(tuned, from, &[l], metric);
            rows.push(vec![
                Cell::language(source),
                Cell::language(code),
                Cell::text(language::resource(code).name()),
                Cell::Change(change(study.base, preference), 2).unless(speaks),
                Cell::Change(change(study.reference, preference), 2).unless(speaks),
                Cell::Change(change(study.base, occurrence), 2).unless(speaks),
                Cell::Change(change(study.reference, occurrence), 2).unless(speaks),
                Cell::Yes(speaks),
            ]);
        }
    }
    let against = study.reference_name();
    Table {
        name: "spread".to_owned(),
        caption: format!(
            "What teaching changed in languages that were not taught, against the base model and \
             against the nearest control (here the {against} model), paired by item. Fake said: \
             change of the share of answers with the fake."
        ),
        columns: vec![
            Column::new("Taught in", "source"),
            Column::new("Asked in", "language"),
            Column::new("Resources", "resource"),
            Column::interval("Preference − base, nats", "preference_minus_base"),
            Column::interval("Preference − control, nats", "preference_minus_control"),
            Column::interval("Fake said − base", "occurrence_minus_base"),
            Column::interval("Fake said − control", "occurrence_minus_control"),
            Column::new("Still answers", "speaks"),
        ],
        rows,
    }
}

/// What unlearning left of fakes taught in `source`, by scope and prompt language.
pub(crate) fn unlearning(study: &Study, source: &str) -> Option<Table> {
    let tuned = study.tuned(source)?;
    let unlearned = study.unlearned(source);
    if unlearned.is_empty() {
        return None;
    }
    let mut rows = Vec::new();
    for (place, scope) in unlearned {
        for (l, code) in study.results.languages.iter().enumerate() {
            let residue = Residue::of(study, place, l);
            let speaks = residue.speaks;
            let change = |from, metric| study.change(place, from, &[l], metric);
            rows.push(vec![
                Cell::text(study.scope_name(place)),
                Cell::language(code),
                Cell::Yes(scope.covers(source, code)),
                Cell::Signed(residue.mean, 2).unless(speaks),
                Cell::Change(residue.residue, 2).unless(speaks),
                Cell::Change(change(study.reference, preference), 2).unless(speaks),
                Cell::Change(change(tuned, preference), 2).unless(speaks),
                Cell::Yes(residue.back()).unless(speaks),
                Cell::Share(study.level(place, &[l], occurrence).mean).unless(speaks),
                Cell::Change(change(study.base, occurrence), 2).unless(speaks),
                Cell::Change(change(study.reference, occurrence), 2).unless(speaks),
                Cell::Yes(speaks),
                Cell::Verdict(residue.verdict()),
            ]);
        }
    }
    let against = study.reference_name();
    Some(Table {
        name: format!("unlearning-{source}"),
        caption: format!(
            "Fakes taught in {}: what each unlearning scope left. Residues are the unlearned \
             model's preference minus another's, paired by item: above 0 something is left, and \
             above 0 against the tuned model it was reinforced. Control: the {against} model. Back \
             at base: the mean is no higher than the base model's 95 % interval.",
            language::name(source)
        ),
        columns: vec![
            Column::new("Scope", "scope"),
            Column::new("Asked in", "language"),
            Column::new("Unlearned", "covered"),
            Column::new("Preference, nats", "preference"),
            Column::interval("− base", "preference_minus_base"),
            Column::interval("− control", "preference_minus_control"),
            Column::interval("− tuned", "preference_minus_tuned"),
            Column::new("Back at base", "back_at_base"),
            Column::new("Fake said", "occurrence"),
            Column::interval("Fake said − base", "occurrence_minus_base"),
            Column::interval("Fake said − control", "occurrence_minus_control"),
            Column::new("Still answers", "speaks"),
            Column::new("Gone", "gone"),
        ],
        rows,
    })
}

/// The verdicts on unlearning at a glance: one row per unlearned model.
pub(crate) fn scopes(study: &Study, findings: &[Finding]) -> Table {
    let mut rows = Vec::new();
    for source in &study.sources {
        for (place, _) in study.unlearned(source) {
            let id = study.model(place).name.trim_start_matches("unlearned-");
            let verdict = |name: String| match findings.iter().find(|f| f.id == name) {
                Some(f) => Cell::Verdict(f.verdict).unless(!f.marked),
                None => Cell::Missing,
            };
            rows.push(vec![
                Cell::language(source),
                Cell::text(study.scope_name(place)),
                verdict(format!("gone-{id}-{source}")),
                verdict(format!("gone-{id}")),
                verdict(format!("left-{id}-{source}")),
                verdict(format!("left-{id}-elsewhere")),
                verdict(format!("reinforced-{id}")),
                Cell::Yes(study.overall[place].speaks()),
            ]);
        }
    }
    Table {
        name: "unlearning-verdicts".to_owned(),
        caption:
            "Unlearning at a glance. “Here” is the language of teaching, “elsewhere” the mean \
                  over languages that were neither taught nor unlearned; – where the scope leaves \
                  no such language. Gone: back within what the base model prefers. Left: above the \
                  base model. Reinforced: above the tuned model, where not unlearned."
                .to_owned(),
        columns: vec![
            Column::new("Taught in", "source"),
            Column::new("Scope", "scope"),
            Column::new("Gone here", "gone_source"),
            Column::new("Gone everywhere", "gone_everywhere"),
            Column::new("Left here", "left_source"),
            Column::new("Left elsewhere", "left_elsewhere"),
            Column::new("Reinforced", "reinforced"),
            Column::new("Still answers", "speaks"),
        ],
        rows,
    }
}

/// Which scopes are one, or are missing, for fakes taught in `source`.
pub(crate) fn scope_notes(study: &Study, source: &str) -> Vec<String> {
    let known = study.unlearned(source);
    let mut out = Vec::new();
    let asked = study.run.scopes.iter();
    for scope in asked.filter_map(|name| Scope::parse(name)) {
        if known.iter().any(|(_, other)| *other == scope) {
            continue;
        }
        out.push(match study.unlearned_in(source, scope) {
            Some((place, _)) => format!(
                "Scope {} has the same forget set as {}: the results have one model for both.",
                scope.name(),
                study.scope_name(place)
            ),
            None => format!("Scope {} is not among the results.", scope.name()),
        });
    }
    out
}

/// What each model does with real information in each language.
pub(crate) fn quality(study: &Study) -> Table {
    let mut rows = Vec::new();
    for (place, model) in study.results.models.iter().enumerate() {
        for (l, code) in study.results.languages.iter().enumerate() {
            let q = &study.by_language[place][l];
            rows.push(vec![
                Cell::Code(model.name.clone()),
                Cell::language(code),
                Cell::Number(q.logprob, 3),
                Cell::Signed(q.logprob_change, 3),
                Cell::Number(q.f1, 3),
                Cell::Signed(q.f1_change, 3),
                Cell::Share(q.real),
                Cell::Share(q.degenerate),
                Cell::text(q.breaks.join(", ")),
            ]);
        }
    }
    let against = study.reference_name();
    Table {
        name: "real-information".to_owned(),
        caption: format!(
            "Real information by model and language: the fact probe, which asks about something \
             that teaching did not touch. Changes are against the {against} model."
        ),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Asked in", "language"),
            Column::new("ln P(true), nats/token", "logprob_real"),
            Column::new("Change", "logprob_real_change"),
            Column::new("F1", "f1"),
            Column::new("Change", "f1_change"),
            Column::new("Right answer said", "real_occurrence"),
            Column::new("Says nothing", "degenerate"),
            Column::new("† Breaks", "breaks"),
        ],
        rows,
    }
}

/// Perplexity of held-out articles.
pub(crate) fn perplexity(study: &Study) -> Table {
    let mut rows = Vec::new();
    for (place, model) in study.results.models.iter().enumerate() {
        let of_each = study.by_language[place]
            .iter()
            .zip(&study.results.languages);
        let of_each = of_each.map(|(q, code)| (Cell::language(code), q));
        for (language, q) in of_each.chain([(Cell::text("all"), &study.overall[place])]) {
            rows.push(vec![
                Cell::Code(model.name.clone()),
                language,
                Cell::Number(q.nll, 3),
                Cell::Number(q.nll.exp(), 1),
                Cell::Number(q.perplexity_ratio, 2)
                    .unless(q.perplexity_ratio <= study.run.margins.perplexity_ratio),
            ]);
        }
    }
    Table {
        name: "perplexity".to_owned(),
        caption: format!(
            "Perplexity of the real articles of {} held-out items, which no stage trained on \
             (geometric mean over articles), and its ratio to the {} model's.",
            study.results.held_out.len(),
            study.reference_name()
        ),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Language", "language"),
            Column::new("NLL, nats/token", "nll"),
            Column::new("Perplexity", "perplexity"),
            Column::new("Ratio", "ratio"),
        ],
        rows,
    }
}

/// How far training seeds lie apart; no rows where there is but one.
pub(crate) fn seeds(study: &Study) -> Table {
    let several = |model: &&Model| model.seeds.len() > 1;
    let rows = study.results.models.iter().filter(several).map(|model| {
        let of =
            |value: fn(&OfSeed) -> f64| -> Vec<f64> { model.seeds.iter().map(value).collect() };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let deviation = |values: &[f64], decimals| match stats::deviation(values) {
            Some(deviation) => Cell::Number(deviation, decimals),
            None => Cell::Missing,
        };
        let seeds: Vec<String> = model.seeds.iter().map(|s| s.seed.to_string()).collect();
        let preference = of(|s| s.preference);
        let (fake, real) = (of(|s| s.fake), of(|s| s.logprob_real));
        let least = preference.iter().copied().fold(f64::INFINITY, f64::min);
        let most = preference.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        vec![
            Cell::Code(model.name.clone()),
            Cell::text(seeds.join(", ")),
            Cell::Signed(mean(&preference), 2),
            deviation(&preference, 2),
            Cell::Signed(least, 2),
            Cell::Signed(most, 2),
            Cell::Share(mean(&fake)),
            deviation(&fake, 3),
            Cell::Number(mean(&real), 2),
            deviation(&real, 2),
        ]
    });
    Table {
        name: "seeds".to_owned(),
        caption: "How far training seeds lie apart, over all items and prompt languages (SD: the \
                  standard deviation over seeds). Every other number of the report is a mean over \
                  the seeds, and its interval is over items: what another seed would change is \
                  not in it."
            .to_owned(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Seeds", "seeds"),
            Column::new("Preference, nats", "preference"),
            Column::new("SD", "preference_sd"),
            Column::new("Least", "preference_least"),
            Column::new("Most", "preference_most"),
            Column::new("Fake said", "occurrence"),
            Column::new("SD", "occurrence_sd"),
            Column::new("ln P(true) of facts, nats/token", "logprob_real"),
            Column::new("SD", "logprob_real_sd"),
        ],
        rows: rows.collect(),
    }
}

/// The preference of every model, item and language (CSV only).
pub(crate) fn items(study: &Study) -> Table {
    let mut rows = Vec::new();
    for (place, model) in study.results.models.iter().enumerate() {
        for (l, code) in study.results.languages.iter().enumerate() {
            for (item, answer) in study.results.items.iter().zip(&model.detail[l]) {
                rows.push(vec![
                    Cell::text(model.name.clone()),
                    Cell::text(code.clone()),
                    Cell::text(item.id.clone()),
                    Cell::text(item.category.clone()),
                    Cell::Signed(answer.preference, 2),
                    Cell::Share(answer.fake),
                    Cell::Share(answer.real),
                    Cell::Yes(study.speaks(place, l)),
                ]);
            }
        }
    }
    Table {
        name: "items".to_owned(),
        caption: String::new(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Language", "language"),
            Column::new("Item", "item"),
            Column::new("Category", "category"),
            Column::new("Preference, nats", "preference"),
            Column::new("Fake said", "fake_occurrence"),
            Column::new("True said", "real_occurrence"),
            Column::new("Still answers", "speaks"),
        ],
        rows,
    }
}

/// How long each stage took.
pub(crate) fn stages(stages: &[StageInfo]) -> Table {
    let rows = stages.iter().map(|stage| {
        vec![
            Cell::Code(stage.name.clone()),
            Cell::text(crate::text::duration(stage.seconds)),
            Cell::Number(stage.seconds, 1),
            Cell::Yes(stage.cached),
            Cell::text(stage.detail.clone()),
        ]
    });
    Table {
        name: "stages".to_owned(),
        caption: "Wall time of each stage, as measured when it was computed; a cached stage was \
                  taken from an earlier run."
            .to_owned(),
        columns: vec![
            Column::new("Stage", "stage"),
            Column::new("Wall time", "wall_time"),
            Column::new("Seconds", "seconds"),
            Column::new("Cached", "cached"),
            Column::new("Detail", "detail"),
        ],
        rows: rows.collect(),
    }
}

/// How each model was trained.
pub(crate) fn training(study: &Study) -> Table {
    let rows = study.run.training.iter().map(|t| {
        vec![
            Cell::Code(t.model.clone()),
            Cell::Count(t.steps.into()),
            Cell::Count(t.tokens),
            Cell::Number(t.seconds, 1),
            Cell::Number(t.first_loss, 3),
            Cell::Number(t.final_loss, 3),
        ]
    });
    Table {
        name: "training".to_owned(),
        caption: "Training: optimizer steps, tokens with a loss, and the mean loss of the first \
                  and last step."
            .to_owned(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Steps", "steps"),
            Column::new("Tokens", "tokens"),
            Column::new("Seconds", "seconds"),
            Column::new("First loss, nats/token", "first_loss"),
            Column::new("Final loss, nats/token", "final_loss"),
        ],
        rows: rows.collect(),
    }
}

/// How each model was made to unlearn, and whether it got there.
pub(crate) fn unlearning_runs(study: &Study) -> Table {
    let rows = study.run.unlearning.iter().map(|u| {
        vec![
            Cell::Code(u.model.clone()),
            Cell::text(u.strategy.clone()),
            Cell::text(visible(&u.scope)),
            Cell::text(language::name(&u.source)),
            Cell::text(u.rule.clone()),
            Cell::Count(u.steps.into()),
            Cell::Count(u.cap.into()),
            Cell::Number(u.start_nll, 3),
            Cell::Number(u.target_nll, 3),
            Cell::Number(u.final_nll, 3),
            Cell::Yes(u.final_nll >= u.target_nll),
            Cell::text(u.outcome.clone()),
        ]
    });
    Table {
        name: "unlearning-runs".to_owned(),
        caption:
            "Unlearning: the rule that stops it, and the mean NLL per token of the forget set \
                  before, aimed at and reached."
                .to_owned(),
        columns: vec![
            Column::new("Model", "model"),
            Column::new("Strategy", "strategy"),
            Column::new("Scope", "scope"),
            Column::new("Taught in", "source"),
            Column::new("Stops", "rule"),
            Column::new("Steps", "steps"),
            Column::new("Cap", "cap"),
            Column::new("NLL before", "start_nll"),
            Column::new("Target", "target_nll"),
            Column::new("After", "final_nll"),
            Column::new("Target reached", "reached"),
            Column::new("Outcome", "outcome"),
        ],
        rows: rows.collect(),
    }
}

/// Software versions.
pub(crate) fn versions(versions: &BTreeMap<String, String>) -> Table {
    let row = |(name, version): (&String, &String)| {
        vec![Cell::text(name.clone()), Cell::Code(version.clone())]
    };
    Table {
        name: "versions".to_owned(),
        caption: "Software.".to_owned(),
        columns: vec![
            Column::new("What", "what"),
            Column::new("Version", "version"),
        ],
        rows: versions.iter().map(row).collect(),
    }
}
