//! Texts that are compared: without what spelling variants differ in.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::class::{Class, Classes};

/// Text without what spelling variants differ in: NFKC, then upper and lower case, which folds ß
/// into ss, final into other sigma and the Armenian ligature into its letters, as Unicode's full
/// case folding does.
pub(crate) fn fold(text: &str) -> String {
    fold_seeing(text, |_| ())
}

/// The same, with a look at every character's class.
#[inline]
pub(crate) fn fold_seeing(text: &str, mut see: impl FnMut(Class)) -> String {
    let classes = Classes::get();
    let mut out = String::with_capacity(text.len() + 8);
    // Nearly all text is made of characters that neither normalise nor combine; for those this is
    // many times as fast as asking Unicode's tables thrice a character.
    let mut usual = true;
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let class = classes.of(c);
        see(class);
        if class.is_folded() {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + c.len_utf8();
        match (class.folded(), two(c)) {
            (Some(c), _) => out.push(c),
            (None, Some(two)) => out.push_str(two),
            (None, None) => usual = false,
        }
    }
    if !usual {
        return fold_any(text);
    }
    out.push_str(&text[from..]);
    out
}

fn fold_any(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// What a character folds to, if it is one of the usual ones of the nine languages: those are in
/// normal form C, combine with no neighbour that is one, and fold into one character.
pub(crate) fn plain(c: char) -> Option<char> {
    let code = c as u32;
    let by = |distance: u32| char::from_u32(code + distance);
    match c {
        '\0'..='\u{7f}' => Some(c.to_ascii_lowercase()),
        'À'..='Ö' | 'Ø'..='Þ' => by(0x20),
        'à'..='ö' | 'ø'..='þ' | 'œ' | 'ɓ' | 'ɗ' | 'ƙ' | 'ƴ' | 'ʼ' | '«' | '»' | '·' => {
            Some(c)
        }
        'Œ' | 'Ƙ' | 'Ƴ' => by(1),
        'Ɓ' => Some('ɓ'),
        'Ɗ' => Some('ɗ'),
        '–' | '—' | '‘' | '’' | '“' | '”' | '„' => Some(c),
        'А'..='Я' => by(0x20),
        'Ё' => Some('ё'),
        'а'..='я' | 'ё' => Some(c),
        'Ա'..='Ֆ' => by(0x30),
        'ա'..='ֆ' | '՚'..='՟' | '։' => Some(c),
        'ء'..='غ' | 'ف'..='ي' | 'ٱ'..='ٴ' | 'ٹ'..='ۓ' | '۔' | '،' | '؛' | '؟' => {
            Some(c)
        }
        '、' | '。' | '《' | '》' | '「' | '」' | '一'..='鿿' => Some(c),
        '！' | '（' | '）' | '，' | '：' | '；' | '？' => char::from_u32(code - 0xfee0),
        _ => None,
    }
}

/// The same for those that fold into two.
#[inline]
pub(crate) fn two(c: char) -> Option<&'static str> {
    match c {
        'ß' => Some("ss"),
        'և' => Some("եւ"),
        _ => None,
    }
}

/// Whether a text is in Unicode's normal form C.
pub(crate) fn is_composed(text: &str) -> bool {
    let classes = Classes::get();
    text.chars().all(|c| classes.of(c).is_usual()) || is_nfc(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::char::canonical_combining_class;

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
    fn the_quick_way_is_unicodes_way_for_every_character() {
        let mut quick = 0;
        for c in '\0'..=char::MAX {
            let one = plain(c).map(String::from);
            let Some(folded) = one.or_else(|| two(c).map(str::to_owned)) else {
                continue;
            };
            quick += 1;
            let text = c.to_string();
            assert_eq!(folded, fold_any(&text), "{c:?}");
            assert!(is_nfc(&text), "{c:?}");
            assert_eq!(canonical_combining_class(c), 0, "{c:?}");
        }
        assert!(quick > 20_000, "{quick}");
    }

    proptest! {
        #[test]
        fn and_for_every_text(
            text in prop_oneof!["\\PC{0,24}", "[ß̈aÄёйиَۀۂ一。.ﬀև’ ]{0,24}"]
        ) {
            prop_assert_eq!(fold(&text), fold_any(&text));
            prop_assert_eq!(is_composed(&text), is_nfc(&text));
        }
    }
}
