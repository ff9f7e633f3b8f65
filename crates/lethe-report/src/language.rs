//! The languages of the study as a report needs them: order, name, resource class, direction.

/// How much text of a language the models under study have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    English,
    High,
    Low,
    Unknown,
}

impl Resource {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Resource::English => "English",
            Resource::High => "high-resource",
            Resource::Low => "low-resource",
            Resource::Unknown => "other",
        }
    }

    pub(crate) fn short(self) -> &'static str {
        match self {
            Resource::English => "",
            Resource::High => "high",
            Resource::Low => "low",
            Resource::Unknown => "other",
        }
    }
}

/// The order in which languages are shown.
const KNOWN: [(&str, &str, Resource); 9] = [
    ("en", "English", Resource::English),
    ("de", "German", Resource::High),
    ("fr", "French", Resource::High),
    ("zh", "Chinese", Resource::High),
    ("ru", "Russian", Resource::High),
    ("jv", "Javanese", Resource::Low),
    ("ur", "Urdu", Resource::Low),
    ("ha", "Hausa", Resource::Low),
    ("hy", "Armenian", Resource::Low),
];

/// The codes in that order.
pub(crate) const CODES: [&str; KNOWN.len()] =
    ["en", "de", "fr", "zh", "ru", "jv", "ur", "ha", "hy"];

/// Where a language stands in lists; languages that the study does not know come last, by code.
pub(crate) fn rank(code: &str) -> (usize, &str) {
    let place = KNOWN.iter().position(|known| known.0 == code);
    (place.unwrap_or(KNOWN.len()), code)
}

/// The English name, or the code where there is none.
pub(crate) fn name(code: &str) -> &str {
    KNOWN
        .iter()
        .find(|known| known.0 == code)
        .map_or(code, |known| known.1)
}

pub(crate) fn resource(code: &str) -> Resource {
    KNOWN
        .iter()
        .find(|known| known.0 == code)
        .map_or(Resource::Unknown, |known| known.2)
}

/// The value of HTML's `dir` for text in this language.
pub(crate) fn direction(code: &str) -> &'static str {
    match code {
        "ar" | "fa" | "he" | "ur" => "rtl",
        _ => "ltr",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn codes_are_those_of_the_known() {
        assert_eq!(super::CODES, super::KNOWN.map(|known| known.0));
    }
}
