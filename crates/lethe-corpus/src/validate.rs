//! The rules that source text must keep; [`Corpus::from_jsonl`](crate::Corpus::from_jsonl) lists
//! them.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;

use memchr::memmem;

use crate::class::{Class, Classes, Script, Scripts};
use crate::fold::{Watch, fold, fold_into, is_composed};
use crate::jsonl::{FactProbe, Row, Text};
use crate::rules::Rules;
use crate::{Item, Language, Problem, Wording, identify, script};

/// Where the detail goes in an article.
pub(crate) const SLOT: &str = "{detail}";

/// What reports call the leading questions.
pub(crate) const PRESUPPOSES_REAL: &str = "the question that presupposes the real detail";
pub(crate) const PRESUPPOSES_FAKE: &str = "the question that presupposes the fake detail";

/// Where the slots of a text begin.
fn slots(text: &str) -> impl Iterator<Item = usize> {
    let braces = memchr::memchr_iter(b'{', text.as_bytes());
    braces.filter(|&at| text[at..].starts_with(SLOT))
}

/// The text before and after its slot.
pub(crate) fn around_slot(text: &str) -> Option<(&str, &str)> {
    let at = slots(text).next()?;
    Some((&text[..at], &text[at + SLOT.len()..]))
}

/// The text with this in its slot.
pub(crate) fn fill(text: &str, form: &str) -> String {
    match around_slot(text) {
        Some((before, after)) => [before, form, after].concat(),
        None => text.to_owned(),
    }
}

/// The length of a text: characters in Chinese, words (between blanks) elsewhere.
pub fn length(language: Language, text: &str) -> usize {
    if language == Language::Zh {
        return text.chars().filter(|&c| script::is_han(c)).count();
    }
    let classes = Classes::get();
    let mut seen = Seen::nothing(Script::of(language));
    text.chars().for_each(|c| seen.one(classes.of(c)));
    seen.words
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
    /// The words of names, folded, and the items that have them.
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
        for word in fold(name).split(' ').filter(|w| w.chars().count() > 2) {
            match known.names.get(word) {
                Some(other) if *other != item.id => place.wrong(
                    format!("the name {name:?} shares {word:?} with one of {other}"),
                    "names whose words are in one item only",
                ),
                Some(_) => {}
                None => {
                    known.names.insert(word.to_owned(), item.id.clone());
                }
            }
        }
    }
    first
}

