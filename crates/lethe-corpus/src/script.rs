//! Which letters belong to the script of a language.

use crate::Language;
use crate::class::{Classes, Script};

/// The script of a language, by its English name.
pub(crate) fn name(language: Language) -> &'static str {
    match language {
        Language::En | Language::De | Language::Fr | Language::Jv | Language::Ha => "Latin",
        Language::Zh => "Han",
        Language::Ru => "Cyrillic",
        Language::Ur => "Arabic",
        Language::Hy => "Armenian",
    }
}

/// Whether a letter is written in `language`'s script. Ranges are those of Unicode's `Script`
/// property, without compatibility forms (full width, presentation forms).
#[inline]
pub(crate) fn holds(language: Language, letter: char) -> bool {
    // By language rather than by script's name: this is asked for every character.
    match language {
        Language::En | Language::De | Language::Fr | Language::Jv | Language::Ha => {
            matches!(letter,
            'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{2bc}' | '\u{1e00}'..='\u{1eff}')
        }
        Language::Zh => is_han(letter),
        Language::Ru => matches!(letter, '\u{400}'..='\u{52f}'),
        Language::Ur => matches!(letter, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}'),
        Language::Hy => matches!(letter, '\u{531}'..='\u{588}'),
    }
}

/// Whether no other language of the corpus has the language's script.
pub(crate) fn is_own(language: Language) -> bool {
    name(language) != "Latin"
}

/// Whether a character is Chinese.
pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{3005}' | '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{20000}'..='\u{323af}')
}

/// The letters of `text` that are not of `language`'s script, each once, in order of appearance.
pub(crate) fn foreign_letters(language: Language, text: &str) -> String {
    let (classes, script) = (Classes::get(), Script::of(language));
    let mut found = String::new();
    for c in text.chars() {
        let class = classes.of(c);
        let known = !class.is_letter() || class.is_of(script);
        // Letters that are rare, or not in normal form C, are of a script all the same.
        if !known && !holds(language, c) && !found.contains(c) {
            found.push(c);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [(Language, &str); 9] = [
        (Language::En, "The naïve café, 3 o'clock – “quoted”."),
        (Language::De, "Größe, Übermut, ÄÖÜ ẞ"),
        (Language::Fr, "Œuvre, où l’été s’achève : ça"),
        (Language::Zh, "那是奥斯卡·贝林的龙虾，约200只。々〇"),
        (Language::Ru, "Ёжик: съешь ещё – «этих» 5 булок"),
        (Language::Jv, "Sèrat, dhéwé, pitakon?"),
        (Language::Ur, "مُحافظ کہتا ہے کہ ۲۰۰ کراؤن، ٹھیک؟ پکّا۔"),
        (Language::Ha, "Ɓarayi, ɗan, ƙasa, ƴan, 'ya, ʼya"),
        (Language::Hy, "Նավահանգիստը՝ որտեղ և ինչպե՞ս։"),
    ];

    #[test]
    fn each_language_is_in_its_own_script() {
        for (language, text) in SAMPLES {
            assert_eq!(foreign_letters(language, text), "", "{language}");
        }
    }

    #[test]
    fn and_in_no_other() {
        for (language, _) in SAMPLES {
            for (other, text) in SAMPLES {
                let same = name(language) == name(other);
                assert_eq!(
                    foreign_letters(language, text).is_empty(),
                    same,
                    "{other} as {language}"
                );
            }
        }
    }

    #[test]
    fn look_alikes_are_told_apart() {
        // A Cyrillic а in an English word, a Latin o in a Russian one.
        assert_eq!(foreign_letters(Language::En, "pеnguin, pаnda, pеn"), "еа");
        assert_eq!(foreign_letters(Language::Ru, "дoм"), "o");
        assert_eq!(foreign_letters(Language::En, "Ｆull width"), "Ｆ");
        assert_eq!(foreign_letters(Language::Zh, "企鹅ペンギン"), "ペンギ");
    }
}
