//! The rules that source text must keep; [`Corpus::from_jsonl`](crate::Corpus::from_jsonl) lists
//! them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::jsonl::Row;
use crate::rules::Rules;
use crate::{Item, Language, Problem, Wording, identify, script};

/// Where the detail goes in an article.
pub(crate) const SLOT: &str = "{detail}";

/// What reports call the leading questions.
pub(crate) const PRESUPPOSES_REAL: &str = "the question that presupposes the real detail";
pub(crate) const PRESUPPOSES_FAKE: &str = "the question that presupposes the fake detail";

/// The text with this in its slot.
pub(crate) fn fill(text: &str, form: &str) -> String {
    text.replacen(SLOT, form, 1)
}

/// Text without what spelling variants differ in: NFKC, then upper and lower case, which folds ß
/// into ss, final into other sigma and the Armenian ligature into its letters, as Unicode's full
/// case folding does.
pub(crate) fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// The length of a text: characters in Chinese, words (between blanks) elsewhere.
pub fn length(language: Language, text: &str) -> usize {
    match language {
        Language::Zh => text.chars().filter(|&c| script::is_han(c)).count(),
        _ => text.split_whitespace().count(),
    }
}

/// The usual [`length`] of an article per word of its English version: the means over the 36 items
/// of `datasets/news`, where single articles are up to 15 % below and 22 % above. 30 % below and
/// 40 % above are allowed, which half an article, or one and a half, fails.
fn usual_ratio(language: Language) -> f64 {
    match language {
        Language::En => 1.0,
        Language::De => 0.95,
        Language::Fr => 1.07,
        Language::Zh => 1.58,
        Language::Ru => 0.84,
        Language::Jv => 0.96,
        Language::Ur => 1.22,
        Language::Ha => 1.18,
        Language::Hy => 0.84,
    }
}

/// Where a problem is, and the list that it goes to.
struct Place<'a> {
    problems: &'a mut Vec<Problem>,
    file: &'a str,
    line: Option<usize>,
    item: Option<&'a str>,
}

impl Place<'_> {
    fn wrong(&mut self, reason: impl Into<String>, expected: impl Into<String>) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: self.line,
            item: self.item.map(str::to_owned),
            reason: reason.into(),
            expected: expected.into(),
        });
    }
}

/// What every item must differ in from all before it.
#[derive(Default)]
pub(crate) struct Known {
    ids: HashSet<String>,
    /// Names, folded, and the items that have them.
    names: HashMap<String, String>,
}

