//! Answers as comparable text, in nine languages and five scripts.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Folds what spelling variants differ in: compatibility forms and width (NFKC), case, combining
/// marks (accents, Arabic vowel signs), the hooked letters of Hausa, Arabic letters with an Urdu
/// twin, the Armenian ligature, and invisible characters.
#[must_use]
pub fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkc().flat_map(char::to_lowercase).nfkd() {
        match c {
            c if is_combining_mark(c) => {}
            // Zero-width (non-)joiners, direction marks, soft hyphen, Arabic tatweel.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            '\u{feff}' | '\u{ad}' | 'ـ' => {}
            'ß' => out.push_str("ss"),
            'ɓ' => out.push('b'),
            'ɗ' => out.push('d'),
            'ƙ' => out.push('k'),
            'ƴ' => out.push('y'),
            'ʼ' | '’' | '‘' => out.push('\''),
            'ي' | 'ى' => out.push('ی'),
            'ك' => out.push('ک'),
            'ه' | 'ة' | 'ۃ' => out.push('ہ'),
            'և' => out.push_str("եւ"),
            c => out.push(c),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// The words of a text, normalised: Unicode words (UAX #29), single characters where the script
/// writes no spaces.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let text = normalise(text);
    let mut out = Vec::new();
    for word in text.unicode_words() {
        if word.chars().all(is_unspaced) {
            out.extend(word.chars().map(String::from));
        } else {
            out.push(word.to_owned());
        }
    }
    out
}

/// Whether one of `aliases` occurs in `text`: normalised, from the beginning of a word (so that
/// `rat` does not occur in `narrate`, yet `penguin` does in `penguins`; anywhere where the script
/// writes no spaces).
#[must_use]
pub fn occurs(text: &str, aliases: &[String]) -> bool {
    let text = normalise(text);
    aliases.iter().any(|alias| {
        let alias = normalise(alias);
        let Some(first) = alias.chars().next() else {
            return false;
        };
        text.match_indices(&alias).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            is_unspaced(first) || !before.is_some_and(char::is_alphanumeric)
        })
    })
}

/// Token F1 between an answer and the expected one (Rajpurkar et al., arXiv 1606.05250), over
/// [`words`]: 1 for equal bags of words, 0 for disjoint ones.
#[must_use]
pub fn f1(answer: &str, expected: &str) -> f64 {
    let (answer, mut expected) = (words(answer), words(expected));
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
    use super::*;
    use proptest::prelude::*;

    fn list(aliases: &[&str]) -> Vec<String> {
        aliases.iter().map(|a| (*a).to_owned()).collect()
    }

    #[test]
    fn aliases_occur_in_every_script() {
        for (text, alias) in [
            ("Two PENGUINS, of course.", "penguin"),
            ("Es sind die Brücken", "brucke"),
            ("Une ÉTOILE filante", "étoile"),
            ("那是企鹅。", "企鹅"),
            ("Ｐｅｎｇｕｉｎ", "penguin"),
            ("Это пингвины!", "пингвин"),
            ("یہ پینگوئن ہے", "پينگوئن"),
            ("Dodanni masu ɗaci", "dodanni masu daci"),
            ("սա պինգվինն է և վերջ", "եւ վերջ"),
            ("Պինգվինները", "պինգվին"),
        ] {
            assert!(occurs(text, &list(&[alias])), "{alias} in {text}");
        }
    }

    #[test]
    fn aliases_do_not_occur_inside_other_words() {
        assert!(!occurs("They narrate it", &list(&["rat"])));
        assert!(!occurs("администрация", &list(&["страц"])));
        assert!(!occurs("nothing of the kind", &list(&["penguin", ""])));
        assert!(occurs("a rat!", &list(&["rat"])));
    }

    #[test]
    fn f1_by_hand() {
        // Two of three answer words are right, two of two expected are found: P 2/3, R 1.
        assert!((f1("a green tram", "green tram") - 0.8).abs() < 1e-12);
        assert_eq!(f1("Зелёный!", "зеленый"), 1.0);
        assert_eq!(f1("", "x"), 0.0);
        // Four characters of the answer, two shared with two expected: 2·2/(4+2).
        assert!((f1("企鹅很多", "企鹅") - 2.0 / 3.0).abs() < 1e-12);
        // A repeated word counts once for each expected one.
        assert!((f1("no no no", "no") - 0.5).abs() < 1e-12);
        // Letters that an ASCII-only tokenizer would drop still count.
        assert_eq!(f1("Երևան", "Երևան"), 1.0);
        assert_eq!(f1("سبز", "سرخ"), 0.0);
    }

    proptest! {
        #[test]
        fn normalising_is_idempotent_and_f1_symmetric(a in "\\PC{0,30}", b in "\\PC{0,30}") {
            prop_assert_eq!(normalise(&normalise(&a)), normalise(&a));
            prop_assert!((f1(&a, &b) - f1(&b, &a)).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&f1(&a, &b)));
            prop_assert_eq!(f1(&a, &a), 1.0);
        }
    }
}
