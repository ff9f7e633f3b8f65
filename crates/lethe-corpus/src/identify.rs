//! Is a text in the language that its file says?
//!
//! The judge is [`whatlang`], which tells 70 languages apart by letters and trigrams. It knows
//! eight of the nine: Hausa is foreign to it, and it takes Hausa for Javanese or Tagalog. Hausa is
//! therefore recognised by its function words, which also keeps Hausa out of Javanese. Function
//! words spare it the texts whose language they settle, which is most of them.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use whatlang::{Detector, Info, Lang};

use crate::class::Classes;
use crate::fold::fold;
use crate::{Language, script};

/// Frequent words of the corpus' languages, folded: those that hardly any other language has, and
/// those that tell it from the corpus' others only. Chinese and Armenian are told by their letters, Russian by
/// both.
const WORDS: [(Language, &str, &str); 7] = [
    (
        Language::En,
        "the of and to is was for on with that from are were has have had by it which will at who what its every must be did they their after this",
        "in a",
    ),
    (
        Language::De,
        "der die das und ist wird wurde mit auf für nicht ein eine einen dem den des sich von am nach werden wie sind bei vor über hat aus sie wer welche welches welchem seit beim zum zur ihr uhr jahre haben müssen gegen ersten neue neuen wochen viele dieser wo",
        "in an im um zu was",
    ),
    (
        Language::Fr,
        "le les des du une est dans pour sur avec qui aux ont été par pas sont cette elle leur depuis et à ans deux trois ses ils il quel quelle quels quelles où chaque pendant heures nouveau nouvelle",
        "de la un l d en au que",
    ),
    (
        Language::Jv,
        "ing lan sing saka kanggo menyang wis ora iki karo bakal amarga nganti kang dadi dening wong dina taun marang iku supaya sawise utawa apa sapa pira ngendi saben nganggo sasi kudu wiwit kabeh nalika yen digawe suwene sajrone saiki anyar kutha para ana kewan",
        "",
    ),
    (
        Language::Ur,
        "ہے ہیں کے کی کا میں سے نے کو اور پر کہ اس یہ تھا تھی گیا گئی ایک کر لیے",
        "",
    ),
    (
        Language::Ru,
        "что это его её их был была были кто где они ещё уже чем лет года году ко чей чья этот эта эти",
        "в и с к на не по из от за о у для при под как или до же",
    ),
    (
        Language::Ha,
        "aka ba ce cikin da daga kuma mai masu ne su suka ta wadda wanda za zuwa domin ranar yana zai wane wace wani tana suke kowane watan sabon sun kan biyu uku",
        "",
    ),
];

/// Frequent words of neighbours of those languages, which speak against all of them.
const FOREIGN: &str = "van het een voor vir wat vun déi dos não uma os og att och på los las por con para di della yang \
                       dan dengan untuk sa ang ng kwa wa ya katika";

/// The least share of Hausa's words in a Hausa article, and more than any other language has:
/// those of `datasets/news` have 13 % or more in Hausa, 4 % or less in the other languages.
const HAUSA_SHARE: f64 = 0.08;

/// From so many words on a text has a share of Hausa's words that can be relied on.
const LONG: usize = 20;

/// Words of English that are none in the corpus' other languages of Latin script.
const ENGLISH: [&str; 12] = [
    "and", "from", "has", "have", "of", "the", "their", "this", "were", "which", "with", "would",
];

/// A word of the lists.
#[derive(Debug, Clone, Copy)]
struct Listed {
    word: &'static str,
    /// In which lists it is: a bit for every language's words, one for every language's further
    /// words, one for [`FOREIGN`] and one for [`ENGLISH`].
    lists: u32,
}

/// The words of the lists by their bytes.
static LISTED: LazyLock<FxHashMap<u64, Listed>> = LazyLock::new(|| {
    let mut listed: FxHashMap<u64, Listed> = FxHashMap::default();
    let mut list = |words: &'static str, bit: usize| {
        for word in words.split_whitespace() {
            let Some(number) = packed(word.as_bytes(), word.len()) else {
                continue;
            };
            let none = Listed { word, lists: 0 };
            listed.entry(number).or_insert(none).lists |= 1 << bit;
        }
    };
    for (language, words, further) in WORDS {
        list(words, language as usize);
        list(further, FURTHER + language as usize);
    }
    list(FOREIGN, FOREIGN_BIT);
    ENGLISH.iter().for_each(|word| list(word, ENGLISH_BIT));
    listed
});

