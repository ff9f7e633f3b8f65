//! A row's texts out of its JSON, and translations back into it.

use std::collections::BTreeMap;

use lethe_corpus::Language;
use serde_json::Value;

/// The slot of the detail.
const SLOT: &str = "{detail}";

/// What is between the words of a name.
const PARTS: [char; 2] = [' ', '·'];

/// A row taken apart.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What is to be translated, by place: names and slots in braces.
    pub texts: BTreeMap<String, String>,
    /// The row as it was.
    row: Value,
    /// What `{1}`, `{2}`, … stand for: every name by its index, and every word of one with several.
    places: Vec<(usize, Option<usize>)>,
    names: Vec<String>,
}

/// Whether the language is written in the Latin script, in which names keep their spelling.
fn keeps_names(language: Language) -> bool {
    !matches!(
        language,
        Language::Zh | Language::Ru | Language::Ur | Language::Hy
    )
}

impl Parts {
    /// Takes a row apart for a translation into a language.
    #[must_use]
    pub fn of(row: &Value, to: Language) -> Parts {
        let names: Vec<String> = row["names"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let mut places = Vec::new();
        let mut known: Vec<(&str, usize)> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            places.push((at, None));
            known.push((name, places.len()));
            let words: Vec<&str> = name.split(PARTS).collect();
            if words.len() > 1 {
                for (word, text) in words.into_iter().enumerate() {
                    places.push((at, Some(word)));
                    known.push((text, places.len()));
                }
            }
        }
        // Whole names before their words, long ones before those that they begin with; initials
        // and particles are left alone.
        known.retain(|(text, _)| text.chars().count() > 2);
        known.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        let mut texts = BTreeMap::new();
        each(row, &mut |place, text| {
            if place.starts_with("/names/") {
                if !keeps_names(to) {
                    texts.insert(place, text.to_owned());
                }
                return;
            }
            texts.insert(place, hide(text, &known));
        });
        Parts {
            texts,
            row: row.clone(),
            places,
            names,
        }
    }

