//! Answers as comparable text, in nine languages and five scripts.

use std::borrow::Cow;

use lethe_corpus::Language;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;
use waken_snowball::Algorithm;

/// Folds what spelling variants differ in: compatibility forms and width (NFKC), case, combining
/// marks (accents, Arabic vowel signs), the hooked letters of Hausa and its apostrophes, Arabic
/// letters with an Urdu twin, the Armenian ligature and the marks that Armenian writes inside a
/// word, Arabic and Urdu digits, and invisible characters. Simplified and traditional Chinese stay
/// apart.
#[must_use]
pub fn normalise(language: Language, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in lower(text).nfkd() {
        match c {
            c if is_combining_mark(c) => {}
            'ß' => out.push_str("ss"),
            'ɓ' => out.push('b'),
            'ɗ' => out.push('d'),
            'ƙ' => out.push('k'),
            'ƴ' => out.push('y'),
            // ƴan, 'yan and ’yan are one word, and b' stands for ɓ where there are no hooks.
            'ʼ' | '’' | '‘' | '\'' | '`' if language == Language::Ha => {}
            'ʼ' | '’' | '‘' => out.push('\''),
            'ي' | 'ى' => out.push('ی'),
            'ك' => out.push('ک'),
            'ه' | 'ة' | 'ۃ' | 'ە' => out.push('ہ'),
            'և' => out.push_str("եւ"),
            '٠'..='٩' => out.push(digit(c, '٠')),
            '۰'..='۹' => out.push(digit(c, '۰')),
            c => out.push(c),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The ASCII digit for one of a row of ten that begins with `zero`.
fn digit(c: char, zero: char) -> char {
    char::from_digit(c as u32 - zero as u32, 10).unwrap_or(c)
}

/// NFKC and lower case without what is not seen: all letters are still there, as stemmers want
/// them.
fn lower(text: &str) -> String {
    let lower = text.nfkc().flat_map(char::to_lowercase);
    let seen = lower.filter(|c| {
        !matches!(c,
            // Zero-width (non-)joiners, direction marks, soft hyphen, Arabic tatweel.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}' | '\u{ad}' | 'ـ'
            // Armenian stress, exclamation and question marks: պինգվի՞ն.
            | '\u{55b}' | '\u{55c}' | '\u{55e}')
    });
    seen.collect()
}

fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// The words of a text: Unicode words (UAX #29), single characters where the script writes no
/// spaces.
fn segments(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for word in text.unicode_words() {
        match word.chars().all(is_unspaced) {
            true => out.extend(word.graphemes(true)),
            false => out.push(word),
        }
    }
    out
}

/// The [`normalise`]d words of a text (UAX #29); single characters where the script writes no
/// spaces.
#[must_use]
pub fn words(language: Language, text: &str) -> Vec<String> {
    let text = normalise(language, text);
    segments(&text).into_iter().map(str::to_owned).collect()
}

/// The Snowball stemmer of a language (Porter, <https://snowballstem.org>); Chinese has no endings,
/// and for Javanese, Urdu and Hausa there is none.
fn stemmer(language: Language) -> Option<Algorithm> {
    Some(match language {
        Language::En => Algorithm::English,
        Language::De => Algorithm::German,
        Language::Fr => Algorithm::French,
        Language::Ru => Algorithm::Russian,
        Language::Hy => Algorithm::Armenian,
        Language::Zh | Language::Jv | Language::Ur | Language::Ha => return None,
    })
}

/// The normalised stems of a text's words; the words, where a language has no stemmer.
#[must_use]
pub fn stems(language: Language, text: &str) -> Vec<String> {
    let Some(stemmer) = stemmer(language) else {
        return words(language, text);
    };
    let text = lower(text);
    let words = segments(&text).into_iter();
    // Articles are no part of a French word: l’étoile.
    let words = words.map(|word| match word.rsplit_once(['\'', '’']) {
        Some((_, word)) if language == Language::Fr => word,
        _ => word,
    });
    // An ending is known by letters that normalising takes apart (й, é, ä).
    let stemmed = words.map(|word| waken_snowball::stem(stemmer, word));
    let folded = stemmed.map(|stem: Cow<str>| normalise(language, &stem));
    folded.filter(|stem| !stem.is_empty()).collect()
}

/// Whether one of `aliases` occurs in `text`: [`normalise`]d, from the beginning of a word (so that
/// `rat` does not occur in `narrate`, yet `penguin` does in `penguins`; anywhere where the script
/// writes no spaces), or word by word with other endings ([`stems`]).
#[must_use]
pub fn occurs(language: Language, text: &str, aliases: &[String]) -> bool {
    let stemmed = stems(language, text);
    let text = normalise(language, text);
    aliases.iter().any(|alias| {
        let wanted = stems(language, alias);
        let alias = normalise(language, alias);
        let Some(first) = alias.chars().next() else {
            return false;
        };
        let begins = text.match_indices(&alias).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            is_unspaced(first) || !before.is_some_and(char::is_alphanumeric)
        });
        let inflected = !wanted.is_empty()
            && stemmed
                .windows(wanted.len())
                .any(|words| words == wanted.as_slice());
        begins || inflected
    })
}

/// Token F1 between an answer and the expected one (Rajpurkar et al., arXiv 1606.05250), over
/// [`words`]: 1 for equal bags of words, 0 for disjoint ones.
#[must_use]
pub fn f1(language: Language, answer: &str, expected: &str) -> f64 {
    let (answer, mut expected) = (words(language, answer), words(language, expected));
    let (found, wanted) = (answer.len(), expected.len());
    if found == 0 || wanted == 0 {
        return if found == wanted { 1.0 } else { 0.0 };
    }
    let mut shared = 0;
    for word in &answer {
        if let Some(place) = expected.iter().position(|other| other == word) {
            expected.swap_remove(place);
            shared += 1;
        }
    }
    2.0 * f64::from(shared) / (found + wanted) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use Language::{De, En, Fr, Ha, Hy, Jv, Ru, Ur, Zh};
    use proptest::prelude::*;

    use super::*;

    fn list(aliases: &[&str]) -> Vec<String> {
        aliases.iter().map(|a| (*a).to_owned()).collect()
    }

    #[test]
    fn aliases_occur_in_every_script() {
        for (language, text, alias) in [
            (En, "Two PENGUINS, of course.", "penguin"),
            (En, "the trams’ drivers", "tram"),
            (En, "the ministry’s ponies", "pony"),
            (De, "Es sind die Brücken", "brucke"),
            (De, "STRASSE", "Straße"),
            (De, "mit den roten Ka\u{308}mmen", "kämme"),
            (Fr, "Une ÉTOILE filante", "étoile"),
            (Fr, "C’est l’e\u{301}toile", "étoile"),
            (Fr, "ils étaient royaux", "royales"),
            (Zh, "那是企鹅。", "企鹅"),
            (Zh, "共有１２只企鹅", "12只"),
            (Zh, "Ｐｅｎｇｕｉｎ", "penguin"),
            (Zh, "ﾍﾟﾝｷﾞﾝ", "ペンギン"),
            (Ru, "Это пингвины!", "пингвин"),
            // The alias ends otherwise than the answer: genitive, prepositional, instrumental.
            (Ru, "в розовой одежде", "розовый"),
            (Ru, "Зелёного", "зеленый"),
            (Ru, "с семью дельфинами", "дельфины"),
            (Ru, "на большой лошади", "большая лошадь"),
            (Jv, "Kucingé ireng", "kucing"),
            (Jv, "kucing-kucing", "kucing"),
            (Jv, "PÈNGUIN", "penguin"),
            (Ur, "یہ پینگوئن ہے", "پينگوئن"),
            // Arabic keyboards have ك ي ه, Urdu ones ک ی ہ; other digits; vowel signs.
            (Ur, "وہ كالي بلی", "کالی بلی"),
            (Ur, "۱۲ گھوڑے", "12 گھوڑے"),
            (Ur, "١٢ گھوڑے", "۱۲"),
            (Ur, "گُلابی", "گلابی"),
            (Ur, "مدرسۂ", "مدرسہ"),
            // Presentation forms, as PDF extraction leaves them: isolated, initial, final.
            (Ur, "ﮔﻼﺑﯽ", "گلابی"),
            (Ur, "گلا\u{200c}بی", "گلابی"),
            (Ha, "Dodanni masu ɗaci", "dodanni masu daci"),
            (Ha, "'yan sanda", "ƴan sanda"),
            (Ha, "ƳAN SANDA", "’yan sanda"),
            (Ha, "ʼyan sanda", "'yan sanda"),
            (Ha, "b'auna mai k'arfi", "ɓauna mai ƙarfi"),
            (Hy, "սա պինգվինն է և վերջ", "եւ վերջ"),
            (Hy, "ԵՒ վերջ", "և վերջ"),
            (Hy, "Պինգվինները", "պինգվին"),
            (Hy, "պինգվի՞ն", "պինգվին"),
            (Hy, "Պինգվինների մասին", "պինգվիններ"),
        ] {
            assert!(occurs(language, text, &list(&[alias])), "{alias} in {text}");
        }
    }

    #[test]
    fn other_words_are_other_words() {
        for (language, text, alias) in [
            (En, "They narrate it", "rat"),
            (En, "nothing of the kind", "penguin"),
            (En, "nothing", ""),
            (En, "nothing", "…"),
            (De, "Vorbrücke", "Brücke"),
            (Fr, "la constellation", "étoile"),
            (Zh, "天鹅", "企鹅"),
            (Ru, "администрация", "страц"),
            (Ru, "розетка", "розовый"),
            (Ru, "большая корова, старая лошадь", "большая лошадь"),
            (Jv, "pakucingan", "kucing"),
            (Ur, "سبز", "سرخ"),
            (Ur, "۱۳", "۱۲"),
            (Ha, "kada", "kare"),
            (Hy, "Երևան", "Վան"),
        ] {
            assert!(
                !occurs(language, text, &list(&[alias])),
                "{alias} in {text}"
            );
        }
        assert!(occurs(En, "a rat!", &list(&["cat", "rat"])));
        assert!(!occurs(En, "a rat!", &[]));
    }

    #[test]
    fn stems_are_those_of_snowball() {
        // From Snowball's own vocabularies (snowballstem.org): ё is е, й belongs to the ending.
        assert_eq!(stems(Ru, "Важнейшие вагонов"), ["важн", "вагон"]);
        assert_eq!(
            stems(De, "aufeinanderfolgenden Kätzchen"),
            ["aufeinanderfolg", "katzch"]
        );
        assert_eq!(stems(Fr, "continuellement"), ["continuel"]);
        assert_eq!(stems(En, "knightly consignments"), ["knight", "consign"]);
        assert_eq!(stems(Jv, "Kucingé"), ["kucinge"]);
        assert_eq!(stems(Zh, "企鹅"), ["企", "鹅"]);
    }

    #[test]
    fn f1_by_hand() {
        // Two of three answer words are right, two of two expected are found: P 2/3, R 1.
        assert!((f1(En, "a green tram", "green tram") - 0.8).abs() < 1e-12);
        assert_eq!(f1(Ru, "Зелёный!", "зеленый"), 1.0);
        assert_eq!(f1(En, "", "x"), 0.0);
        // Four characters of the answer, two shared with two expected: 2·2/(4+2).
        assert!((f1(Zh, "企鹅很多", "企鹅") - 2.0 / 3.0).abs() < 1e-12);
        // A repeated word counts once for each expected one.
        assert!((f1(En, "no no no", "no") - 0.5).abs() < 1e-12);
        // Letters that an ASCII-only tokenizer would drop still count.
        assert_eq!(f1(Hy, "Երևան", "Երևան"), 1.0);
        assert_eq!(f1(Ur, "سبز", "سرخ"), 0.0);
    }

    proptest! {
        #[test]
        fn normalising_is_idempotent_and_f1_symmetric(
            place in 0usize..9, a in "\\PC{0,30}", b in "\\PC{0,30}",
        ) {
            let l = Language::ALL[place];
            prop_assert_eq!(normalise(l, &normalise(l, &a)), normalise(l, &a));
            prop_assert!((f1(l, &a, &b) - f1(l, &b, &a)).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&f1(l, &a, &b)));
            prop_assert_eq!(f1(l, &a, &a), 1.0);
        }

        #[test]
        fn no_text_is_too_strange_for_a_stemmer(
            place in 0usize..9, a in "[\\PC]{0,20}|[а-яё' ]{0,20}|[ա-և ]{0,20}|[a-zàâéêëîœù’ ]{0,20}",
        ) {
            let l = Language::ALL[place];
            // A word of its own occurs in itself.
            let said = words(l, &a);
            prop_assert!(said.is_empty() || occurs(l, &a, std::slice::from_ref(&a)));
        }
    }
}
