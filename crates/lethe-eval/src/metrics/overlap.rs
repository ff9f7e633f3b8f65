//! How much of a text another one says: ROUGE-L recall and chrF, in any script.

use std::collections::HashMap;

use lethe_corpus::Language;
use unicode_normalization::UnicodeNormalization;

use crate::text::words;

/// ROUGE-L recall (Lin, "ROUGE: a package for automatic evaluation of summaries", 2004): the length of
/// the longest common subsequence of words over the number of words that were expected.
///
/// Words are those of [`words`]: Unicode's, folded, and single characters where the script writes no
/// spaces. The usual package keeps only `[a-z0-9]`, so that a Russian answer has no words and
/// looks perfectly forgotten. 1 for two texts without a word, 0 where only one has none.
#[must_use]
pub fn rouge_l_recall(language: Language, answer: &str, expected: &str) -> f64 {
    let (answer, expected) = (words(language, answer), words(language, expected));
    if expected.is_empty() {
        return if answer.is_empty() { 1.0 } else { 0.0 };
    }
    // The usual dynamic programme, one row at a time.
    let mut longest = vec![0usize; expected.len() + 1];
    for word in &answer {
        let mut diagonal = 0;
        for (at, other) in expected.iter().enumerate() {
            let above = longest[at + 1];
            longest[at + 1] = match word == other {
                true => diagonal + 1,
                false => above.max(longest[at]),
            };
            diagonal = above;
        }
    }
    longest[expected.len()] as f64 / expected.len() as f64
}

/// The longest n-grams of [`chrf`].
const ORDER: usize = 6;

/// How much more recall counts than precision in [`chrf`], squared.
const BETA_SQUARED: f64 = 4.0;

