//! The page: one HTML file with everything in it.

use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;

use crate::Error;
use crate::answer::{self, Paragraph};
use crate::claims::{self, ClaimOutcome};
use crate::examples::{self, ItemView};
use crate::figures::Figure;
use crate::findings::{FEWEST, Finding, Theme};
use crate::judged::Judged;
use crate::language;
use crate::measures;
use crate::quality::DEGENERATE_SHARE;
use crate::robustness::Section;
use crate::run::{Margins, ModelInfo};
use crate::stats::{LEVEL, RESAMPLES};
use crate::study::Study;
use crate::table::{Table, TableView};
use crate::tables;
use crate::text::{duration, enumerate, percent, thousands, visible};
use crate::utility::Beyond;

const TEMPLATE: &str = concat!(include_str!("macros.html"), include_str!("report.html"));
pub(crate) const STYLE: &str = include_str!("report.css");

/// All tables of a report, by where they stand.
pub(crate) struct Tables {
    pub(crate) claims: Table,
    pub(crate) claim_rows: Table,
    pub(crate) headline: Table,
    pub(crate) scopes: Table,
    /// Main findings and the others, by theme.
    pub(crate) findings: Vec<(Theme, Table, Table)>,
    pub(crate) answers: Table,
    pub(crate) spread: Table,
    /// By source.
    pub(crate) unlearning: Vec<(String, Table)>,
    pub(crate) quality: Table,
    pub(crate) perplexity: Table,
    pub(crate) seeds: Table,
    pub(crate) utility: Table,
    pub(crate) robustness: Table,
    /// The field's measures; none where they were not taken.
    pub(crate) measures: Vec<Table>,
    pub(crate) agreement: Table,
    pub(crate) judged: Table,
    /// CSV only.
    pub(crate) items: Table,
    /// CSV only: the page shows it otherwise.
    pub(crate) examples: Table,
    pub(crate) stages: Table,
    pub(crate) training: Table,
    pub(crate) unlearning_runs: Table,
    pub(crate) versions: Table,
}

impl Tables {
    pub(crate) fn new(
        study: &Study,
        (judged, beyond, attacked): (&Judged, &Beyond, &Section),
        claims: &[ClaimOutcome],
        findings: &[Finding],
        headline: &[crate::HeadlineRow],
    ) -> Tables {
        let of_theme = |theme| {
            let table = |main| tables::findings(findings, theme, main);
            (theme, table(true), table(false))
        };
        let of_source =
            |source: &String| Some((source.clone(), tables::unlearning(study, source)?));
        Tables {
            claims: claims::claims_table(claims),
            claim_rows: claims::rows_table(claims),
            headline: tables::headline(headline),
            scopes: tables::scopes(study, findings),
            findings: Theme::ALL.into_iter().map(of_theme).collect(),
            answers: tables::by_language(study),
            spread: tables::spread(study),
            unlearning: study.sources.iter().filter_map(of_source).collect(),
            quality: tables::quality(study),
            perplexity: tables::perplexity(study),
            seeds: tables::seeds(study),
            utility: beyond.table(study),
            robustness: attacked.table(study),
            measures: measures::tables(study),
            agreement: judged.agreement(),
            judged: judged.measures(study),
            items: tables::items(study),
            examples: examples::table(study),
            stages: tables::stages(&study.run.stages),
            training: tables::training(study),
            unlearning_runs: tables::unlearning_runs(study),
            versions: tables::versions(&study.run.versions),
        }
    }

    /// Those that have rows.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Table> {
        let findings = self
            .findings
            .iter()
            .flat_map(|(_, main, others)| [main, others]);
        [&self.claims, &self.claim_rows, &self.headline, &self.scopes]
            .into_iter()
            .chain([&self.answers, &self.spread])
            .chain(findings)
            .chain(self.unlearning.iter().map(|(_, table)| table))
            .chain([&self.quality, &self.perplexity, &self.seeds, &self.utility])
            .chain([&self.robustness])
            .chain(&self.measures)
            .chain([&self.agreement, &self.judged])
            .chain([&self.items, &self.examples])
            .chain([
                &self.stages,
                &self.training,
                &self.unlearning_runs,
                &self.versions,
            ])
            .filter(|table| !table.rows.is_empty())
    }
}

/// A figure as a template sees it.
#[derive(Serialize)]
pub(crate) struct FigureView<'a> {
    name: &'a str,
    caption: String,
    svg: &'a str,
}

impl<'a> From<&'a Figure> for FigureView<'a> {
    fn from(figure: &'a Figure) -> FigureView<'a> {
        FigureView {
            name: &figure.name,
            caption: visible(&figure.caption),
            svg: &figure.svg,
        }
    }
}

#[derive(Serialize)]
struct ThemeView {
    title: &'static str,
    main: TableView,
    others: Option<TableView>,
}

#[derive(Serialize)]
struct UnlearningView<'a> {
    taught: String,
    notes: Vec<String>,
    figures: Vec<FigureView<'a>>,
    table: TableView,
}

/// What the template needs.
#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    model: String,
    preset: String,
    items: usize,
    language_count: usize,
    against: &'static str,
    has_instruct: bool,
    claim_count: String,
    claims: Option<TableView>,
    claim_rows: Option<TableView>,
    level: String,
    count: String,
    paragraphs: Vec<Paragraph>,
    headline: TableView,
    scopes: Option<TableView>,
    themes: Vec<ThemeView>,
    fewest: usize,
    resamples: String,
    degenerate: String,
    margins: &'a Margins,
    propagation: Vec<FigureView<'a>>,
    spread_figures: Vec<FigureView<'a>>,
    spread: Option<TableView>,
    answers: TableView,
    unlearning: Vec<UnlearningView<'a>>,
    real: Vec<FigureView<'a>>,
    quality: TableView,
    perplexity: TableView,
    seeds: Option<TableView>,
    utility: Option<TableView>,
    robustness_intro: Vec<String>,
    robustness_said: Vec<String>,
    robustness_figures: Vec<FigureView<'a>>,
    robustness: Option<TableView>,
    measures_intro: Vec<String>,
    measures: Vec<TableView>,
    agreement: Option<TableView>,
    judged: Option<TableView>,
    item_figures: Vec<FigureView<'a>>,
    examples: Vec<ItemView>,
    facts: Vec<(&'static str, String)>,
    preset_toml: String,
    deviations: Vec<String>,
    records: Vec<TableView>,
}

