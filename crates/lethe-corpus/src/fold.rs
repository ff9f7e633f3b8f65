//! Texts that are compared: without what spelling variants differ in.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::class::{Class, Classes};

/// Text without what spelling variants differ in: NFKC, then upper and lower case, which folds ß
/// into ss, final into other sigma and the Armenian ligature into its letters, as Unicode's full
/// case folding does.
pub(crate) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    fold_into(&mut out, text, &mut ());
    out
}

/// Who looks at a text while it is folded.
pub(crate) trait Watch {
    /// Characters of ASCII.
    fn ascii(&mut self, run: &str);
    /// Any character.
    fn one(&mut self, class: Class);
}

/// Nobody.
impl Watch for () {
    fn ascii(&mut self, _: &str) {}

    fn one(&mut self, _: Class) {}
}

/// Puts a text, folded, at the end of another one.
#[inline]
pub(crate) fn fold_into(out: &mut String, text: &str, watch: &mut impl Watch) {
    let classes = Classes::get();
    let begin = out.len();
    // Nearly all text is made of characters that neither normalise nor combine; for those this is
    // many times as fast as asking Unicode's tables thrice a character.
    let mut usual = true;
    // What is not in `out` yet: of it, the beginning folds to itself.
    let mut left = text;
    let mut chars = left.chars();
    loop {
        let rest = chars.as_str();
        let same = left.len() - rest.len();
        if rest.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) {
            // More of ASCII follows its letters, which can be looked at many at a time.
            let (run, others) = rest.split_at(ascii_len(rest.as_bytes()));
            watch.ascii(run);
            out.push_str(&left[..same]);
            let at = out.len();
            out.push_str(run);
            out[at..].make_ascii_lowercase();
            left = others;
            chars = left.chars();
            continue;
        }
        let Some(c) = chars.next() else {
            out.push_str(left);
            break;
        };
        let class = classes.of(c);
        watch.one(class);
        if class.is_folded() {
            continue;
        }
        out.push_str(&left[..same]);
        left = chars.as_str();
        match (class.folded(), two(c)) {
            (Some(c), _) => out.push(c),
            (None, Some(two)) => out.push_str(two),
            (None, None) => usual = false,
        }
    }
    if !usual {
        out.truncate(begin);
        out.push_str(&fold_any(text));
    }
}

/// How many bytes are ASCII before the first that is not.
fn ascii_len(bytes: &[u8]) -> usize {
    const STEP: usize = 16;
    let steps = bytes.chunks_exact(STEP).take_while(|step| step.is_ascii());
    let whole = STEP * steps.count();
    let rest = bytes[whole..].iter();
    whole + rest.take_while(|byte| byte.is_ascii()).count()
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
