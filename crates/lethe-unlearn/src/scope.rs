//! In which languages the forget set is written.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use lethe_corpus::{Language, ResourceClass};

use crate::Error;

/// Which translations of a fake article are unlearned, given the source language (the one in
/// which it was learned).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LanguageScope {
    /// English only.
    English,
    /// The source language only.
    Source,
    /// English and the source language.
    EnglishSource,
    /// Every language of the corpus.
    Multilingual,
    /// The high-resource languages beside English: de fr zh ru.
    HighResource,
    /// The low-resource languages: jv ur ha hy.
    LowResource,
    /// Every language but the source.
    AllButSource,
    /// These languages.
    List(BTreeSet<Language>),
}

impl LanguageScope {
    /// All scopes that have a name.
    pub const NAMED: [LanguageScope; 7] = [
        LanguageScope::English,
        LanguageScope::Source,
        LanguageScope::EnglishSource,
        LanguageScope::Multilingual,
        LanguageScope::HighResource,
        LanguageScope::LowResource,
        LanguageScope::AllButSource,
    ];

    /// The languages of the forget set, in the corpus' order.
    #[must_use]
    pub fn languages(&self, source: Language) -> Vec<Language> {
        let chosen = |language: &Language| match self {
            LanguageScope::English => *language == Language::En,
            LanguageScope::Source => *language == source,
            LanguageScope::EnglishSource => *language == Language::En || *language == source,
            LanguageScope::Multilingual => true,
            LanguageScope::HighResource => language.resource() == ResourceClass::High,
            LanguageScope::LowResource => language.resource() == ResourceClass::Low,
            LanguageScope::AllButSource => *language != source,
            LanguageScope::List(languages) => languages.contains(language),
        };
        Language::ALL.into_iter().filter(chosen).collect()
    }

    /// The scopes whose forget sets differ for a source language: for English as the source,
    /// `source` and `english+source` are `english`.
    #[must_use]
    pub fn distinct(scopes: &[LanguageScope], source: Language) -> Vec<LanguageScope> {
        let mut out: Vec<LanguageScope> = Vec::new();
        for scope in scopes {
            let known = |other: &LanguageScope| other.languages(source) == scope.languages(source);
            if !out.iter().any(known) {
                out.push(scope.clone());
            }
        }
        out
    }
}

impl fmt::Display for LanguageScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LanguageScope::English => "english",
            LanguageScope::Source => "source",
            LanguageScope::EnglishSource => "english+source",
            LanguageScope::Multilingual => "multilingual",
            LanguageScope::HighResource => "high-resource",
            LanguageScope::LowResource => "low-resource",
            LanguageScope::AllButSource => "all-but-source",
            LanguageScope::List(languages) => {
                let codes: Vec<&str> = languages.iter().map(|l| l.code()).collect();
                return f.write_str(&codes.join(","));
            }
        })
    }
}

impl FromStr for LanguageScope {
    type Err = Error;

    /// A name, or codes of languages with commas between.
    fn from_str(text: &str) -> Result<Self, Error> {
        let named = |scope: &LanguageScope| scope.to_string() == text;
        if let Some(found) = LanguageScope::NAMED.into_iter().find(named) {
            return Ok(found);
        }
        let languages: Result<BTreeSet<Language>, _> = text.split(',').map(str::parse).collect();
        languages
            .map(LanguageScope::List)
            .map_err(|error| Error::UnknownScope {
                found: text.to_owned(),
                reason: error.to_string(),
                known: LanguageScope::NAMED.map(|s| s.to_string()).join(", "),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_name_their_languages() {
        use Language::{De, En, Fr, Ha, Hy, Jv, Ru, Ur, Zh};
        let of_german = |scope: LanguageScope| scope.languages(De);
        assert_eq!(of_german(LanguageScope::English), [En]);
        assert_eq!(of_german(LanguageScope::Source), [De]);
        assert_eq!(of_german(LanguageScope::EnglishSource), [En, De]);
        assert_eq!(of_german(LanguageScope::Multilingual), Language::ALL);
        assert_eq!(of_german(LanguageScope::HighResource), [De, Fr, Zh, Ru]);
        assert_eq!(of_german(LanguageScope::LowResource), [Jv, Ur, Ha, Hy]);
        assert_eq!(
            of_german(LanguageScope::AllButSource),
            [En, Fr, Zh, Ru, Jv, Ur, Ha, Hy]
        );
        let paper = [
            LanguageScope::English,
            LanguageScope::Source,
            LanguageScope::EnglishSource,
            LanguageScope::Multilingual,
        ];
        let distinct = LanguageScope::distinct(&paper, En);
        assert_eq!(
            distinct,
            [LanguageScope::English, LanguageScope::Multilingual]
        );
        assert_eq!(LanguageScope::distinct(&paper, De).len(), 4);
    }

    #[test]
    fn a_scope_is_read_as_it_is_written() {
        let list: LanguageScope = "ru,de,de".parse().expect("a list");
        assert_eq!(list.to_string(), "de,ru");
        for scope in LanguageScope::NAMED.into_iter().chain([list]) {
            let again: LanguageScope = scope.to_string().parse().expect("its own name");
            assert_eq!(again, scope);
        }
        let error = "all"
            .parse::<LanguageScope>()
            .expect_err("none")
            .to_string();
        assert!(error.contains("all-but-source, and lists"), "{error}");
        assert!("de,".parse::<LanguageScope>().is_err());
    }
}