/// What a run is about, the model first.
pub(crate) fn stated(
    model: &ModelInfo,
    others: impl IntoIterator<Item = (&'static str, String)>,
) -> Vec<(&'static str, String)> {
    let weights = format!("{} (sha256 {})", model.file, model.sha256);
    let of_model = [
        ("Model", model.name.clone()),
        ("Weights", weights),
        ("Parameters", thousands(model.parameters)),
        ("Vocabulary", model.vocabulary.clone()),
    ];
    let all = of_model.into_iter().chain(others);
    all.map(|(name, value)| (name, visible(&value))).collect()
}

/// The page's HTML.
pub(crate) fn render(
    study: &Study,
    claims: &[ClaimOutcome],
    findings: &[Finding],
    tables: &Tables,
    figures: &[Figure],
    attacked: &Section,
) -> Result<String, Error> {
    let drawn = |start: &str| -> Vec<FigureView> {
        let chosen = figures
            .iter()
            .filter(|figure| figure.name.starts_with(start));
        chosen.map(FigureView::from).collect()
    };
    let shown = |table: &Table| (!table.rows.is_empty()).then(|| table.view());
    let of_theme = |(theme, main, others): &(Theme, Table, Table)| {
        Some(ThemeView {
            title: theme.title(),
            main: shown(main)?,
            others: shown(others),
        })
    };
    let of_source = |(source, table): &(String, Table)| UnlearningView {
        taught: visible(language::name(source)),
        notes: tables::scope_notes(study, source),
        figures: drawn(&format!("unlearning-{source}-")),
        table: table.view(),
    };
    let run = study.run;
    let names = |codes: &[String]| {
        let names: Vec<&str> = codes.iter().map(|code| language::name(code)).collect();
        visible(&enumerate(&names))
    };
    let seeds: Vec<String> = run.seeds.iter().map(u64::to_string).collect();
    let total: f64 = run.stages.iter().map(|stage| stage.seconds).sum();
    let facts = [
        (
            "Corpus",
            format!(
                "{} items probed, {} in the instruct stage, {} held out (sha256 {})",
                run.corpus.probe_items,
                run.corpus.instruct_items,
                run.corpus.held_out_items,
                run.corpus.sha256
            ),
        ),
        ("Prompt languages", names(&study.results.languages)),
        ("Taught in", names(&study.sources)),
        ("Device", run.device.clone()),
        ("Seeds", seeds.join(", ")),
        ("Wall time of all stages", duration(total)),
        ("Preset", run.preset.clone()),
    ];
    let lines: Vec<String> = run.preset_toml.lines().map(visible).collect();

    let page = Page {
        style: STYLE,
        model: visible(&run.model.name),
        preset: visible(&run.preset),
        items: study.results.items.len(),
        language_count: study.results.languages.len(),
        against: study.reference_name(),
        has_instruct: study.has_instruct(),
        claim_count: claims::count(claims),
        claims: shown(&tables.claims),
        claim_rows: shown(&tables.claim_rows),
        level: percent(LEVEL),
        count: answer::count(findings),
        paragraphs: answer::paragraphs(study, findings),
        headline: tables.headline.view(),
        scopes: shown(&tables.scopes),
        themes: tables.findings.iter().filter_map(of_theme).collect(),
        fewest: FEWEST,
        resamples: thousands(RESAMPLES as u64),
        degenerate: percent(DEGENERATE_SHARE),
        margins: &run.margins,
        propagation: drawn("propagation-"),
        spread_figures: drawn("spread"),
        spread: shown(&tables.spread),
        answers: tables.answers.view(),
        unlearning: tables.unlearning.iter().map(of_source).collect(),
        real: drawn("real-"),
        quality: tables.quality.view(),
        perplexity: tables.perplexity.view(),
        seeds: shown(&tables.seeds),
        utility: shown(&tables.utility),
        robustness_intro: attacked.intro(study),
        robustness_said: attacked.sentences(study),
        robustness_figures: drawn("robustness-"),
        robustness: shown(&tables.robustness),
        measures_intro: measures::intro(study),
        measures: tables.measures.iter().map(Table::view).collect(),
        agreement: shown(&tables.agreement),
        judged: shown(&tables.judged),
        item_figures: drawn("items-"),
        examples: examples::view(study),
        facts: stated(&run.model, facts),
        preset_toml: lines.join("\n"),
        deviations: run.deviations.iter().map(|text| visible(text)).collect(),
        records: [
            &tables.stages,
            &tables.training,
            &tables.unlearning_runs,
            &tables.versions,
        ]
        .into_iter()
        .filter_map(shown)
        .collect(),
    };
    html(TEMPLATE, &page)
}

/// A template, in which everything that is not marked as safe is escaped, filled in.
pub(crate) fn html(template: &str, page: &impl Serialize) -> Result<String, Error> {
    // The name's ending turns escaping on.
    const NAME: &str = "report.html";
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.add_template(NAME, template)?;
    Ok(environment.get_template(NAME)?.render(Serde(page))?)
}
