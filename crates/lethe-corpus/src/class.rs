//! What is asked about a character, for every character in one look.

use std::sync::LazyLock;

use crate::fold::{plain, two};
use crate::{Language, script};

/// What a character is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Class(u32);

const UNUSUAL: u32 = 1 << 16;
const LETTER: u32 = 1 << 17;
const BLANK: u32 = 1 << 18;
const BRACE: u32 = 1 << 19;
const CONTROL: u32 = 1 << 20;
const SAME: u32 = 1 << 21;
/// Five bits, one for every script, from here on.
const SCRIPTS: u32 = 22;

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
    1 << (SCRIPTS + at.unwrap_or_default() as u32)
}

impl Class {
    fn of(c: char) -> Class {
        // All that fold into one are in the first plane, as `plain` is.
        let mut class = plain(c).map_or(0, |folded| folded as u32 & 0xffff);
        let mut set = |bit, is| class |= if is { bit } else { 0 };
        set(SAME, plain(c) == Some(c));
        set(UNUSUAL, plain(c).is_none() && two(c).is_none());
        set(LETTER, c.is_alphabetic());
        set(BLANK, c.is_whitespace());
        set(BRACE, matches!(c, '{' | '}'));
        set(CONTROL, c.is_control());
        for language in OF_SCRIPT {
            set(script_bit(language), script::holds(language, c));
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

    /// Whether it is unusual, or may not be in a text of a language. Braces may.
    #[inline]
    pub fn is_amiss(self, script: Script) -> bool {
        // No branches: this is asked for every character.
        let foreign = (self.0 & LETTER != 0) & (self.0 & script.0 == 0);
        foreign | (self.0 & (UNUSUAL | CONTROL) != 0)
    }

    /// Whether it is a letter of a script.
    #[inline]
    pub fn is_of(self, script: Script) -> bool {
        self.has(script.0)
    }

    #[inline]
    pub fn is_brace(self) -> bool {
        self.has(BRACE)
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
                let amiss = !class.is_usual() || c.is_control() || foreign;
                let script = Script::of(language);
                assert_eq!(class.is_amiss(script), amiss, "{c:?} {language}");
                assert_eq!(class.is_of(script), script::holds(language, c), "{c:?}");
            }
        }
    }
}