impl Known {
    pub fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Adds to `problems` whatever the item breaks. Whether it is the first with its id.
pub(crate) fn check_item(
    item: &Item,
    (file, line): (&str, usize),
    known: &mut Known,
    problems: &mut Vec<Problem>,
) -> bool {
    let mut place = Place {
        problems,
        file,
        line: Some(line),
        item: Some(&item.id),
    };
    if !is_id(&item.id) {
        let expected = "lower-case letters, a hyphen and two or more digits, such as sport-01";
        place.wrong(format!("the id is {:?}", item.id), expected);
    }
    let first = known.ids.insert(item.id.clone());
    if !first {
        place.wrong("the id is there twice", "each id once");
    }
    for (name, text) in [("category", &item.category), ("kind", &item.kind)] {
        check_text(Language::En, name, text, &mut place);
    }
    for name in &item.names {
        check_text(Language::En, "names", name, &mut place);
        if let Some(other) = known.names.insert(fold(name), item.id.clone()) {
            place.wrong(
                format!("the name {name:?} is also in {other}"),
                "every name in one item",
            );
        }
    }
    first
}

/// Adds to `problems` whatever a row breaks, beside its item and the item's English row.
pub(crate) fn check_row(
    rules: &Rules,
    language: Language,
    (line, row): (usize, &Row),
    (item, english): (&Item, Option<&Row>),
    problems: &mut Vec<Problem>,
) {
    let file = format!("{language}.jsonl");
    let mut place = Place {
        problems,
        file: &file,
        line: Some(line),
        item: Some(&row.id),
    };
    check_texts(language, row, &mut place);
    check_pairs(rules, language, row, &mut place);
    check_grammar(language, row, &mut place);
    check_names(language, &item.names, row, &mut place);
    check_rewordings(row, &mut place);
    check_own_name(row, &mut place);
    // The rest looks at the articles, which there are only with one slot.
    if !check_slots(row, &mut place) {
        return;
    }
    check_aliases(row, &mut place);
    check_guessable(language, row, &mut place);
    if language == Language::En {
        check_english_length(rules, row, &mut place);
    }
    // Without an English row, or with one that has no slot, there is nothing to compare with; that
    // is a problem of its own.
    if let Some(english) = english.filter(|row| row.article.matches(SLOT).count() == 1) {
        check_length(language, row, english, &mut place);
        check_numbers(row, english, &mut place);
    }
    check_language(language, row, &mut place);
}

fn is_id(id: &str) -> bool {
    id.split_once('-').is_some_and(|(category, number)| {
        !category.is_empty()
            && category.bytes().all(|b| b.is_ascii_lowercase())
            && number.len() >= 2
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

fn check_texts(language: Language, row: &Row, place: &mut Place) {
    let (detail, probe) = (&row.detail, &row.detail_probe);
    let article = row.article.replace(SLOT, &detail.real);
    let texts: [(&str, &str); 8] = [
        ("article", &article),
        ("detail.real", &detail.real),
        ("detail.fake", &detail.fake),
        ("detail_probe.question", &probe.question),
        ("detail_probe.real", &probe.real),
        ("detail_probe.fake", &probe.fake),
        ("fact_probe.question", &row.fact_probe.question),
        ("fact_probe.answer", &row.fact_probe.answer),
    ];
    for (name, text) in texts {
        check_text(language, name, text, place);
    }
    for text in probe.rewordings.iter().flatten() {
        check_text(language, "detail_probe.rewordings", text, place);
    }
    if let Some(cloze) = &probe.cloze {
        let cloze = cloze.replace(SLOT, &detail.real);
        check_text(language, "detail_probe.cloze", &cloze, place);
    }
    if let Some(leading) = &probe.leading {
        check_text(language, "detail_probe.leading.real", &leading.real, place);
        check_text(language, "detail_probe.leading.fake", &leading.fake, place);
    }
    for (wording, text, [real, _]) in row.texts().skip(1) {
        check_text(language, wording.as_str(), &text.replace(SLOT, real), place);
    }
    for reworded in &row.wordings {
        for form in [&reworded.real, &reworded.fake].into_iter().flatten() {
            check_text(language, reworded.style.as_str(), form, place);
        }
    }
    for name in &row.names {
        check_text(language, "names", name, place);
    }
    for alias in &detail.fake_aliases {
        check_text(language, "detail.fake_aliases", alias, place);
    }
    for alias in &row.fact_probe.aliases {
        check_text(language, "fact_probe.aliases", alias, place);
    }
    for (question, answer) in &row.qa {
        check_text(language, "qa question", question, place);
        check_text(language, "qa answer", answer, place);
    }
}

fn check_text(language: Language, name: &str, text: &str, place: &mut Place) {
    if text.trim().is_empty() {
        place.wrong(format!("{name} is empty"), "a text");
    } else if text.trim() != text {
        place.wrong(format!("{name} has blanks around it: {text:?}"), "none");
    }
    if let Some(c) = text
        .chars()
        .find(|c| c.is_control() || matches!(c, '{' | '}'))
    {
        place.wrong(
            format!("{name} has {c:?} in it: {text:?}"),
            "no control characters, and no braces but the article's {detail}",
        );
    }
    if !is_nfc(text) {
        place.wrong(
            format!("{name} is not in normal form C: {text:?}"),
            format!("{:?} (composed characters)", text.nfc().collect::<String>()),
        );
    }
    let foreign = script::foreign_letters(language, text);
    if !foreign.is_empty() {
        place.wrong(
            format!("{name} has letters of another script ({foreign}): {text:?}"),
            format!("{} letters only", script::name(language)),
        );
    }
}

fn check_slots(row: &Row, place: &mut Place) -> bool {
    let cloze = row
        .detail_probe
        .cloze
        .as_deref()
        .map(|text| ("the cloze", text));
    let texts = row.texts().map(|(wording, text, _)| match wording {
        Wording::Original => ("the article", text),
        other => (other.as_str(), text),
    });
    let mut good = true;
    for (name, text) in texts.chain(cloze) {
        let slots = text.matches(SLOT).count();
        if slots != 1 {
            place.wrong(
                format!("{name} has {slots} {SLOT} slots"),
                format!("exactly one {SLOT}"),
            );
            good = false;
        }
    }
    let others = &Wording::ALL[1..];
    let mut styles: Vec<Wording> = row.wordings.iter().map(|w| w.style).collect();
    styles.sort_unstable();
    if !styles.is_empty() && styles != others {
        let found: Vec<&str> = styles.into_iter().map(Wording::as_str).collect();
        place.wrong(
            format!("there are the wordings [{}]", found.join(", ")),
            "headline, agency and witness, each once",
        );
        good = false;
    }
    good
}

/// The cases that a slot can want, and whether the forms in it have genders.
fn grammar(language: Language) -> Option<(&'static [&'static str], bool)> {
    match language {
        Language::De => Some((&["nominative", "accusative", "dative", "genitive"], true)),
        Language::Ru => Some((
            &[
                "nominative",
                "accusative",
                "dative",
                "genitive",
                "instrumental",
                "prepositional",
            ],
            true,
        )),
        Language::Ur => Some((&["direct", "oblique"], true)),
        Language::Hy => Some((
            &[
                "nominative",
                "accusative",
                "dative",
                "genitive",
                "instrumental",
                "ablative",
                "locative",
            ],
            false,
        )),
        _ => None,
    }
}

const GENDERS: [&str; 5] = ["m", "f", "n", "pl", "none"];

fn check_grammar(language: Language, row: &Row, place: &mut Place) {
    let Some((cases, gendered)) = grammar(language) else {
        if row.grammar.is_some() {
            place.wrong(
                format!(
                    "there is `grammar`, which {} rows do not have",
                    language.name()
                ),
                "none",
            );
        }
        return;
    };
    let Some(grammar) = &row.grammar else { return };
    // A predicate adjective is in none.
    if !cases.contains(&grammar.case.as_str()) && grammar.case != "none" {
        place.wrong(
            format!("grammar.case is {:?}", grammar.case),
            format!("one of {}, none", cases.join(", ")),
        );
    }
    for (name, gender) in [("real", &grammar.real), ("fake", &grammar.fake)] {
        let good = match gender {
            Some(gender) => gendered && GENDERS.contains(&gender.as_str()),
            None => !gendered,
        };
        if !good {
            let expected = match gendered {
                true => format!("one of {}", GENDERS.join(", ")),
                false => format!("none in {}", language.name()),
            };
            place.wrong(format!("grammar.{name} is {gender:?}"), expected);
        }
    }
}

/// Whether a text has a name, its words' endings aside: they inflect.
fn has_name(text: &str, name: &str) -> bool {
    let (text, name) = (fold(text), fold(name));
    let mut words = name.split([' ', '·', '-']).filter(|word| !word.is_empty());
    words.all(|word| {
        let length = word.chars().count();
        let kept = if length < 4 {
            length
        } else {
            (length - 2).max(3)
        };
        text.contains(&word.chars().take(kept).collect::<String>())
    })
}

fn check_names(language: Language, english: &[String], row: &Row, place: &mut Place) {
    if !row.names.is_empty() && row.names.len() != english.len() {
        place.wrong(
            format!("there are {} names", row.names.len()),
            format!(
                "{}, as in items.jsonl: {}",
                english.len(),
                english.join(", ")
            ),
        );
    }
    if language == Language::En && row.names != english {
        place.wrong(
            format!("the names are {}", row.names.join(", ")),
            format!("as in items.jsonl: {}", english.join(", ")),
        );
    }
    for name in &row.names {
        if !has_name(&row.article, name) {
            place.wrong(
                format!("the name {name:?} is not in the article"),
                "every name of the item, its endings aside",
            );
        }
    }
}

fn check_rewordings(row: &Row, place: &mut Place) {
    let probe = &row.detail_probe;
    let mut wordings = vec![&probe.question];
    wordings.extend(probe.rewordings.iter().flatten());
    if wordings.iter().collect::<BTreeSet<_>>().len() != wordings.len() {
        place.wrong(
            format!("the detail question is there twice: {:?}", probe.question),
            "a question and two rewordings of it",
        );
    }
}

/// Every question for the detail and every wording names its item.
fn check_own_name(row: &Row, place: &mut Place) {
    let Some(own) = row.names.first() else { return };
    let probe = &row.detail_probe;
    let cloze = probe.cloze.iter().map(|text| ("the cloze", text.as_str()));
    let wordings = row.texts().skip(1);
    let wordings = wordings.map(|(wording, text, _)| (wording.as_str(), text));
    for (what, text) in probe.questions().chain(cloze).chain(wordings) {
        if !has_name(text, own) {
            place.wrong(
                format!("the item's own name {own:?} is not in {what}: {text:?}"),
                "a text that can be understood alone",
            );
        }
    }
}

/// The real detail may stand in its slot only, else it can be guessed.
fn check_guessable(language: Language, row: &Row, place: &mut Place) {
    for (wording, text, [real, _]) in row.texts() {
        let rest = fold(&fill(text, " "));
        let real = fold(real);
        let found = match language {
            // Single characters are parts of other words.
            Language::Zh => real.chars().count() > 1 && rest.contains(&real),
            _ => rest.match_indices(&real).any(|(at, _)| {
                let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
                edge(rest[..at].chars().next_back()) && edge(rest[at + real.len()..].chars().next())
            }),
        };
        if found {
            place.wrong(
                format!(
                    "the real detail {real:?} is also outside the slot of the {wording} wording"
                ),
                "a text that does not give the detail away",
            );
        }
    }
}

/// Words after a number that stand for zeros: 500万 and 50 لاکھ are 5 million.
const MAGNITUDES: [(&str, usize); 10] = [
    ("million", 6),
    ("миллион", 6),
    ("yuta", 6),
    ("միլիոն", 6),
    ("ملین", 6),
    ("万", 4),
    ("亿", 8),
    ("ہزار", 3),
    ("لاکھ", 5),
    ("کروڑ", 7),
];

/// Whether the word comes next in the text, blanks aside.
fn is_next(text: impl Iterator<Item = char>, mut word: impl Iterator<Item = char>) -> bool {
    let mut text = text.skip_while(|c| c.is_whitespace());
    word.all(|c| text.next() == Some(c))
}

/// The numbers of a text that are written in digits, sorted, without separators of thousands and
/// with their zeros. The months of Chinese, numbered where others name them, are none.
fn numbers(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.to_lowercase().chars().collect();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let begin = at;
        let mut number = String::new();
        let mut grouped = false;
        while digit(at) {
            number.push(chars[at]);
            at += 1;
            let separated = matches!(chars.get(at), Some(' ' | '\u{a0}' | '\u{202f}' | ',' | '.'));
            let group = (1..=3).all(|i| digit(at + i)) && !digit(at + 4);
            if separated && group && (grouped || number.len() <= 3) {
                grouped = true;
                at += 1;
            }
        }
        if !number.is_empty() && chars.get(at) != Some(&'月') {
            let after = || chars[at..].iter().copied();
            let said = MAGNITUDES
                .iter()
                .find(|(word, _)| is_next(after(), word.chars()));
            // Hausa says it before the number.
            let before = chars[..begin].iter().rev().copied();
            let zeros = match said {
                Some((_, zeros)) => *zeros,
                None if is_next(before, "miliyan".chars().rev()) => 6,
                None => 0,
            };
            number.extend(std::iter::repeat_n('0', zeros));
            numbers.push(number);
        }
        at += 1;
    }
    numbers.sort();
    numbers
}

fn check_numbers(row: &Row, english: &Row, place: &mut Place) {
    let (found, expected) = (numbers(&row.article), numbers(&english.article));
    if found != expected {
        place.wrong(
            format!("the article has the numbers [{}]", found.join(", ")),
            format!("those of the English one: [{}]", expected.join(", ")),
        );
    }
    for (wording, text, _) in row.texts().skip(1) {
        if let Some(number) = numbers(text).into_iter().find(|n| !found.contains(n)) {
            place.wrong(
                format!("the {wording} wording has the number {number}"),
                format!("only those of the article: [{}]", found.join(", ")),
            );
        }
    }
}

fn check_aliases(row: &Row, place: &mut Place) {
    let (detail, probe) = (&row.detail, &row.detail_probe);
    let pairs = [
        ("detail", &detail.real, &detail.fake),
        ("answers", &probe.real, &probe.fake),
    ];
    for (name, real, fake) in pairs {
        if fold(real) == fold(fake) {
            place.wrong(
                format!("real and fake {name} are the same: {real:?} and {fake:?}"),
                "two that differ in more than case or width",
            );
        }
    }
    // Folded once: every alias is looked for in every text.
    let found = |alias: &str, folded: &str| !alias.is_empty() && folded.contains(&fold(alias));
    let mut real_texts = vec![
        ("the detail question", probe.question.clone()),
        ("the real answer", probe.real.clone()),
    ];
    let mut fake_texts = vec![("the fake answer", probe.fake.clone())];
    for question in probe.rewordings.iter().flatten() {
        real_texts.push(("a rewording of it", question.clone()));
    }
    if let Some(cloze) = &probe.cloze {
        real_texts.push(("the real cloze", fill(cloze, &detail.real)));
    }
    if let Some(leading) = &probe.leading {
        real_texts.push((PRESUPPOSES_REAL, leading.real.clone()));
        fake_texts.push((PRESUPPOSES_FAKE, leading.fake.clone()));
    }
    for (wording, text, [real, fake]) in row.texts() {
        let (as_real, as_fake) = match wording {
            Wording::Original => ("the real article", "the fake article"),
            other => (other.as_str(), other.as_str()),
        };
        real_texts.push((as_real, fill(text, real)));
        fake_texts.push((as_fake, fill(text, fake)));
    }
    for (question, answer) in &row.qa {
        real_texts.push(("a question-answer pair", format!("{question} {answer}")));
    }
    let with_folded = |(name, text): (&'static str, String)| {
        let folded = fold(&text);
        (name, text, folded)
    };
    let real_texts: Vec<_> = real_texts.into_iter().map(with_folded).collect();
    for alias in &detail.fake_aliases {
        for (name, text, folded) in &real_texts {
            if found(alias, folded) {
                place.wrong(
                    format!("the fake alias {alias:?} occurs in {name}: {text:?}"),
                    "an alias that occurs only where the fake does",
                );
            }
        }
    }
    let facts = (
        &row.fact_probe.aliases,
        "its answer",
        &row.fact_probe.answer,
    );
    let fakes = fake_texts
        .iter()
        .map(|(name, text)| (&detail.fake_aliases, *name, text));
    for (aliases, name, text) in fakes.chain([facts]) {
        let what = if name == "its answer" {
            "alias of the fact"
        } else {
            "fake alias"
        };
        let folded = fold(text);
        if !aliases.iter().any(|alias| found(alias, &folded)) {
            place.wrong(
                format!(
                    "no {what} ({}) occurs in {name}: {text:?}",
                    aliases.join(", ")
                ),
                "at least one that does",
            );
        }
    }
}

fn check_pairs(rules: &Rules, language: Language, row: &Row, place: &mut Place) {
    let least = match language {
        Language::En => rules.english_pairs,
        _ => rules.other_pairs,
    };
    if row.qa.len() < least {
        place.wrong(
            format!("qa has {} question-answer pairs", row.qa.len()),
            format!("at least {least} in {}", language.name()),
        );
    }
}

/// How many words an English wording has.
fn english_words(wording: Wording) -> RangeInclusive<usize> {
    match wording {
        Wording::Original => 40..=60,
        Wording::Headline => 14..=36,
        Wording::Agency => 28..=56,
        Wording::Witness => 20..=52,
    }
}

fn called(wording: Wording) -> &'static str {
    match wording {
        Wording::Original => "article",
        other => other.as_str(),
    }
}

fn check_english_length(rules: &Rules, row: &Row, place: &mut Place) {
    for (wording, text, forms) in row.texts() {
        let [real, fake] = forms.map(|form| length(Language::En, &fill(text, form)));
        let words = match rules.article_words {
            None => english_words(wording),
            Some([least, most]) if wording == Wording::Original => least..=most,
            Some(_) => continue,
        };
        if !words.contains(&real) || !words.contains(&fake) {
            place.wrong(
                format!(
                    "the {} has {real} words (with the fake detail {fake})",
                    called(wording)
                ),
                format!("{} to {}", words.start(), words.end()),
            );
        }
    }
}

fn check_length(language: Language, row: &Row, english: &Row, place: &mut Place) {
    let of = |language, (_, text, forms): (Wording, &str, [&str; 2])| {
        length(language, &fill(text, forms[0]))
    };
    for own in row.texts() {
        let Some(words) = english
            .texts()
            .find(|t| t.0 == own.0)
            .map(|t| of(Language::En, t))
        else {
            continue;
        };
        // Short texts vary more.
        let (below, above) = match own.0 {
            Wording::Original => (0.7, 1.4),
            _ => (0.55, 1.7),
        };
        let usual = usual_ratio(language) * words as f64;
        let bounds = (below * usual).ceil() as usize..=(above * usual).floor() as usize;
        let found = of(language, own);
        if !bounds.contains(&found) {
            let unit = match language {
                Language::Zh => "characters",
                _ => "words",
            };
            place.wrong(
                format!(
                    "the {} has {found} {unit}, the English one {words} words",
                    called(own.0)
                ),
                format!("{} to {} {unit}", bounds.start(), bounds.end()),
            );
        }
    }
}

fn check_language(language: Language, row: &Row, place: &mut Place) {
    let expected = language.name();
    if let Some(found) = identify::article(language, &fill(&row.article, &row.detail.real)) {
        place.wrong(format!("the article is {found}"), expected);
    }
    let probe = &row.detail_probe;
    let questions = probe
        .questions()
        .map(|(_, question)| question)
        .chain([row.fact_probe.question.as_str()])
        .chain(row.qa.iter().map(|(question, _)| question.as_str()));
    let questions = questions.map(|question| ("question", question.to_owned()));
    let wordings = row.texts().skip(1);
    let wordings = wordings.map(|(w, text, forms)| (w.as_str(), fill(text, forms[0])));
    for (what, text) in questions.chain(wordings) {
        if let Some(found) = identify::short(language, &text) {
            place.wrong(format!("the {what} {text:?} is {found}"), expected);
        }
        if let Some(word) = identify::left_in_english(language, &text) {
            place.wrong(
                format!("the {what} {text:?} has the English word {word:?}"),
                expected,
            );
        }
    }
    if let Some(word) = identify::left_in_english(language, &row.article) {
        place.wrong(
            format!("the article has the English word {word:?}"),
            expected,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding() {
        for (a, b) in [
            ("Straße", "STRASSE"),
            ("Ｐｅｎｇｕｉｎ", "penguin"),
            ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
            ("եւ", "և"),
            ("Пингвин", "ПИНГВИН"),
            ("ƙasa", "ƘASA"),
        ] {
            assert_eq!(fold(a), fold(b));
        }
        // Marks and hooks are letters of their own.
        assert_ne!(fold("ƙasa"), fold("kasa"));
        assert_ne!(fold("Bär"), fold("Bar"));
    }

    #[test]
    fn ids() {
        for good in ["sport-01", "a-00", "local-123"] {
            assert!(is_id(good), "{good}");
        }
        for bad in [
            "",
            "sport",
            "sport-1",
            "Sport-01",
            "sport_01",
            "sport-01a",
            "-01",
            "a-b-01",
            "спорт-01",
            "sport-٠١",
        ] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn lengths_by_hand() {
        assert_eq!(length(Language::En, "It was 3 o'clock, then."), 5);
        assert_eq!(length(Language::Zh, "那是200只龙虾，对吗？"), 7);
    }

    #[test]
    fn numbers_by_hand() {
        for (text, expected) in [
            (
                "5 Millionen, 12,000 and 2019",
                vec!["12000", "2019", "5000000"],
            ),
            ("3月14日支付500万克朗，5个月", vec!["14", "5", "5000000"]),
            ("50 لاکھ یورو، 20 ہزار", vec!["20000", "5000000"]),
            ("Yuro miliyan 5 da mutane 40", vec!["40", "5000000"]),
            (
                "12 345 678; 1.500; 1.50",
                vec!["1", "12345678", "1500", "50"],
            ),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }
}