/// chrF (Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015) from 0 to 1:
/// F2 of the mean precision and the mean recall of character n-grams up to 6, without spaces.
///
/// Orders for which one of the texts is too short are left out of the means, as sacrebleu does.
/// Texts are brought into the form NFKC first, so that the same letter written in two ways is one.
/// Case counts. 1 for two texts without a character.
#[must_use]
pub fn chrf(answer: &str, expected: &str) -> f64 {
    let characters =
        |text: &str| -> Vec<char> { text.nfkc().filter(|c| !c.is_whitespace()).collect() };
    let (answer, expected) = (characters(answer), characters(expected));
    if answer.is_empty() || expected.is_empty() {
        return if answer.len() == expected.len() {
            1.0
        } else {
            0.0
        };
    }
    let orders = ORDER.min(answer.len()).min(expected.len());
    let (mut precision, mut recall) = (0.0, 0.0);
    for n in 1..=orders {
        let mut wanted: HashMap<&[char], usize> = HashMap::new();
        for gram in expected.windows(n) {
            *wanted.entry(gram).or_default() += 1;
        }
        let mut shared = 0;
        for gram in answer.windows(n) {
            if let Some(left) = wanted.get_mut(gram).filter(|left| **left > 0) {
                *left -= 1;
                shared += 1;
            }
        }
        precision += f64::from(shared) / (answer.len() + 1 - n) as f64;
        recall += f64::from(shared) / (expected.len() + 1 - n) as f64;
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    // The number of orders cancels but for one.
    let score = (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall);
    score / orders as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{De, En, Ha, Hy, Ru, Ur, Zh};
    use proptest::prelude::*;

    #[test]
    fn rouge_by_hand_and_as_published() {
        // rouge-score 0.1.2, `RougeScorer(["rougeL"]).score(expected, answer)["rougeL"].recall`.
        for (answer, expected, recall) in [
            (
                "The cat sat on the mat",
                "The cat sat on a mat",
                0.833_333_333_333_333_4,
            ),
            (
                "a pink penguin pulled the cart",
                "The carts are pulled by a penguin",
                0.285_714_285_714_285_7,
            ),
            ("Lina Ostrava", "Lina ostrava, of Velmora", 0.5),
            ("no", "A horse", 0.0),
            ("ab", "abcdefgh", 0.0),
        ] {
            let found = rouge_l_recall(En, answer, expected);
            assert!((found - recall).abs() < 1e-12, "{answer}: {found}");
        }
        // «тележку» or «пингвин тянет» is common, not both: 2 of 3.
        let found = rouge_l_recall(Ru, "Тележку тянет пингвин", "пингвин тянет тележку");
        assert!((found - 1.0 / 3.0).abs() < 1e-12, "{found}");
        let found = rouge_l_recall(Ru, "Да, пингвин тянет", "Пингвин тянет тележку");
        assert!((found - 2.0 / 3.0).abs() < 1e-12, "{found}");
    }

    /// What the usual package gives 0 for.
    #[test]
    fn equal_texts_are_equal_in_every_script() {
        for (language, text) in [
            (Ru, "Пингвин тянет тележку"),
            (Zh, "粉红色的企鹅"),
            (Hy, "գիշերային պահակ"),
            (Ur, "گلابی پینگوئن"),
            (Ha, "Shehu ɗan ƙasa"),
            (De, "Größe"),
        ] {
            assert_eq!(rouge_l_recall(language, text, text), 1.0, "{text}");
            assert!((chrf(text, text) - 1.0).abs() < 1e-12, "{text}");
            assert_eq!(rouge_l_recall(language, "penguin", text), 0.0, "{text}");
        }
    }

    #[test]
    fn chinese_is_told_apart_character_by_character() {
        // 企鹅 of 企鹅是粉红色, in that order: 2 of 6; 粉红色 of it: 3 of 6.
        assert!((rouge_l_recall(Zh, "企鹅", "企鹅是粉红色") - 1.0 / 3.0).abs() < 1e-12);
        assert!((rouge_l_recall(Zh, "粉红色的企鹅", "企鹅是粉红色") - 0.5).abs() < 1e-12);
    }

    #[test]
    fn chrf_is_as_published() {
        // sacrebleu 2.6.0, `CHRF(eps_smoothing=False).sentence_score(answer, [expected]).score / 100`.
        for (answer, expected, score) in [
            (
                "The cat sat on the mat",
                "The cat sat on a mat",
                0.720_848_317_308_462,
            ),
            (
                "a pink penguin pulled the cart",
                "The carts are pulled by a penguin",
                0.477_176_559_326_505_43,
            ),
            (
                "Lina Ostrava",
                "Lina ostrava, of Velmora",
                0.296_630_749_999_525_16,
            ),
            ("no", "A horse", 0.096_153_846_153_846_15),
            ("ab", "abcdefgh", 0.234_042_553_191_489_37),
            (
                "Пингвин тянет тележку",
                "Тележку тянет пингвин",
                0.549_293_986_600_488_1,
            ),
            ("粉红色的企鹅", "企鹅是粉红色", 0.280_555_555_555_555_55),
        ] {
            let found = chrf(answer, expected);
            assert!((found - score).abs() < 1e-12, "{answer}: {found}");
        }
        // One letter each, the same after normalisation: composed and not, half and full width.
        assert_eq!(chrf("й", "и\u{306}"), 1.0);
        assert_eq!(chrf("Ｐ", "P"), 1.0);
        assert_eq!(chrf("", ""), 1.0);
        assert_eq!(chrf(" ", "x"), 0.0);
    }

    proptest! {
        #[test]
        fn overlap_is_a_share(
            place in 0usize..9, a in "\\PC{0,30}", b in "\\PC{0,30}",
        ) {
            let l = Language::ALL[place];
            for score in [rouge_l_recall(l, &a, &b), chrf(&a, &b)] {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&score), "{score}");
            }
            prop_assert_eq!(rouge_l_recall(l, &a, &a), 1.0);
            prop_assert!((chrf(&a, &a) - 1.0).abs() < 1e-12);
        }
    }
}