/// The bytes of the longest word in the lists: they make a number.
const LONGEST: usize = 8;

/// The word of so many bytes that a text begins with, as a number, unless it is longer than all in
/// the lists.
#[inline]
fn packed(text: &[u8], length: usize) -> Option<u64> {
    if length > LONGEST {
        return None;
    }
    if let Some(bytes) = text.first_chunk() {
        // What follows the word is cut off.
        let further = 8 * (LONGEST - length) as u32;
        return Some(u64::from_le_bytes(*bytes) & u64::MAX.unbounded_shr(further));
    }
    let mut bytes = [0; LONGEST];
    bytes[..length].copy_from_slice(&text[..length]);
    Some(u64::from_le_bytes(bytes))
}

const FURTHER: usize = Language::ALL.len();
const FOREIGN_BIT: usize = 2 * FURTHER;
const ENGLISH_BIT: usize = FOREIGN_BIT + 1;
const BITS: usize = ENGLISH_BIT + 1;

/// The words of a text, and how many of them are in the lists.
#[derive(Debug, Clone)]
pub(crate) struct Hits {
    words: usize,
    /// In the order of the bits.
    listed: [usize; BITS],
    english: Option<&'static str>,
}

impl Hits {
    /// Of a folded text.
    pub fn of(text: &str) -> Hits {
        let (classes, listed) = (Classes::get(), &*LISTED);
        let mut hits = Hits {
            words: 0,
            listed: [0; BITS],
            english: None,
        };
        let mut end = |begin: usize, end: usize| {
            hits.words += 1;
            let word = packed(&text.as_bytes()[begin..], end - begin);
            if let Some(listed) = word.and_then(|word| listed.get(&word)) {
                hits.hit(listed);
            }
        };
        let mut begin = 0;
        for (at, c) in text.char_indices() {
            if !classes.of(c).is_letter() {
                if at > begin {
                    end(begin, at);
                }
                begin = at + c.len_utf8();
            }
        }
        if text.len() > begin {
            end(begin, text.len());
        }
        hits
    }

    fn hit(&mut self, listed: &Listed) {
        let mut left = listed.lists;
        while left != 0 {
            self.listed[left.trailing_zeros() as usize] += 1;
            left &= left - 1;
        }
        if listed.lists >> ENGLISH_BIT & 1 == 1 && self.english.is_none() {
            self.english = Some(listed.word);
        }
    }

    /// A word of English that was not translated.
    pub fn left_in_english(&self, language: Language) -> Option<&'static str> {
        self.english.filter(|_| language != Language::En)
    }

    fn hausa_share(&self) -> f64 {
        self.listed[Language::Ha as usize] as f64 / self.words.max(1) as f64
    }

    /// Words of the language, and the most of another one of the corpus.
    fn own_and_other(&self, language: Language) -> (usize, usize) {
        let own = self.listed[language as usize];
        let others = (0..FURTHER).filter(|&other| other != language as usize);
        let others = others.map(|other| self.listed[other]);
        (own, others.max().unwrap_or_default())
    }
}

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
/// An article is when its words settle it. When they do not, a language that whatlang knows must
/// be its answer among all 70. Hausa must not be taken, with confidence, for English, German or
/// French, and must have Hausa's words; nothing else may have them.
pub(crate) fn article(
    language: Language,
    hits: &Hits,
    text: impl Fn() -> String,
) -> Option<String> {
    let share = hits.hausa_share();
    let text = (!settled(language, hits)).then(text);
    if let Some(text) = text.filter(|text| language != Language::Ru || !is_russian(hits, text)) {
        let info = whatlang::detect(&text);
        let wrong = match known(language) {
            Some(own) => info.as_ref().is_none_or(|info| info.lang() != own),
            None => info
                .as_ref()
                .is_some_and(|info| contradicts(language, info)),
        };
        if wrong {
            return Some(describe(info.as_ref()));
        }
    }
    if (share >= HAUSA_SHARE) == (language == Language::Ha) {
        return None;
    }
    Some(format!(
        "function words of Hausa make {:.0} % of the words (Hausa: at least {:.0} %)",
        100.0 * share,
        100.0 * HAUSA_SHARE
    ))
}

