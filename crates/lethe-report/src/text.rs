//! Text from models and numbers, made fit to be shown.

/// Replaces what breaks HTML, SVG or the lines around it by something visible: control characters
/// by their pictures (U+2400…), line ends by `⏎`, directional overrides and noncharacters by U+FFFD.
/// `<`, `>`, `&` and quotes are left to whoever writes the markup.
pub(crate) fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => '⏎',
        '\t' => ' ',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fdd0}'..='\u{fdef}' => '\u{fffd}',
        c if c as u32 & 0xfffe == 0xfffe => '\u{fffd}',
        c => c,
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

/// A number with a real minus sign; `-0.00` is `0.00`.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|b| b == b'0' || b == b'.') => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// The same with a plus sign where it is positive.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    let text = number(value, decimals);
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if value > 0.0 && !zero {
        format!("+{text}")
    } else {
        text
    }
}

/// The same, in powers of ten from 10,000 on.
pub(crate) fn compact(value: f64, decimals: usize) -> String {
    if value.abs() < 1e4 || !value.is_finite() {
        return number(value, decimals);
    }
    let power = value.abs().log10().floor();
    format!("{} × 10^{power}", number(value / 10f64.powf(power), 1))
}

/// A share as a percentage.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", number(100.0 * share, 0))
}

/// `12,345,678`.
pub(crate) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Seconds as people say them.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return seconds.to_string();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `a, b and c`.
pub(crate) fn enumerate(words: &[&str]) -> String {
    match words {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_would_break_a_page() {
        assert_eq!(visible("a\u{0}b\u{1b}[31m\r\nc\td"), "a␀b␛[31m⏎c d");
        assert_eq!(
            visible("x\u{202e}y\u{ffff}z\u{85}\u{7f}"),
            "x\u{fffd}y\u{fffd}z\u{fffd}␡"
        );
        assert_eq!(visible("گلابی 粉红 <&>"), "گلابی 粉红 <&>");
    }

    #[test]
    fn writes_numbers() {
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(number(-1.005, 1), "−1.0");
        assert_eq!(signed(0.25, 2), "+0.25");
        assert_eq!(signed(0.001, 2), "0.00");
        assert_eq!(compact(24_164_151.3, 2), "2.4 × 10^7");
        assert_eq!(compact(-3.5, 2), "−3.50");
        assert_eq!(percent(0.375), "38 %");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(100), "100");
        assert_eq!(duration(9.96), "10 s");
        assert_eq!(duration(9.44), "9.4 s");
        assert_eq!(duration(61.2), "1 min 01 s");
        assert_eq!(duration(7290.0), "2 h 01 min");
        assert_eq!(enumerate(&["a", "b", "c"]), "a, b and c");
    }
}
