//! Is a text in the language that its file says?
//!
//! The judge is [`whatlang`], which tells 70 languages apart by letters and trigrams. It knows
//! eight of the nine: Hausa is foreign to it, and it takes Hausa for Javanese or Tagalog. Hausa is
//! therefore recognised by its function words, which also keeps Hausa out of Javanese.

use whatlang::{Detector, Info, Lang};

use crate::Language;

/// Frequent function words of Hausa that are none in English, German, French or Javanese.
const HAUSA: [&str; 21] = [
    "aka", "ba", "ce", "cikin", "da", "daga", "kuma", "mai", "masu", "na", "ne", "su", "suka",
    "ta", "wa", "wadda", "wanda", "ya", "za", "zuwa", "domin",
];

/// The least share of [`HAUSA`] words in a Hausa article, and more than any other language has:
/// those of `datasets/news` have 13 % or more in Hausa, 3 % or less in the other languages.
const HAUSA_SHARE: f64 = 0.08;

fn known(language: Language) -> Option<Lang> {
    match language {
        Language::En => Some(Lang::Eng),
        Language::De => Some(Lang::Deu),
        Language::Fr => Some(Lang::Fra),
        Language::Zh => Some(Lang::Cmn),
        Language::Ru => Some(Lang::Rus),
        Language::Jv => Some(Lang::Jav),
        Language::Ur => Some(Lang::Urd),
        Language::Ha => None,
        Language::Hy => Some(Lang::Hye),
    }
}

/// What whatlang, choosing among all its languages, says of a text, and whether that is right.
/// Right is none for a language that it does not know.
pub(crate) fn verdict(language: Language, text: &str) -> (&'static str, Option<bool>) {
    let lang = whatlang::detect_lang(text);
    let right = known(language).map(|own| lang == Some(own));
    (lang.map_or("nothing", Lang::eng_name), right)
}

/// Why an article is not in its language, if it is not.
///
/// A language that whatlang knows must be its answer among all 70. Hausa must not be taken, with
/// confidence, for English, German or French, and must have Hausa's function words; nothing else
/// may have them.
pub(crate) fn article(language: Language, text: &str) -> Option<String> {
    let info = whatlang::detect(text);
    let wrong = match known(language) {
        Some(own) => info.as_ref().is_none_or(|info| info.lang() != own),
        None => info
            .as_ref()
            .is_some_and(|info| contradicts(language, info)),
    };
    if wrong {
        return Some(describe(info.as_ref()));
    }
    let share = hausa_share(text);
    if (share >= HAUSA_SHARE) == (language == Language::Ha) {
        return None;
    }
    Some(format!(
        "function words of Hausa make {:.0} % of the words (Hausa: at least {:.0} %)",
        100.0 * share,
        100.0 * HAUSA_SHARE
    ))
}

/// Words of English that are none in the corpus' other languages of Latin script.
const ENGLISH: [&str; 12] = [
    "and", "from", "has", "have", "of", "the", "their", "this", "were", "which", "with", "would",
];

/// A word of English that was not translated.
pub(crate) fn left_in_english(language: Language, text: &str) -> Option<String> {
    let mut words = text
        .split(|c: char| !c.is_alphabetic())
        .map(str::to_lowercase);
    words.find(|w| language != Language::En && ENGLISH.contains(&w.as_str()))
}

/// Why a question, or another short text, is not in its language, if that is clear.
///
/// Alone it is short, and full of invented names: only when whatlang, choosing among the languages
/// of the corpus, is sure of another one is it wrong.
pub(crate) fn short(language: Language, text: &str) -> Option<String> {
    let corpus = Language::ALL.into_iter().filter_map(known).collect();
    let info = Detector::with_allowlist(corpus).detect(text)?;
    contradicts(language, &info).then(|| describe(Some(&info)))
}

/// Whether whatlang is sure of another language of the corpus. Javanese, which it takes Hausa for,
/// says nothing against Hausa.
fn contradicts(language: Language, info: &Info) -> bool {
    let other = Language::ALL
        .into_iter()
        .find(|&l| known(l) == Some(info.lang()));
    let other = other.filter(|&o| o != language && (language, o) != (Language::Ha, Language::Jv));
    info.is_reliable() && other.is_some()
}

fn describe(info: Option<&Info>) -> String {
    match info {
        Some(i) => format!(
            "identified as {} (confidence {:.2})",
            i.lang().eng_name(),
            i.confidence()
        ),
        None => "identified as no language".to_owned(),
    }
}

fn hausa_share(text: &str) -> f64 {
    let text = text.to_lowercase();
    let words = || {
        text.split(|c: char| !c.is_alphabetic())
            .filter(|w| !w.is_empty())
    };
    let hausa = words().filter(|w| HAUSA.contains(w)).count();
    hausa as f64 / words().count().max(1) as f64
}