/// Adds to `problems` whatever a row breaks, beside its item and the item's English row, where
/// there is one.
pub(crate) fn check_row(
    rules: &Rules,
    language: Language,
    (line, row, folded): (usize, &Row, &Folded),
    (item, english): (&Item, Option<&English>),
    problems: &mut Vec<Problem>,
) {
    let file = format!("{language}.jsonl");
    let mut place = Place {
        problems,
        file: &file,
        line: Some(line),
        item: Some(&row.id),
    };
    if !folded.good {
        check_texts(language, row, &mut place);
    }
    check_pairs(rules, language, row, &mut place);
    check_grammar(language, row, &mut place);
    check_names(language, &item.names, (row, folded), &mut place);
    check_rewordings(row, &mut place);
    check_own_name((row, folded), &mut place);
    // The rest looks at the articles, which there are only with one slot.
    if !check_slots(row, &mut place) {
        return;
    }
    check_aliases((row, folded), &mut place);
    check_guessable(language, (row, folded), &mut place);
    if language == Language::En {
        check_english_length(rules, (row, folded), &mut place);
    }
    if let Some(english) = english {
        check_length(language, (row, folded), english, &mut place);
        check_numbers(language, (row, folded), english, &mut place);
    }
    check_language(language, (row, folded), &mut place);
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
    if !is_composed(text) {
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
        let slots = slots(text).count();
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
    if !cases.contains(&&*grammar.case) && &*grammar.case != "none" {
        place.wrong(
            format!("grammar.case is {:?}", grammar.case),
            format!("one of {}, none", cases.join(", ")),
        );
    }
    for (name, gender) in [("real", &grammar.real), ("fake", &grammar.fake)] {
        let good = match gender {
            Some(gender) => gendered && GENDERS.contains(&&**gender),
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

/// Whether a folded text has a folded name, its words' endings aside: they inflect.
fn has_name(text: &str, name: &str) -> bool {
    let mut words = name.split([' ', '·', '-']).filter(|word| !word.is_empty());
    words.all(|word| {
        let length = word.chars().count();
        let kept = if length < 4 {
            length
        } else {
            (length - 2).max(3)
        };
        let end = word
            .char_indices()
            .nth(kept)
            .map_or(word.len(), |(at, _)| at);
        text.contains(&word[..end])
    })
}

fn check_names(
    language: Language,
    english: &[String],
    (row, folded): (&Row, &Folded),
    place: &mut Place,
) {
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
    if language == Language::En && !row.names.iter().map(|name| &**name).eq(english) {
        place.wrong(
            format!("the names are {}", row.names.join(", ")),
            format!("as in items.jsonl: {}", english.join(", ")),
        );
    }
    let article = folded.texts.first().map_or("", |text| &text.text);
    for (name, folded) in row.names.iter().zip(&folded.names) {
        if !has_name(article, folded) {
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
fn check_own_name((row, folded): (&Row, &Folded), place: &mut Place) {
    let (Some(own), Some(name)) = (row.names.first(), folded.names.first()) else {
        return;
    };
    let probe = &row.detail_probe;
    let questions = probe.questions().zip(&folded.questions);
    let questions = questions.map(|((what, text), folded)| (what, text, folded));
    let cloze = probe.cloze.iter().zip(&folded.cloze);
    let cloze = cloze.map(|(text, folded)| ("the cloze", &**text, folded));
    let wordings = row.texts().zip(&folded.texts).skip(1);
    let wordings = wordings.map(|((w, text, _), folded)| (w.as_str(), text, &folded.text));
    for (what, text, folded) in questions.chain(cloze).chain(wordings) {
        if !has_name(folded, name) {
            place.wrong(
                format!("the item's own name {own:?} is not in {what}: {text:?}"),
                "a text that can be understood alone",
            );
        }
    }
}

/// The real detail may stand in its slot only, else it can be guessed.
fn check_guessable(language: Language, (row, folded): (&Row, &Folded), place: &mut Place) {
    for ((wording, _, [real, _]), folded) in row.texts().zip(&folded.texts) {
        let text = &folded.text;
        let slot = slots(text).next().unwrap_or(text.len());
        let in_slot = slot..(slot + SLOT.len()).min(text.len());
        let looked_for = &folded.forms[0];
        // Single characters are parts of other words.
        if language == Language::Zh && looked_for.chars().count() < 2 {
            continue;
        }
        if !text.contains(looked_for.as_str()) {
            continue;
        }
        let found = text.match_indices(looked_for.as_str()).any(|(at, _)| {
            let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
            let end = at + looked_for.len();
            // The slot's own letters are no text.
            (end <= in_slot.start || at >= in_slot.end)
                && (language == Language::Zh
                    || edge(text[..at].chars().next_back()) && edge(text[end..].chars().next()))
        });
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

/// Where the first digit is. There are few, so many bytes are looked at together.
fn first_digit(bytes: &[u8]) -> Option<usize> {
    const STEP: usize = 32;
    let has_none = |step: &[u8]| !step.iter().fold(false, |any, b| any | b.is_ascii_digit());
    let steps = bytes.chunks_exact(STEP);
    let skipped = STEP * steps.take_while(|step| has_none(step)).count();
    let found = bytes[skipped..].iter().position(u8::is_ascii_digit)?;
    Some(skipped + found)
}

/// The numbers of a folded text that are written in digits, sorted, without separators of thousands
/// and with their zeros. The months of Chinese, numbered where others name them, are none.
pub(crate) fn numbers(text: &str) -> Vec<String> {
    let digits = |from: usize| {
        let bytes = text.as_bytes()[from..].iter();
        bytes.take_while(|b| b.is_ascii_digit()).count()
    };
    let mut numbers = Vec::new();
    let mut at = 0;
    while let Some(found) = first_digit(&text.as_bytes()[at..]) {
        let begin = at + found;
        at = begin + digits(begin);
        let mut number = text[begin..at].to_owned();
        // Groups of three digits after a separator are part of a number that began with three or
        // fewer.
        while let Some(separator) = text[at..].chars().next()
            && matches!(separator, ' ' | '\u{a0}' | '\u{202f}' | ',' | '.')
            && (number.len() <= 3 || at > begin + number.len())
            && digits(at + separator.len_utf8()) == 3
        {
            let group = at + separator.len_utf8();
            at = group + 3;
            number.push_str(&text[group..at]);
        }
        let after = &text[at..];
        if after.starts_with('月') {
            continue;
        }
        let next = after.trim_start();
        let said = MAGNITUDES.iter().find(|(word, _)| next.starts_with(word));
        let zeros = match said {
            Some((_, zeros)) => *zeros,
            // Hausa says it before the number.
            None if text[..begin].trim_end().ends_with("miliyan") => 6,
            None => 0,
        };
        number.extend(std::iter::repeat_n('0', zeros));
        numbers.push(number);
    }
    numbers.sort_unstable();
    numbers
}

/// The numbers of the English article and those of this one, and of its wordings.
fn check_numbers(
    language: Language,
    (row, folded): (&Row, &Folded),
    english: &English,
    place: &mut Place,
) {
    let mut texts = folded.texts.iter();
    let original = texts.next();
    let found = match (language, original) {
        (Language::En, _) => Cow::Borrowed(&english.numbers),
        (_, original) => Cow::Owned(original.map(|t| numbers(&t.text)).unwrap_or_default()),
    };
    if *found != english.numbers {
        place.wrong(
            format!("the article has the numbers [{}]", found.join(", ")),
            format!("those of the English one: [{}]", english.numbers.join(", ")),
        );
    }
    for ((wording, _, _), text) in row.texts().skip(1).zip(texts) {
        let mut numbers = numbers(&text.text).into_iter();
        if let Some(number) = numbers.find(|n| !found.contains(n)) {
            place.wrong(
                format!("the {wording} wording has the number {number}"),
                format!("only those of the article: [{}]", found.join(", ")),
            );
        }
    }
}

/// A text that may have to be quoted.
enum Said<'a> {
    Text(&'a str),
    /// With this in its slot.
    Filled(&'a str, &'a str),
    /// Question and answer.
    Pair(&'a str, &'a str),
}

impl Said<'_> {
    fn whole(&self) -> String {
        match self {
            Said::Text(text) => (*text).to_owned(),
            Said::Filled(text, form) => fill(text, form),
            Said::Pair(question, answer) => format!("{question} {answer}"),
        }
    }
}

fn check_aliases((row, folded): (&Row, &Folded), place: &mut Place) {
    let (detail, probe) = (&row.detail, &row.detail_probe);
    let original = folded.texts.first();
    let pairs = [
        (
            "detail",
            &detail.real,
            &detail.fake,
            original.map(|t| &t.forms),
        ),
        ("answers", &probe.real, &probe.fake, Some(&folded.answers)),
    ];
    for (name, real, fake, folded) in pairs {
        if folded.is_some_and(|[real, fake]| real == fake) {
            place.wrong(
                format!("real and fake {name} are the same: {real:?} and {fake:?}"),
                "two that differ in more than case or width",
            );
        }
    }
    // What a text is called, the text folded, and as it stands.
    type Named<'a> = (&'static str, Cow<'a, str>, Said<'a>);
    let mut real_texts: Vec<Named> = Vec::with_capacity(16);
    let mut fake_texts: Vec<Named> = Vec::with_capacity(8);
    for ((what, text), folded) in probe.questions().zip(&folded.questions) {
        let texts = match what {
            PRESUPPOSES_FAKE => &mut fake_texts,
            _ => &mut real_texts,
        };
        texts.push((what, folded.into(), Said::Text(text)));
    }
    let [real_answer, fake_answer] = &folded.answers;
    let said = Said::Text(&probe.real);
    real_texts.push(("the real answer", real_answer.into(), said));
    let said = Said::Text(&probe.fake);
    fake_texts.push(("the fake answer", fake_answer.into(), said));
    if let (Some(cloze), Some(template), Some(original)) = (&probe.cloze, &folded.cloze, original) {
        let said = Said::Filled(cloze, &detail.real);
        let filled = fill(template, &original.forms[0]);
        real_texts.push(("the real cloze", filled.into(), said));
    }
    for ((wording, text, [real, fake]), folded) in row.texts().zip(&folded.texts) {
        let (as_real, as_fake) = match wording {
            Wording::Original => ("the real article", "the fake article"),
            other => (other.as_str(), other.as_str()),
        };
        let filled = |at: usize| fill(&folded.text, &folded.forms[at]);
        real_texts.push((as_real, filled(0).into(), Said::Filled(text, real)));
        fake_texts.push((as_fake, filled(1).into(), Said::Filled(text, fake)));
    }
    for ((question, answer), folded) in row.qa.iter().zip(&folded.qa) {
        let said = Said::Pair(question, answer);
        real_texts.push(("a question-answer pair", folded.into(), said));
    }
    let aliases = &folded.fake_aliases;
    let finders: Vec<_> = aliases.iter().map(memmem::Finder::new).collect();
    let found = |alias: &memmem::Finder, text: &str| {
        !alias.needle().is_empty() && alias.find(text.as_bytes()).is_some()
    };
    for (alias, finder) in detail.fake_aliases.iter().zip(&finders) {
        for (name, folded, text) in &real_texts {
            if found(finder, folded) {
                place.wrong(
                    format!(
                        "the fake alias {alias:?} occurs in {name}: {:?}",
                        text.whole()
                    ),
                    "an alias that occurs only where the fake does",
                );
            }
        }
    }
    let mut none_of = |what, aliases: &[Text], name, text: &Said| {
        place.wrong(
            format!(
                "no {what} ({}) occurs in {name}: {:?}",
                aliases.join(", "),
                text.whole()
            ),
            "at least one that does",
        );
    };
    for (name, folded, text) in &fake_texts {
        if !finders.iter().any(|alias| found(alias, folded)) {
            none_of("fake alias", &detail.fake_aliases, *name, text);
        }
    }
    let FactProbe {
        answer, aliases, ..
    } = &row.fact_probe;
    let mut folded_aliases = folded.fact_aliases.iter();
    if !folded_aliases.any(|alias| !alias.is_empty() && folded.fact[1].contains(alias.as_str())) {
        let said = Said::Text(answer);
        none_of("alias of the fact", aliases, "its answer", &said);
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

fn check_english_length(rules: &Rules, (row, folded): (&Row, &Folded), place: &mut Place) {
    for ((wording, _, _), folded) in row.texts().zip(&folded.texts) {
        let [real, fake] = folded.lengths;
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

fn check_length(
    language: Language,
    (row, folded): (&Row, &Folded),
    english: &English,
    place: &mut Place,
) {
    for (own, folded) in row.texts().zip(&folded.texts) {
        let Some(&(_, words)) = english.lengths.iter().find(|(w, _)| *w == own.0) else {
            continue;
        };
        // Short texts vary more.
        let (below, above) = match own.0 {
            Wording::Original => (0.7, 1.4),
            _ => (0.55, 1.7),
        };
        let usual = usual_ratio(language) * words as f64;
        let bounds = (below * usual).ceil() as usize..=(above * usual).floor() as usize;
        let [found, _] = folded.lengths;
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

fn check_language(language: Language, (row, folded): (&Row, &Folded), place: &mut Place) {
    let expected = language.name();
    let Some(original) = folded.texts.first() else {
        return;
    };
    // Text whose letters are all of a script is in no language of the corpus with another one, and
    // has no word of English, unless that is the script.
    let alone = folded.good && script::is_own(language);
    let told = alone && original.has_letters && matches!(language, Language::Zh | Language::Hy);
    if !told {
        let article = fill(&original.text, &original.forms[0]);
        let hits = identify::Hits::of(&article);
        let filled = || fill(&row.article, &row.detail.real);
        if let Some(found) = identify::article(language, &hits, filled) {
            place.wrong(format!("the article is {found}"), expected);
        }
        if let Some(word) = hits.left_in_english(language) {
            place.wrong(
                format!("the article has the English word {word:?}"),
                expected,
            );
        }
    }
    if alone {
        return;
    }
    let mut short = |what: &str, folded: &str, text: &dyn Fn() -> String| {
        let hits = identify::Hits::of(folded);
        if let Some(found) = identify::short(language, &hits, text) {
            place.wrong(format!("the {what} {:?} is {found}", text()), expected);
        }
        if let Some(word) = hits.left_in_english(language) {
            place.wrong(
                format!("the {what} {:?} has the English word {word:?}", text()),
                expected,
            );
        }
    };
    let detail = row.detail_probe.questions().zip(&folded.questions);
    for ((_, text), folded) in detail {
        short("question", folded, &|| text.to_owned());
    }
    let fact = &row.fact_probe.question;
    short("question", &folded.fact[0], &|| fact.to_string());
    for ((question, _), folded) in row.qa.iter().zip(&folded.qa) {
        short("question", folded, &|| question.to_string());
    }
    for ((wording, text, forms), folded) in row.texts().zip(&folded.texts).skip(1) {
        let filled = fill(&folded.text, &folded.forms[0]);
        short(wording.as_str(), &filled, &|| fill(text, forms[0]));
    }
}

/// A row's texts, looked at once, for every rule.
pub(crate) struct Folded {
    /// The article and its wordings.
    texts: Vec<FoldedText>,
    /// [`DetailProbe::questions`](crate::jsonl::DetailProbe::questions).
    questions: Vec<String>,
    cloze: Option<String>,
    /// The detail's real and fake answer.
    answers: [String; 2],
    /// The fact's question and answer.
    fact: [String; 2],
    /// Question and answer of every pair.
    qa: Vec<String>,
    names: Vec<String>,
    fake_aliases: Vec<String>,
    fact_aliases: Vec<String>,
    /// Whether all of the row's texts are as they should be, letter by letter. False means that
    /// [`check_texts`] has to tell.
    good: bool,
}

struct FoldedText {
    /// With its slot.
    text: String,
    /// The real and the fake form.
    forms: [String; 2],
    /// The text's [`length`] with either.
    lengths: [usize; 2],
    has_letters: bool,
}

impl Folded {
    /// How long the real article is.
    pub fn length(&self) -> usize {
        self.texts.first().map_or(0, |article| article.lengths[0])
    }

    pub fn of(language: Language, row: &Row) -> Folded {
        let (probe, fact) = (&row.detail_probe, &row.fact_probe);
        let mut look = Look::new(language);
        // The slot is a word, and no character of Chinese.
        let slot = usize::from(language != Language::Zh);
        let texts = row.texts().map(|(_, text, forms)| {
            let text = look.at_template(text);
            let forms = forms.map(|form| look.at(form));
            let whole = text.length;
            let length = |form: usize| (whole + forms[form].length).saturating_sub(slot);
            FoldedText {
                lengths: [length(0), length(1)],
                text: text.folded,
                has_letters: text.has_letters,
                forms: forms.map(|form| form.folded),
            }
        });
        let texts = texts.collect();
        let cloze = probe.cloze.as_deref();
        let cloze = cloze.map(|cloze| look.at_template(cloze).folded);
        let mut folded = |text: &Text| look.at(text).folded;
        let [names, fake_aliases, fact_aliases] =
            [&row.names, &row.detail.fake_aliases, &fact.aliases]
                .map(|texts| texts.iter().map(&mut folded).collect());
        let answers = [&probe.real, &probe.fake].map(&mut folded);
        let fact = [&fact.question, &fact.answer].map(&mut folded);
        let pair = |(question, answer)| [question, answer].map(&mut folded).join(" ");
        let qa = row.qa.iter().map(|(q, a)| (q, a)).map(pair).collect();
        let questions = probe.questions().map(|(_, text)| look.at(text).folded);
        Folded {
            questions: questions.collect(),
            texts,
            cloze,
            answers,
            fact,
            qa,
            names,
            fake_aliases,
            fact_aliases,
            good: look.good,
        }
    }
}

/// A look at texts of a language.
struct Look {
    language: Language,
    script: Script,
    /// Whether all so far were as they should be.
    good: bool,
}

impl Look {
    fn new(language: Language) -> Look {
        Look {
            language,
            script: Script::of(language),
            good: true,
        }
    }

    fn at(&mut self, text: &str) -> Looked {
        self.at_parts(text, [text, "", ""])
    }

    /// The same for a text with a slot, which counts as a word.
    fn at_template(&mut self, text: &str) -> Looked {
        let parts = around_slot(text).map(|(before, after)| [before, SLOT, after]);
        self.at_parts(text, parts.unwrap_or([text, "", ""]))
    }

    /// A text in parts: what comes before its slot, the slot, what comes after.
    fn at_parts(&mut self, text: &str, [before, slot, after]: [&str; 3]) -> Looked {
        let script = self.script;
        let mut seen = Seen::nothing(script);
        let mut folded = String::with_capacity(text.len() + 8);
        fold_into(&mut folded, before, &mut seen);
        if !slot.is_empty() {
            folded.push_str(slot);
            seen.words += usize::from(seen.blank);
            seen.blank = false;
            fold_into(&mut folded, after, &mut seen);
        }
        let begins_blank = text.chars().next().is_some_and(char::is_whitespace);
        let good = seen.fits.has(script) && !seen.blank && !begins_blank;
        self.good &= good;
        let length = match self.language {
            // Characters that do not fit were not counted.
            Language::Zh if !good => length(Language::Zh, text),
            Language::Zh => seen.letters,
            _ => seen.words,
        };
        Looked {
            folded,
            length,
            has_letters: seen.letters > 0,
        }
    }
}

/// A text that was looked at.
struct Looked {
    folded: String,
    /// Its [`length`].
    length: usize,
    /// Whether it has letters of its script.
    has_letters: bool,
}

/// What was seen of a text up to some character.
struct Seen {
    script: Script,
    fits: Scripts,
    words: usize,
    letters: usize,
    /// Whether the last character is a blank.
    blank: bool,
}

impl Seen {
    fn nothing(script: Script) -> Seen {
        Seen {
            script,
            fits: Scripts::ALL,
            words: 0,
            letters: 0,
            blank: true,
        }
    }
}

impl Watch for Seen {
    #[inline]
    fn ascii(&mut self, run: &str) {
        let bytes = run.bytes();
        let bad = |b: u8| (b < b' ') | (b == 0x7f) | (b == b'{') | (b == b'}');
        if bytes.clone().fold(false, |any, b| any | bad(b)) {
            self.fits = Scripts::NONE;
        }
        // A run begins with a letter.
        self.fits = self.fits.and(Scripts::latin());
        self.letters += usize::from(Scripts::latin().has(self.script));
        self.words += ascii_words(run.as_bytes(), self.blank);
        self.blank = bytes.last().is_some_and(is_ascii_blank);
    }

    #[inline]
    fn one(&mut self, class: Class) {
        self.fits = self.fits.and(class.fits());
        self.words += usize::from(self.blank & !class.is_blank());
        self.letters += usize::from(class.is_of(self.script));
        self.blank = class.is_blank();
    }
}

/// [`char::is_whitespace`].
fn is_ascii_blank(b: u8) -> bool {
    (b == b' ') | (b.wrapping_sub(b'\t') < 5)
}

/// How many words begin in ASCII text, after a blank or not.
fn ascii_words(bytes: &[u8], blank: bool) -> usize {
    let first = bytes.first().is_some_and(|&b| blank & !is_ascii_blank(b));
    let pairs = bytes.windows(2);
    let begins = pairs.filter(|pair| is_ascii_blank(pair[0]) & !is_ascii_blank(pair[1]));
    usize::from(first) + begins.count()
}

/// The English row of an item, which the others are compared with.
pub(crate) struct English {
    numbers: Vec<String>,
    /// Of every wording, with the real detail.
    lengths: Vec<(Wording, usize)>,
}

impl English {
    /// None when its article has no slot; that is a problem of its own.
    pub fn of(row: &Row, folded: &Folded) -> Option<English> {
        let lengths = row.texts().zip(&folded.texts);
        (slots(&row.article).count() == 1).then(|| English {
            numbers: folded
                .texts
                .first()
                .map(|t| numbers(&t.text))
                .unwrap_or_default(),
            lengths: lengths
                .map(|((w, ..), text)| (w, text.lengths[0]))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(length(Language::Fr, "\u{a0}À 3\u{202f}h,  là !\n"), 5);
        assert_eq!(length(Language::En, " \ta  b "), 2);
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
            assert_eq!(numbers(&fold(text)), expected, "{text}");
        }
    }
}
