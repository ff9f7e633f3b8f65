//! What is asked about a character, for every character in one look.

use std::sync::LazyLock;

use crate::fold::{plain, two};
use crate::{Language, script};

/// What a character is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Class(u32);

const UNUSUAL: u32 = 1 << 16;
const SAME: u32 = 1 << 17;
const LETTER: u32 = 1 << 18;
const BLANK: u32 = 1 << 19;
/// Five bits, one for every script, from here on: whether it may be in a text of that script.
const FITS: u32 = 20;

/// A language of every script, in the order of the bits.
const OF_SCRIPT: [Language; 5] = [
    Language::En,
    Language::Zh,
    Language::Ru,
    Language::Ur,
    Language::Hy,
];

fn script_bit(language: Language) -> u32 {
    let name = script::name(language);
    let at = OF_SCRIPT.iter().position(|&l| script::name(l) == name);
    1 << (FITS + at.unwrap_or_default() as u32)
}

impl Class {
    fn of(c: char) -> Class {
        // All that fold into one are in the first plane, as `plain` is.
        let mut class = plain(c).map_or(0, |folded| folded as u32 & 0xffff);
        let mut set = |bit, is| class |= if is { bit } else { 0 };
        set(SAME, plain(c) == Some(c));
        let usual = plain(c).is_some() || two(c).is_some();
        set(UNUSUAL, !usual);
        set(LETTER, c.is_alphabetic());
        set(BLANK, c.is_whitespace());
        let good = usual && !c.is_control() && !matches!(c, '{' | '}');
        for language in OF_SCRIPT {
            let own = script::holds(language, c) || !c.is_alphabetic();
            set(script_bit(language), good && own);
        }
        Class(class)
    }

    #[inline]
    fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }

    /// Whether it combines with no neighbour that is usual as well: text of such characters is in
    /// Unicode's normal form C.
    #[inline]
    pub fn is_usual(self) -> bool {
        !self.has(UNUSUAL)
    }

    /// Whether it is usual, and folds to itself.
    #[inline]
    pub fn is_folded(self) -> bool {
        self.has(SAME)
    }

    /// What it folds to, if it is usual and that is one character.
    #[inline]
    pub fn folded(self) -> Option<char> {
        let code = self.0 & 0xffff;
        // Zero folds to itself, and is in no text.
        char::from_u32(code).filter(|_| code != 0)
    }

    /// [`char::is_alphabetic`].
    #[inline]
    pub fn is_letter(self) -> bool {
        self.has(LETTER)
    }

    /// [`char::is_whitespace`].
    #[inline]
    pub fn is_blank(self) -> bool {
        self.has(BLANK)
    }

    /// The scripts that may have it in their texts: it is usual, and no other script's letter, nor a
    /// control character or a brace.
    #[inline]
    pub fn fits(self) -> Scripts {
        Scripts(self.0)
    }

    /// Whether it is a letter that [`fits`](Self::fits) a script.
    #[inline]
    pub fn is_of(self, script: Script) -> bool {
        self.is_letter() & self.has(script.0)
    }
}

/// The script of a language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script(u32);

impl Script {
    pub fn of(language: Language) -> Script {
        Script(script_bit(language))
    }
}

/// A set of scripts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scripts(u32);

impl Scripts {
    pub const ALL: Scripts = Scripts(u32::MAX);
    pub const NONE: Scripts = Scripts(0);

    pub fn latin() -> Scripts {
        Scripts(script_bit(Language::En))
    }

    #[inline]
    pub fn and(self, other: Scripts) -> Scripts {
        Scripts(self.0 & other.0)
    }

    pub fn has(self, script: Script) -> bool {
        self.0 & script.0 != 0
    }
}

/// The classes of Unicode's first plane, where the letters of the nine languages are.
#[derive(Clone, Copy)]
pub(crate) struct Classes(&'static [Class]);

impl Classes {
    /// To be had once before many characters are looked at.
    pub fn get() -> Classes {
        static TABLE: LazyLock<Vec<Class>> = LazyLock::new(|| {
            let class = |code| char::from_u32(code).map_or(Class(0), Class::of);
            (0..0x1_0000).map(class).collect()
        });
        Classes(&TABLE)
    }

    #[inline]
    pub fn of(self, c: char) -> Class {
        match self.0.get(c as usize) {
            Some(class) => *class,
            None => beyond(c),
        }
    }
}

#[cold]
fn beyond(c: char) -> Class {
    Class::of(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_characters_class_is_what_unicode_says() {
        let classes = Classes::get();
        for c in '\0'..=char::MAX {
            let class = classes.of(c);
            assert_eq!(class.is_letter(), c.is_alphabetic(), "{c:?}");
            assert_eq!(class.is_blank(), c.is_whitespace(), "{c:?}");
            assert_eq!(class.is_folded(), plain(c) == Some(c), "{c:?}");
            assert_eq!(class.folded(), plain(c).filter(|&c| c != '\0'), "{c:?}");
            for language in Language::ALL {
                let foreign = c.is_alphabetic() && !script::holds(language, c);
                let bad = foreign || c.is_control() || matches!(c, '{' | '}');
                let fits = class.is_usual() && !bad;
                let script = Script::of(language);
                assert_eq!(class.fits().has(script), fits, "{c:?} {language}");
                assert_eq!(class.is_of(script), fits && c.is_alphabetic(), "{c:?}");
            }
        }
    }
}