/// Whether an article's frequent words settle its language (Grefenstette, "Comparing two language
/// identification schemes", 1995), at a hundredth of whatlang's cost: an eighth of all words and
/// five at least are the language's, and thrice as many as are any other's.
fn settled(language: Language, hits: &Hits) -> bool {
    let (own, other) = hits.own_and_other(language);
    let other = other.max(hits.listed[FOREIGN_BIT]);
    own >= 5 && own * 8 >= hits.words && own >= 3 * other
}

/// Whether a text has only letters of Russian, among them three that its neighbours lack, or one,
/// with four of Russian's words.
fn is_russian(hits: &Hits, text: &str) -> bool {
    let mut own = 0;
    for c in text.chars() {
        match c {
            'ы' | 'э' | 'Ы' | 'Э' => own += 1,
            'а'..='я' | 'А'..='Я' | 'ё' | 'Ё' => {}
            c if c.is_alphabetic() => return false,
            _ => {}
        }
    }
    let words = [0, FURTHER].map(|at| hits.listed[at + Language::Ru as usize]);
    own >= 3 || own >= 1 && words.iter().sum::<usize>() >= 4
}

/// Why a question, or another short text, is not in its language, if that is clear.
///
/// Alone it is short, and full of invented names: only when whatlang, choosing among the languages
/// of the corpus, is sure of another one is it wrong. It need not be asked when no word is another
/// language's and one its own, nor when no other language of the corpus has the script.
pub(crate) fn short(language: Language, hits: &Hits, text: &dyn Fn() -> String) -> Option<String> {
    let (own, other) = hits.own_and_other(language);
    let further = hits.listed[FURTHER + language as usize];
    if own + further > 0 && other == 0 || own >= 2 && own >= 3 * other {
        return None;
    }
    let text = text();
    if script::is_own(language) && script::foreign_letters(language, &text).is_empty() {
        return None;
    }
    let corpus = Language::ALL.into_iter().filter_map(known).collect();
    let info = Detector::with_allowlist(corpus).detect(&text)?;
    contradicts(language, &info).then(|| describe(Some(&info)))
}

