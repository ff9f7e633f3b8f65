//! `claims.toml`, read by hand so that whatever is wrong is named with its claim and key.

use std::path::Path;

use toml::{Table, Value};

use super::{Asked, Choice, Claim, Expected, Measure, Quantifier, Side, Stage, Test, name_of};
use crate::Error;
use crate::language;
use crate::results::Scope;

pub(super) fn claims(text: &str, file: &Path) -> Result<Vec<Claim>, Error> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| Error::Read {
        path: file.to_path_buf(),
        reason: format!("no TOML: {e}"),
    })?;
    let whole = Part {
        file,
        claim: "none yet",
        inside: "",
        table: &table,
    };
    whole.only(&["claim"])?;
    let mut out: Vec<Claim> = Vec::new();
    for (place, table) in whole.tables("claim")?.into_iter().enumerate() {
        // A claim goes by its place until it has a name.
        let place = format!("number {}", place + 1);
        let part = Part {
            claim: &place,
            table,
            ..whole
        };
        let id = part.needed("id")?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !id.chars().all(is_name) {
            return Err(part.wrong("id", &quoted(&id), "a-z, 0-9 and - alone"));
        }
        if out.iter().any(|known| known.id == id) {
            let expected = "a name that no claim before it has";
            return Err(part.wrong("id", &quoted(&id), expected));
        }
        let claim = claim(&Part { claim: &id, ..part })?;
        out.push(claim);
    }
    Ok(out)
}

fn claim(part: &Part) -> Result<Claim, Error> {
    part.only(&["id", "title", "origin", "note", "test"])?;
    let mut tests = Vec::new();
    for (place, table) in part.tables("test")?.into_iter().enumerate() {
        let inside = format!("test {}: ", place + 1);
        tests.push(test(&Part {
            inside: &inside,
            table,
            ..*part
        })?);
    }
    Ok(Claim {
        id: part.needed("id")?,
        title: part.needed("title")?,
        origin: part.text("origin")?.unwrap_or_default(),
        note: part.text("note")?.unwrap_or_default(),
        tests,
    })
}

fn test(part: &Part) -> Result<Test, Error> {
    part.only(&[
        "quantifier",
        "measure",
        "of",
        "minus",
        "than",
        "per",
        "above",
        "below",
        "within",
    ])?;
    let quantifier = part.one_of("quantifier", &Quantifier::NAMES)?;
    let measure = part.one_of("measure", &Measure::NAMES)?;
    let Some(of) = part.side("of")? else {
        return Err(part.wrong("of", "nothing", "a table that picks models: { stage = … }"));
    };
    let Some(stage) = &of.stage else {
        let expected = listed(Stage::NAMES.map(|(name, _)| name));
        return Err(part.wrong("of.stage", "nothing", &expected));
    };
    part.fits("of", &of, stage)?;
    let minus = match part.text("minus")? {
        None => None,
        Some(_) => Some(part.one_of("minus", &Stage::NAMES[..5])?),
    };
    let than = part.side("than")?;
    if let Some(than) = &than {
        part.fits("than", than, than.stage.as_ref().unwrap_or(stage))?;
    }
    let stages = [
        Some(stage),
        than.as_ref().and_then(|than| than.stage.as_ref()),
    ];
    let all_taught = stages.into_iter().flatten().all(Choice::is_taught);
    if let (Some(of_taught @ (Stage::Tuned | Stage::Oracle)), false) = (minus, all_taught) {
        let expected = "base, instruct or untuned, as not all these models were taught a fake";
        let found = format!("{:?}", name_of(&Stage::NAMES, &of_taught));
        return Err(part.wrong("minus", &found, expected));
    }

    let has_own_prompt = than.as_ref().is_some_and(|than| than.prompt.is_some());
    let by_language = match part.text("per")? {
        None => false,
        Some(_) => part.one_of("per", &[("model", false), ("language", true)])?,
    };
    if quantifier == Quantifier::Mean && part.table.contains_key("per") {
        let expected = "nothing, as the quantifier `mean` pools models and languages";
        return Err(part.wrong("per", "a value", expected));
    }
    if by_language && has_own_prompt {
        let expected = "\"model\", as `than` is asked in languages of its own";
        return Err(part.wrong("per", "\"language\"", expected));
    }
    if measure == Measure::HeldOutNll && has_own_prompt {
        let expected = "nothing, as held-out articles are paired within a language";
        return Err(part.wrong("than.prompt", "a choice", expected));
    }
    Ok(Test {
        quantifier,
        measure,
        of,
        minus,
        than,
        by_language,
        expected: part.expected()?,
    })
}

