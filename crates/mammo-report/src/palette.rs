//! Colours of page and charts in a light and a dark scheme: one accent, the rest neutral.
//!
//! Further hues distinguish several runs or the two classes. They differ in lightness too, for
//! colour-blind readers and for print without colour.

/// A colour in both schemes, `0xRRGGBB`.
#[derive(Clone, Copy, Debug)]
pub struct Colour {
    /// Name of the CSS variable, without dashes.
    pub name: &'static str,
    /// On a light page.
    pub light: u32,
    /// On a dark page.
    pub dark: u32,
    /// Minimum contrast to the page: 4.5 for text, 3 for lines (WCAG 2.2, 1.4.3 and 1.4.11), 1 for
    /// decoration.
    pub contrast: f64,
}

const fn colour(name: &'static str, light: u32, dark: u32, contrast: f64) -> Colour {
    Colour { name, light, dark, contrast }
}

/// All colours; the first is the background of the page.
pub const COLOURS: [Colour; 12] = [
    colour("page", 0xffffff, 0x14161a, 1.0),
    colour("panel", 0xf6f7f9, 0x1c1f25, 1.0),
    colour("rule", 0xdfe2e7, 0x343942, 1.0),
    colour("ink", 0x1a1d23, 0xe9ebef, 4.5),
    colour("muted", 0x5a616d, 0xa4abb7, 4.5),
    colour("accent", 0x0a5fb4, 0x74b4ff, 4.5),
    colour("second", 0xb4500b, 0xf2a35c, 3.0),
    colour("third", 0x0c7a5f, 0x4fcfa8, 3.0),
    colour("fourth", 0x7a3e9d, 0xc99bea, 3.0),
    colour("neutral", 0x737b88, 0x8b93a1, 3.0),
    colour("grid", 0xe8eaee, 0x2a2e36, 1.0),
    colour("warn", 0x8f4a00, 0xf5b95f, 4.5),
];

/// CSS custom properties of both schemes; print uses the light one.
pub fn css() -> String {
    let block = |value: fn(&Colour) -> u32| -> String {
        COLOURS.iter().map(|c| format!("--{}:#{:06x};", c.name, value(c))).collect()
    };
    let (light, dark) = (block(|c| c.light), block(|c| c.dark));
    format!(
        ":root{{color-scheme:light dark;{light}}}\
         @media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    )
}

/// A colour of the light scheme; that of the text for an unknown name.
pub fn light(name: &str) -> u32 {
    let named = |wanted: &str| COLOURS.iter().find(|c| c.name == wanted).map(|c| c.light);
    named(name).or(named("ink")).unwrap_or_default()
}

/// WCAG contrast ratio of two colours, 1 to 21.
pub fn contrast(a: u32, b: u32) -> f64 {
    let luminance = |rgb: u32| {
        let channel = |shift: u32| {
            let v = f64::from((rgb >> shift) & 0xff) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_stands_out_from_page_and_panel_in_both_schemes() {
        assert!((contrast(0x000000, 0xffffff) - 21.0).abs() < 1e-9);
        for ground in &COLOURS[..2] {
            for c in &COLOURS {
                let (light, dark) = (contrast(c.light, ground.light), contrast(c.dark, ground.dark));
                assert!(light >= c.contrast, "{} on light {}: {light:.2}", c.name, ground.name);
                assert!(dark >= c.contrast, "{} on dark {}: {dark:.2}", c.name, ground.name);
            }
        }
    }
}