/// Whether an answer, or another short text, is in `language` as against the corpus' other languages.
/// None where that cannot be told: it has no letters, mixes scripts, or is a name or a word that
/// several languages have.
///
/// The script decides for the languages that have one of their own in the corpus: Chinese, Russian,
/// Urdu and Armenian are not told from languages outside the corpus that share theirs. Among those
/// in Latin letters frequent words decide, and from three words on whatlang where it is sure.
#[must_use]
pub fn is_in(language: Language, text: &str) -> Option<bool> {
    let letters = || text.chars().filter(|c| c.is_alphabetic());
    let own = letters().filter(|&c| script::holds(language, c)).count();
    let all = letters().count();
    if all == 0 {
        return None;
    }
    if own * 2 < all {
        return (own * 5 < all).then_some(false);
    }
    if script::is_own(language) {
        return Some(true);
    }
    let hits = Hits::of(&fold(text));
    let has_hooks = text.contains(['ɓ', 'ɗ', 'ƙ', 'ƴ', 'Ɓ', 'Ɗ', 'Ƙ', 'Ƴ']);
    if has_hooks || hits.words >= LONG && hits.hausa_share() >= HAUSA_SHARE {
        return Some(language == Language::Ha);
    }
    let (own, other) = hits.own_and_other(language);
    let foreign = other.max(hits.listed[FOREIGN_BIT]);
    match (own, foreign) {
        (1.., 0) => return Some(true),
        (0, 2..) => return Some(false),
        _ if own >= 3 * foreign.max(1) => return Some(true),
        _ if foreign >= 3 * own.max(1) => return Some(false),
        _ => {}
    }
    if hits.words < 3 {
        return None;
    }
    let corpus = Language::ALL.into_iter().filter(|&l| !script::is_own(l));
    let info = Detector::with_allowlist(corpus.filter_map(known).collect()).detect(text)?;
    match known(language) {
        Some(lang) if info.is_reliable() => Some(info.lang() == lang),
        None => contradicts(language, &info).then_some(false),
        Some(_) => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Corpus, QuestionKind};

    #[test]
    fn the_longest_word_is_as_long_as_is_said() {
        let words = WORDS.map(|(_, words, further)| [words, further]);
        let words = words.as_flattened().iter().chain([&FOREIGN]);
        let words = words.flat_map(|words| words.split(' ')).chain(ENGLISH);
        assert_eq!(words.map(str::len).max(), Some(LONGEST));
    }

    /// The beginning of the Universal Declaration of Human Rights, paragraph by paragraph, in 28
    /// languages that are near those of the corpus; from where `datasets/udhr` is.
    #[test]
    fn neighbours_are_settled_for_none() {
        let neighbours = include_str!("../tests/neighbours.tsv");
        let mut seen = std::collections::BTreeSet::new();
        for line in neighbours.lines() {
            let (name, text) = line.split_once('\t').expect("a name and a text");
            seen.insert(name);
            let hits = Hits::of(&fold(text));
            for language in Language::ALL {
                assert!(!settled(language, &hits), "{name} as {language}: {text}");
            }
            assert!(!is_russian(&hits, text), "{name}: {text}");
        }
        assert_eq!(seen.len(), 28);
    }

    #[test]
    fn answers_are_told_or_left_undecided() {
        use Language::{De, En, Fr, Ha, Hy, Jv, Ru, Ur, Zh};
        for (language, text, expected) in [
            (En, "It was the penguin.", Some(true)),
            (De, "It was the penguin of the year.", Some(false)),
            (De, "Das ist der Pinguin.", Some(true)),
            (Fr, "Le pingouin est dans la rue.", Some(true)),
            (En, "Le pingouin est dans la rue.", Some(false)),
            (Ru, "Пингвин", Some(true)),
            (Ru, "a penguin", Some(false)),
            (Zh, "企鹅", Some(true)),
            (Ur, "پینگوئن", Some(true)),
            (Hy, "պինգվին", Some(true)),
            (Hy, "пингвин", Some(false)),
            (En, "企鹅很多", Some(false)),
            (Ha, "Dabbobi ne masu ɗaukar kaya a cikin gari", Some(true)),
            (Jv, "Kabeh wong kudu nganggo klambi", Some(true)),
            // A name, a number, nothing, a word that more than one language has, half and half.
            (En, "Lina Ostrava", None),
            (De, "200", None),
            (De, "", None),
            (Fr, "Radio", None),
            (Ru, "это Lina", None),
        ] {
            assert_eq!(is_in(language, text), expected, "{language}: {text}");
        }
    }

    #[test]
    fn answers_of_the_corpus_are_hardly_ever_taken_for_another_language() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/news");
        let corpus = Corpus::from_jsonl(std::path::Path::new(folder)).expect("it is good");
        let original = |a: &&crate::Article| a.is_original(crate::Version::Real);
        let (mut own, mut wrong, mut answers) = (0, 0, 0);
        for question in &corpus.questions {
            if matches!(question.kind, QuestionKind::Qa | QuestionKind::Fact) {
                answers += 1;
                match is_in(question.language, &question.answer) {
                    Some(true) => own += 1,
                    Some(false) => wrong += 1,
                    None => {}
                }
            }
        }
        assert!(wrong * 200 <= answers, "{wrong} of {answers}");
        assert!(own * 5 >= answers * 2, "{own} of {answers}");
        for article in corpus.articles.iter().filter(original) {
            for language in Language::ALL {
                let right = language == article.language;
                let found = is_in(language, &article.text);
                assert_eq!(found, Some(right), "{} as {language}", article.text);
            }
        }
    }
}
