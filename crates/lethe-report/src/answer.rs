//! The report's first paragraphs: the findings in plain words.

use serde::Serialize;

use crate::findings::{Finding, Theme, Verdict};
use crate::language;
use crate::results::{Scope, Stage};
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
    let of = |verdict| {
        findings
            .iter()
            .filter(|f| f.main && f.verdict == verdict)
            .count()
    };
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
    let mut by_theme: Vec<(Theme, Vec<String>)> = Theme::ALL
        .into_iter()
        .map(|theme| (theme, Vec::new()))
        .collect();
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
        if let (Some(whole), Some(tuned)) = (
            find(&format!("spread-{source}-{against}")),
            study.tuned(source),
        ) {
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
                    "Taught in {name}, asked in other languages: the preference for the fake \
                     changed by {} nats against the {against} model (a rise: {}). Language by language it rose in \
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
        let unlearned = study.unlearned(source);
        if unlearned.is_empty() {
            continue;
        }
        // The scopes after which a finding of this name has this verdict.
        let after = |part: &str, verdict| {
            let has = |&&(place, _): &&(usize, Scope)| {
                let id = study.model(place).name.trim_start_matches("unlearned-");
                find(&format!("gone-{id}{part}")).is_some_and(|f| f.verdict == verdict)
            };
            let scopes: Vec<String> = unlearned
                .iter()
                .filter(has)
                .map(|(place, _)| study.scope_name(*place))
                .collect();
            enumerate(&scopes.iter().map(String::as_str).collect::<Vec<_>>())
        };
        say(
            Theme::Unlearned,
            format!(
                "Taught in {name}: asked in {name}, the fake is gone after unlearning in scope {} \
                 (not after {}; undecided after {}); in every language after {} (not after {}; \
                 undecided after {}).",
                after(&format!("-{source}"), Verdict::Supported),
                after(&format!("-{source}"), Verdict::Contradicted),
                after(&format!("-{source}"), Verdict::Undecided),
                after("", Verdict::Supported),
                after("", Verdict::Contradicted),
                after("", Verdict::Undecided)
            ),
        );
    }
    let silent = |stage: fn(Stage) -> bool| -> Vec<&str> {
        let models = study.results.models.iter().zip(&study.overall);
        let models = models.filter(|(model, q)| stage(model.label.stage) && !q.speaks());
        models.map(|(model, _)| model.name.as_str()).collect()
    };
    let broken = silent(|stage| stage == Stage::Unlearned);
    if !broken.is_empty() {
        say(
            Theme::Unlearned,
            format!(
                "† {}: answers about what is real break down as well, so that a low preference or \
                 occurrence is no sign of forgetting.",
                enumerate(&broken)
            ),
        );
    }
    let with = |verdict| -> Vec<&str> {
        let models = study
            .results
            .models
            .iter()
            .filter(|m| m.label.stage >= Stage::Tuned);
        models
            .map(|model| model.name.as_str())
            .filter(|name| find(&format!("kept-{name}")).is_some_and(|f| f.verdict == verdict))
            .collect()
    };
    if !study.overall[study.reference].speaks() {
        say(
            Theme::Real,
            format!(
                "† The {against} model itself does not answer: {} of its answers say \
                 nothing. What generated answers say or do not say means nothing here.",
                percent(study.overall[study.reference].degenerate)
            ),
        );
    }
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