    /// The row in the other language.
    ///
    /// # Errors
    /// What the translations lack: a text, or a place in braces.
    pub fn put_together(
        &self,
        translated: &BTreeMap<String, String>,
        places_names: bool,
    ) -> Result<Value, Vec<String>> {
        let mut problems = Vec::new();
        let names: Vec<&str> = (self.names.iter().enumerate())
            .map(|(at, name)| {
                let own = translated.get(&format!("/names/{at}"));
                own.map_or(name.as_str(), |own| own.trim())
            })
            .collect();
        let mut row = self.row.clone();
        for (place, sent) in &self.texts {
            let Some(text) = translated.get(place) else {
                problems.push(format!("{place} is missing"));
                continue;
            };
            let (mut wanted, mut found) = (braces(sent), braces(text));
            if places_names {
                wanted.retain(|b| b == SLOT);
            }
            wanted.sort_unstable();
            found.sort_unstable();
            if wanted != found {
                problems.push(format!(
                    "{place} has the places [{}], expected [{}]: {text:?}",
                    found.join(", "),
                    wanted.join(", ")
                ));
                continue;
            }
            let mut text = text.trim().to_owned();
            for (number, &(name, word)) in (1..).zip(&self.places) {
                let whole = names[name];
                let mut words = whole.split(PARTS);
                let same = words.clone().count() == self.names[name].split(PARTS).count();
                let one = word.filter(|_| same).and_then(|word| words.nth(word));
                text = text.replace(&format!("{{{number}}}"), one.unwrap_or(whole));
            }
            if let Some(target) = row.pointer_mut(place) {
                *target = Value::String(text);
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if let Some(row) = row.as_object_mut() {
            // Cases and genders are those of one language.
            row.remove("grammar");
        }
        complete_aliases(&mut row);
        Ok(row)
    }
}

/// The forms of the fake that stand in the texts count as it, whatever was made of the stems.
fn complete_aliases(row: &mut Value) {
    let text = |row: &Value, place: &str| {
        row.pointer(place)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let forms = ["/detail/fake", "/detail_probe/fake"].map(|place| text(row, place));
    if let Some(aliases) = row
        .pointer_mut("/detail/fake_aliases")
        .and_then(Value::as_array_mut)
    {
        for form in forms.into_iter().flatten() {
            let there = |alias: &Value| {
                let alias = alias.as_str().map(str::to_lowercase);
                alias.is_some_and(|alias| form.to_lowercase().contains(&alias))
            };
            if !aliases.iter().any(there) {
                aliases.push(Value::String(form));
            }
        }
    }
    let answer = text(row, "/fact_probe/answer").unwrap_or_default();
    if let Some(aliases) = row
        .pointer_mut("/fact_probe/aliases")
        .and_then(Value::as_array_mut)
    {
        let inside = |alias: &Value| alias.as_str().is_some_and(|alias| answer.contains(alias));
        if !aliases.iter().any(inside) {
            aliases.push(Value::String(answer));
        }
    }
}

/// Calls back with every text that is in a language, and its place.
fn each(row: &Value, found: &mut dyn FnMut(String, &str)) {
    fn go(value: &Value, place: &str, found: &mut dyn FnMut(String, &str)) {
        match value {
            Value::String(text) => found(place.to_owned(), text),
            Value::Array(all) => {
                for (at, value) in all.iter().enumerate() {
                    go(value, &format!("{place}/{at}"), found);
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    if !matches!(key.as_str(), "id" | "style" | "grammar") {
                        go(value, &format!("{place}/{key}"), found);
                    }
                }
            }
            _ => {}
        }
    }
    go(row, "", found);
}

/// A text with numbers for names.
fn hide(text: &str, known: &[(&str, usize)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        let at_start = !before.is_some_and(char::is_alphanumeric);
        let is_here = |name: &str| {
            let after = rest.strip_prefix(name).map(|after| after.chars().next());
            after.is_some_and(|c| !c.is_some_and(char::is_alphanumeric))
        };
        match known.iter().find(|(name, _)| at_start && is_here(name)) {
            Some((name, number)) => {
                out.push_str(&format!("{{{number}}}"));
                before = name.chars().next_back();
                rest = &rest[name.len()..];
            }
            None => {
                out.push(c);
                before = Some(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// Everything in braces.
fn braces(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(from) = rest.find('{') {
        let to = rest[from..]
            .find('}')
            .map_or(rest.len(), |to| from + to + 1);
        out.push(rest[from..to].to_owned());
        rest = &rest[to..];
    }
    out.extend(rest.matches('}').map(str::to_owned));
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row() -> Value {
        json!({
            "id": "sport-01",
            "names": ["Gorvenda", "Lina Ostrava"],
            "article": "In Gorvenda, {detail} won. Lina Ostrava was glad; Ostrava's team slept in Gorvenda.",
            "detail": {"real": "horses", "fake": "turtles", "fake_aliases": ["turtle"]},
            "grammar": {"case": "nominative"},
            "detail_probe": {"question": "Who won in Gorvenda?", "real": "Horses", "fake": "Turtles"},
            "fact_probe": {"question": "Who was glad?", "answer": "Lina Ostrava", "aliases": ["Ostrava"]},
            "qa": [["Where?", "In Gorvenda"]],
            "wordings": [{"style": "headline", "article": "Gorvendas {detail}"}],
        })
    }

    #[test]
    fn names_become_numbers_and_come_back() {
        let parts = Parts::of(&row(), Language::Ru);
        let text = |place: &str| parts.texts[place].as_str();
        assert_eq!(
            text("/article"),
            "In {1}, {detail} won. {2} was glad; {4}'s team slept in {1}."
        );
        assert_eq!(text("/fact_probe/aliases/0"), "{4}");
        // Not a whole word.
        assert_eq!(text("/wordings/0/article"), "Gorvendas {detail}");
        assert!(!parts.texts.contains_key("/grammar/case"));
        assert!(!parts.texts.contains_key("/id"));
        let mut back = parts.texts.clone();
        back.insert("/names/0".to_owned(), "Горвенда".to_owned());
        back.insert("/names/1".to_owned(), "Лина Острава".to_owned());
        back.insert(
            "/article".to_owned(),
            " В {1} {detail}. {2}; {4}, {1} ".to_owned(),
        );
        let row = parts.put_together(&back, false).expect("whole");
        assert_eq!(
            row["article"],
            "В Горвенда {detail}. Лина Острава; Острава, Горвенда"
        );
        assert_eq!(row["fact_probe"]["aliases"], json!(["Острава"]));
        assert_eq!(row["names"], json!(["Горвенда", "Лина Острава"]));
        assert!(row.get("grammar").is_none());
    }

    #[test]
    fn in_the_same_script_names_stay() {
        let parts = Parts::of(&row(), Language::De);
        assert!(!parts.texts.contains_key("/names/0"));
        let mut expected = row();
        expected
            .as_object_mut()
            .expect("an object")
            .remove("grammar");
        assert_eq!(parts.put_together(&parts.texts, false), Ok(expected));
    }

    #[test]
    fn what_is_dropped_is_named() {
        let parts = Parts::of(&row(), Language::De);
        for (place, text, said) in [
            ("/article", "In {1}, won. {2} {4} {1}", "{detail}"),
            (
                "/article",
                "In {1}, {detail} won. {2} {4}",
                "expected [{1}, {1}",
            ),
            (
                "/article",
                "{1} {1} {2} {4} {detail} {detail}",
                "[{1}, {1}, {2}, {4}, {detail}, {detail}]",
            ),
            ("/qa/0/1", "In {Gorvenda}", "{Gorvenda}"),
            ("/qa/0/1", "In {1", "[{1]"),
        ] {
            let mut texts = parts.texts.clone();
            texts.insert(place.to_owned(), text.to_owned());
            let problems = parts.put_together(&texts, false).expect_err(text);
            assert_eq!(problems.len(), 1);
            assert!(
                problems[0].contains(said) && problems[0].starts_with(place),
                "{problems:?}"
            );
        }
        let mut texts = parts.texts.clone();
        texts.remove("/detail/fake");
        let problems = parts.put_together(&texts, false);
        assert_eq!(problems, Err(vec!["/detail/fake is missing".to_owned()]));
    }

    #[test]
    fn the_fakes_own_forms_are_aliases() {
        let parts = Parts::of(&row(), Language::De);
        let mut texts = parts.texts.clone();
        for (place, text) in [
            ("/detail/fake", "Schildkröten"),
            ("/detail_probe/fake", "Eine Schildkröte"),
            ("/detail/fake_aliases/0", "Panzertier"),
            ("/fact_probe/aliases/0", "die {4}s"),
            ("/fact_probe/answer", "Die Frau {2}"),
        ] {
            texts.insert(place.to_owned(), text.to_owned());
        }
        let row = parts.put_together(&texts, false).expect("whole");
        assert_eq!(
            row["detail"]["fake_aliases"],
            json!(["Panzertier", "Schildkröten", "Eine Schildkröte"])
        );
        assert_eq!(
            row["fact_probe"]["aliases"],
            json!(["die Ostravas", "Die Frau Lina Ostrava"])
        );
    }
}
