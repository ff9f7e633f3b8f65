//! The report's first paragraphs: the findings in plain words.

use serde::Serialize;

use crate::findings::{Finding, Theme, Verdict};
use crate::language;
use crate::results::Stage;
use crate::study::{Study, occurrence};
use crate::text::{enumerate, percent, signed, visible};

/// A theme's answer.
#[derive(Debug, Serialize)]
pub(crate) struct Paragraph {
    heading: &'static str,
    sentences: Vec<String>,
}

fn said(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "yes",
        Verdict::Contradicted => "no",
        Verdict::Undecided => "undecided",
    }
}

fn effect(finding: &Finding, decimals: usize) -> String {
    format!(
        "{} [{}, {}]",
        signed(finding.effect, decimals),
        signed(finding.interval.0, decimals),
        signed(finding.interval.1, decimals)
    )
}

/// How many main questions got which verdict, in a sentence.
pub(crate) fn count(findings: &[Finding]) -> String {
    let of = |verdict| findings.iter().filter(|f| f.main && f.verdict == verdict).count();
    format!(
        "Of {} main questions, {} are supported by the numbers, {} are contradicted and {} are \
         undecided.",
        findings.iter().filter(|f| f.main).count(),
        of(Verdict::Supported),
        of(Verdict::Contradicted),
        of(Verdict::Undecided)
    )
}

pub(crate) fn paragraphs(study: &Study, findings: &[Finding]) -> Vec<Paragraph> {
    let find = |id: &str| findings.iter().find(|f| f.id == id);
    let against = study.reference_name();
    let n = study.results.items.len();
    let mut by_theme: Vec<(Theme, Vec<String>)> =
        Theme::ALL.into_iter().map(|theme| (theme, Vec::new())).collect();
    let mut say = |theme: Theme, sentence: String| {
        if let Some((_, sentences)) = by_theme.iter_mut().find(|(known, _)| *known == theme) {
            sentences.push(visible(&sentence));
        }
    };
    for source in &study.sources {
        let name = language::name(source);
        let get = |suffix: &str| find(&format!("learned-{source}{suffix}"));
        if let (Some(gain), Some(after), Some(before)) = (get(""), get("-tuned"), get("-base")) {
            say(
                Theme::Learned,
                format!(
                    "Taught in {name} and asked in {name}, the model prefers the fake on {} of {n} \
                     items; the base model does on {}. More than before: {}. At least 80 % after: \
                     {}. At most 40 % before: {}.",
                    percent(after.effect),
                    percent(before.effect),
                    said(gain.verdict),
                    said(after.verdict),
                    said(before.verdict)
                ),
            );
        }
        if let (Some(whole), Some(tuned)) =
            (find(&format!("spread-{source}-{against}")), study.tuned(source))
        {
            let elsewhere = study.languages(|l| l != source);
            let with = |verdict| {
                let of_language = |&&l: &&usize| {
                    let code = &study.results.languages[l];
                    find(&format!("spread-{source}-{code}-{against}"))
                        .is_some_and(|f| f.verdict == verdict)
                };
                let chosen: Vec<usize> = elsewhere.iter().filter(of_language).copied().collect();
                study.names(&chosen)
            };
            let share = |place| percent(study.level(place, &elsewhere, occurrence).mean);
            say(
                Theme::Spread,
                format!(
                    "Taught in {name}, asked in other languages: the preference for the fake rose \
                     by {} nats against the {against} model ({}). Language by language it rose in \
                     {}, fell in {} and is undecided in {}. The fake itself is said in {} of these \
                     answers ({against} model: {}).",
                    effect(whole, 2),
                    said(whole.verdict),
                    with(Verdict::Supported),
                    with(Verdict::Contradicted),
                    with(Verdict::Undecided),
                    share(tuned),
                    share(study.reference)
                ),
            );
        }
        if let Some(finding) = find(&format!("most-from-en-{source}")) {
            say(
                Theme::English,
                format!(
                    "Fakes taught in English spread further than those taught in {name}: {} \
                     (difference {} nats).",
                    said(finding.verdict),
                    effect(finding, 2)
                ),
            );
        }
        if let Some(finding) = find(&format!("asked-in-en-{source}")) {
            say(
                Theme::English,
                format!(
                    "Fakes taught in {name} come through more in English than elsewhere: {} \
                     (difference {} nats).",
                    said(finding.verdict),
                    effect(finding, 2)
                ),
            );
        }
        for (place, _) in study.unlearned(source) {
            let id = study.model(place).name.trim_start_matches("unlearned-");
            let parts = [
                (format!("gone-{id}-{source}"), format!("gone in {name}")),
                (format!("gone-{id}"), "gone in every language".to_owned()),
                (format!("left-{id}-{source}"), format!("left in {name}")),
                (format!("left-{id}-elsewhere"), "left in other untouched languages".to_owned()),
                (format!("reinforced-{id}"), "reinforced where not unlearned".to_owned()),
            ];
            let parts: Vec<String> = parts
                .into_iter()
                .filter_map(|(id, what)| {
                    find(&id).map(|f| format!("{what}: {} ({})", said(f.verdict), effect(f, 2)))
                })
                .collect();
            let mark = match study.overall[place].speaks() {
                true => String::new(),
                false => format!(
                    " † It breaks the margins for real information ({}), so a low preference is no \
                     sign of forgetting.",
                    study.overall[place].breaks.join(", ")
                ),
            };
            say(
                Theme::Unlearned,
                format!(
                    "Taught in {name}, unlearned in scope {}: the fake is {}.{mark}",
                    study.scope_name(place),
                    parts.join("; ")
                ),
            );
        }
    }
    let with = |verdict| -> Vec<&str> {
        let models = study.results.models.iter().filter(|m| m.label.stage >= Stage::Tuned);
        models
            .map(|model| model.name.as_str())
            .filter(|name| find(&format!("kept-{name}")).is_some_and(|f| f.verdict == verdict))
            .collect()
    };
    say(
        Theme::Real,
        format!(
            "Against the {against} model, real information is kept within the margins (true \
             answers at most {} nats per token less probable, F1 at most {} lower, perplexity at \
             most {} times as high) by {}; not by {}; undecided for {}.",
            study.run.margins.logprob,
            study.run.margins.f1,
            study.run.margins.perplexity_ratio,
            enumerate(&with(Verdict::Supported)),
            enumerate(&with(Verdict::Contradicted)),
            enumerate(&with(Verdict::Undecided))
        ),
    );
    by_theme
        .into_iter()
        .filter(|(_, sentences)| !sentences.is_empty())
        .map(|(theme, sentences)| Paragraph {
            heading: theme.title(),
            sentences,
        })
        .collect()
}
