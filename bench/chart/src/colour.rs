//! Colours that people with any kind of colour sight can tell apart, in a light and a dark shade each.
//!
//! The first eight follow the palette of Okabe and Ito (2008), made stronger on white and softer on black. Charts name
//! a colour by class; the page says what it is.

/// What something is drawn in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// One of eight for things that differ in kind; beyond eight they come again.
    Nth(usize),
    /// As it should be.
    Good,
    /// To be looked at.
    Warn,
    /// Wrong.
    Bad,
    /// There for comparison.
    Muted,
}

/// Name, light, dark.
const SHADES: [(&str, &str, &str); 12] = [
    ("c0", "#0a6ebd", "#5ab4ff"),
    ("c1", "#d0530b", "#ff9a5c"),
    ("c2", "#0a8562", "#46d6a8"),
    ("c3", "#b4498c", "#f29cca"),
    ("c4", "#9a7400", "#edc84a"),
    ("c5", "#2b9ab8", "#8cdcf5"),
    ("c6", "#6b4fc4", "#b9a2ff"),
    ("c7", "#5f6b7a", "#9fabba"),
    ("good", "#1a8a45", "#4fd682"),
    ("warn", "#b26b00", "#f5b544"),
    ("bad", "#c62536", "#ff7280"),
    ("muted", "#8a94a3", "#77828f"),
];

impl Colour {
    /// The class that its elements have.
    pub(crate) fn class(self) -> &'static str {
        let index = match self {
            Self::Nth(index) => index % 8,
            Self::Good => 8,
            Self::Warn => 9,
            Self::Bad => 10,
            Self::Muted => 11,
        };
        SHADES[index].0
    }
}

/// Declarations of all colours for one of the two schemes.
pub(crate) fn variables(dark: bool) -> String {
    let shade = |(name, on_light, on_dark): &(&str, &str, &str)| {
        ["--", name, ":", if dark { on_dark } else { on_light }, ";"].concat()
    };
    SHADES.iter().map(shade).collect()
}

/// Rules that give each class its colour as `color`, which strokes and fills take up.
pub(crate) fn rules() -> String {
    SHADES.iter().map(|(name, ..)| [".", name, "{color:var(--", name, ")}"].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance by WCAG 2.2.
    fn luminance(hex: &str) -> f64 {
        let part = |from: usize| {
            let value = f64::from(u8::from_str_radix(&hex[from..from + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    #[test]
    fn every_colour_stands_out_from_its_ground() {
        for (name, light, dark) in SHADES {
            let on_white = 1.05 / (luminance(light) + 0.05);
            let on_black = (luminance(dark) + 0.05) / (luminance("#14181f") + 0.05);
            // WCAG 1.4.11 wants 3 : 1 for graphics.
            assert!(on_white >= 3.0 && on_black >= 3.0, "{name}: {on_white:.2} {on_black:.2}");
        }
    }

    #[test]
    fn more_than_eight_come_again() {
        assert_eq!(Colour::Nth(9).class(), Colour::Nth(1).class());
        assert_ne!(Colour::Bad.class(), Colour::Good.class());
        assert_eq!(rules().matches("color:var").count(), variables(true).matches(';').count());
    }
}