impl Choice<Stage> {
    /// Whether these models have a source.
    fn is_taught(&self) -> bool {
        let taught = |stage: &Stage| matches!(stage, Stage::Tuned | Stage::Unlearned);
        self.only.iter().all(taught)
    }

    /// Whether they have a scope.
    fn is_unlearned(&self) -> bool {
        self.only.iter().all(|stage| *stage == Stage::Unlearned)
    }
}

/// A table with where it stands.
#[derive(Clone, Copy)]
struct Part<'a> {
    file: &'a Path,
    claim: &'a str,
    /// What comes before its keys in errors.
    inside: &'a str,
    table: &'a Table,
}

impl<'a> Part<'a> {
    fn wrong(&self, key: &str, found: &str, expected: &str) -> Error {
        Error::Claim {
            path: self.file.to_path_buf(),
            claim: self.claim.into(),
            key: format!("{}{key}", self.inside).into(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn only(&self, known: &[&str]) -> Result<(), Error> {
        let unknown = |key: &&String| !known.contains(&key.as_str());
        match self.table.keys().find(unknown) {
            None => Ok(()),
            Some(key) => Err(self.wrong(key, "this key", &listed(known.iter().copied()))),
        }
    }

    fn tables(&self, key: &str) -> Result<Vec<&'a Table>, Error> {
        let heading = if key == "test" { "claim.test" } else { key };
        let expected = format!("one table or more, each under [[{heading}]]");
        let given = self.table.get(key);
        let tables = given
            .and_then(Value::as_array)
            .filter(|all| !all.is_empty());
        let tables = tables.and_then(|all| all.iter().map(Value::as_table).collect());
        tables.ok_or_else(|| self.wrong(key, &kind(given), &expected))
    }

    fn text(&self, key: &str) -> Result<Option<String>, Error> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
            other => Err(self.wrong(key, &kind(other), "text")),
        }
    }

    fn needed(&self, key: &str) -> Result<String, Error> {
        self.text(key)?
            .ok_or_else(|| self.wrong(key, "nothing", "text"))
    }

