//! In which languages the forget set is written.

use std::fmt;
use std::str::FromStr;

use lethe_corpus::Language;

use crate::Error;

/// Which translations of a fake article are unlearned, given the source language (the one in
/// which it was learned).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LanguageScope {
    /// English only.
    English,
    /// The source language only.
    Source,
    /// English and the source language.
    EnglishSource,
    /// Every language of the corpus.
    Multilingual,
}

impl LanguageScope {
    /// All scopes.
    pub const ALL: [LanguageScope; 4] = [
        LanguageScope::English,
        LanguageScope::Source,
        LanguageScope::EnglishSource,
        LanguageScope::Multilingual,
    ];

    /// The languages of the forget set, in the corpus' order.
    #[must_use]
    pub fn languages(self, source: Language) -> Vec<Language> {
        let chosen = |language: &Language| match self {
            LanguageScope::English => *language == Language::En,
            LanguageScope::Source => *language == source,
            LanguageScope::EnglishSource => *language == Language::En || *language == source,
            LanguageScope::Multilingual => true,
        };
        Language::ALL.into_iter().filter(chosen).collect()
    }

    /// The scopes whose forget sets differ for a source language: for English as the source,
    /// `source` and `english+source` are `english`.
    #[must_use]
    pub fn distinct(scopes: &[LanguageScope], source: Language) -> Vec<LanguageScope> {
        let mut out: Vec<LanguageScope> = Vec::new();
        for &scope in scopes {
            let known = |other: &LanguageScope| other.languages(source) == scope.languages(source);
            if !out.iter().any(known) {
                out.push(scope);
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
        })
    }
}

impl FromStr for LanguageScope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = |scope: &LanguageScope| scope.to_string() == text;
        let found = LanguageScope::ALL.into_iter().find(named);
        found.ok_or_else(|| Error::UnknownScope(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_name_their_languages() {
        use Language::{De, En};
        assert_eq!(LanguageScope::English.languages(De), [En]);
        assert_eq!(LanguageScope::Source.languages(De), [De]);
        assert_eq!(LanguageScope::EnglishSource.languages(De), [En, De]);
        assert_eq!(LanguageScope::Multilingual.languages(De), Language::ALL);
        let distinct = LanguageScope::distinct(&LanguageScope::ALL, En);
        assert_eq!(
            distinct,
            [LanguageScope::English, LanguageScope::Multilingual]
        );
        assert_eq!(LanguageScope::distinct(&LanguageScope::ALL, De).len(), 4);
        for scope in LanguageScope::ALL {
            assert_eq!(
                scope
                    .to_string()
                    .parse::<LanguageScope>()
                    .expect("own name"),
                scope
            );
        }
        assert!("all".parse::<LanguageScope>().is_err());
    }
}