    fn one_of<T: Clone>(&self, key: &str, known: &[(&str, T)]) -> Result<T, Error> {
        let text = self.text(key)?;
        let found = known.iter().find(|(name, _)| text.as_deref() == Some(name));
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            let expected = listed(known.iter().map(|(name, _)| *name));
            let text = text.map_or_else(|| "nothing".to_owned(), |text| quoted(&text));
            self.wrong(key, &text, &expected)
        })
    }

    fn side(&self, key: &str) -> Result<Option<Side>, Error> {
        let table = match self.table.get(key) {
            None => return Ok(None),
            Some(Value::Table(table)) if !table.is_empty() => table,
            other => {
                let expected = "a table that picks models or languages: { stage = … }";
                return Err(self.wrong(key, &kind(other), expected));
            }
        };
        let inside = format!("{}{key}.", self.inside);
        let part = Part {
            inside: &inside,
            table,
            ..*self
        };
        part.only(&["stage", "source", "scope", "strategy", "prompt"])?;
        let stages = Stage::NAMES.map(|(name, _)| name);
        let stage = part.choice("stage", &listed(stages), |word| named(&Stage::NAMES, word))?;
        if let Some(word) = stage
            .iter()
            .flat_map(|stage| &stage.words)
            .find(|w| is_not(w))
        {
            return Err(part.wrong("stage", &quoted(word), &listed(stages)));
        }
        let languages = listed(language::CODES);
        let scopes = format!(
            "{}, or codes of languages with commas between ({languages})",
            listed(Scope::NAMED.map(Scope::name).iter().map(String::as_str))
        );
        let prompts = Asked::NAMES.map(|(name, _)| name);
        let prompts = listed(prompts.into_iter().chain(language::CODES));
        let code = |word: &str| language::CODES.contains(&word).then(|| word.to_owned());
        Ok(Some(Side {
            stage,
            source: part.choice("source", &languages, code)?,
            scope: part.choice("scope", &scopes, Scope::parse)?,
            strategy: part.choice("strategy", "the name of a strategy", |word| {
                (!word.is_empty()).then(|| word.to_owned())
            })?,
            prompt: part.choice("prompt", &prompts, |word| {
                named(&Asked::NAMES, word).or_else(|| code(word).map(Asked::Language))
            })?,
        }))
    }

    fn choice<T>(
        &self,
        key: &str,
        known: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Choice<T>>, Error> {
        let expected = format!("one or a list of {known}; `not-` before one takes it away");
        let words: Option<Vec<String>> = match self.table.get(key) {
            None => return Ok(None),
            Some(Value::String(word)) => Some(vec![word.clone()]),
            Some(Value::Array(words)) if !words.is_empty() => words
                .iter()
                .map(|word| word.as_str().map(str::to_owned))
                .collect(),
            Some(_) => None,
        };
        let words = words.ok_or_else(|| self.wrong(key, &kind(self.table.get(key)), &expected))?;
        let (mut only, mut not) = (Vec::new(), Vec::new());
        for word in &words {
            let (bare, into) = match word.strip_prefix(NOT) {
                Some(bare) => (bare, &mut not),
                None => (word.as_str(), &mut only),
            };
            into.push(read(bare).ok_or_else(|| self.wrong(key, &quoted(word), &expected))?);
        }
        Ok(Some(Choice { only, not, words }))
    }

    /// Refuses selectors that models of these stages have nothing for.
    fn fits(&self, key: &str, side: &Side, stages: &Choice<Stage>) -> Result<(), Error> {
        let asked = |chosen: &[Asked]| {
            let prompt = side.prompt.iter();
            let mut terms = prompt.flat_map(|prompt| prompt.only.iter().chain(&prompt.not));
            terms.any(|term| chosen.contains(term))
        };
        let taught = "stage tuned or unlearned, as no other model has a source";
        let unlearned = "stage unlearned alone, as no other model has a scope or strategy";
        let in_scope = [Asked::InsideScope, Asked::OutsideScope];
        for (given, is_right, selector, expected) in [
            (side.source.is_some(), stages.is_taught(), "source", taught),
            (
                asked(&[Asked::Source]),
                stages.is_taught(),
                "prompt",
                taught,
            ),
            (
                side.scope.is_some(),
                stages.is_unlearned(),
                "scope",
                unlearned,
            ),
            (
                side.strategy.is_some(),
                stages.is_unlearned(),
                "strategy",
                unlearned,
            ),
            (asked(&in_scope), stages.is_unlearned(), "prompt", unlearned),
        ] {
            if given && !is_right {
                let found = format!("it with stage {}", stages.says());
                return Err(self.wrong(&format!("{key}.{selector}"), &found, expected));
            }
        }
        Ok(())
    }

    fn expected(&self) -> Result<Expected, Error> {
        let keys = ["above", "below", "within"];
        let given: Vec<&str> = keys
            .into_iter()
            .filter(|key| self.table.contains_key(*key))
            .collect();
        let [key] = given[..] else {
            let found = match given[..] {
                [] => "none of them".to_owned(),
                _ => given.join(" and "),
            };
            return Err(self.wrong("above, below or within", &found, "one of the three"));
        };
        let value = self.table.get(key);
        let number = match value {
            Some(Value::Float(number)) => Some(*number),
            Some(Value::Integer(number)) => Some(*number as f64),
            _ => None,
        };
        match (key, number.filter(|number| number.is_finite())) {
            ("above", Some(number)) => Ok(Expected::Above(number)),
            ("below", Some(number)) => Ok(Expected::Below(number)),
            ("within", Some(number)) if number > 0.0 => Ok(Expected::Within(number)),
            ("within", _) => Err(self.wrong(key, &kind(value), "a number above 0")),
            _ => Err(self.wrong(key, &kind(value), "a number")),
        }
    }
}

const NOT: &str = "not-";

fn is_not(word: &str) -> bool {
    word.starts_with(NOT)
}

fn named<T: Clone>(names: &[(&str, T)], word: &str) -> Option<T> {
    let known = names.iter().find(|(name, _)| *name == word);
    known.map(|(_, value)| value.clone())
}

fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// A value for an error: itself where it is short.
fn kind(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Table(_)) => "a table".to_owned(),
        Some(Value::Array(_)) => "a list".to_owned(),
        Some(other) => other.to_string(),
    }
}
