//! The style sheet's contrast and the weight of what a page loads.

use std::collections::HashMap;

use super::*;

/// What a colour is written on, and the ratio of WCAG 2.2 AA: 4.5 for text, 3 for edges of fields,
/// focus and marks in charts.
const PAIRS: &[(&str, &str, f64)] = &[
    ("ink", "ground", 4.5),
    ("ink", "card", 4.5),
    ("ink", "tint", 4.5),
    ("ink", "good-ground", 4.5),
    ("ink", "warn-ground", 4.5),
    ("ink", "bad-ground", 4.5),
    ("soft", "ground", 4.5),
    ("soft", "card", 4.5),
    ("soft", "good-ground", 4.5),
    ("soft", "warn-ground", 4.5),
    ("soft", "bad-ground", 4.5),
    ("accent", "ground", 4.5),
    ("accent", "card", 4.5),
    ("accent", "tint", 4.5),
    ("accent", "good-ground", 4.5),
    ("accent", "warn-ground", 4.5),
    ("accent", "bad-ground", 4.5),
    ("on-accent", "accent", 4.5),
    ("on-bad", "bad", 4.5),
    ("good", "card", 4.5),
    ("good", "good-ground", 4.5),
    ("warn", "card", 4.5),
    ("warn", "warn-ground", 4.5),
    ("bad", "card", 4.5),
    ("bad", "ground", 4.5),
    ("bad", "bad-ground", 4.5),
    ("edge", "card", 3.0),
    ("edge", "ground", 3.0),
    ("in", "card", 2.6),
    ("out", "card", 3.0),
    ("fault", "card", 3.0),
];

/// The variables of the light and the dark scheme.
fn schemes(style: &str) -> [HashMap<&str, [f64; 3]>; 2] {
    let blocks: Vec<&str> = style.split(":root {").skip(1).collect();
    assert_eq!(blocks.len(), 2, "a light and a dark scheme");
    [0, 1].map(|scheme| {
        let block = blocks[scheme].split('}').next().unwrap();
        let variables = block
            .split(';')
            .filter_map(|it| it.trim().strip_prefix("--"));
        variables
            .map(|variable| {
                let (name, value) = variable.split_once(':').unwrap();
                let hex = value.trim().strip_prefix('#').unwrap();
                let channel = |at| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
                (name, [channel(0), channel(2), channel(4)])
            })
            .collect()
    })
}

/// By WCAG 2.2, "relative luminance".
fn luminance(colour: [f64; 3]) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let part = channel / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn contrast_is_computed_as_wcag_says() {
    assert!((contrast([0.0; 3], [255.0; 3]) - 21.0).abs() < 1e-9);
    // The grey that is known to pass on white by a hair.
    let grey = [f64::from(0x76_u8); 3];
    assert!((contrast(grey, [255.0; 3]) - 4.54).abs() < 0.01);
}

#[test]
fn every_text_can_be_read_in_light_and_dark() {
    for (scheme, name) in schemes(STYLE).iter().zip(["light", "dark"]) {
        for (front, back, least) in PAIRS {
            let ratio = contrast(scheme[front], scheme[back]);
            assert!(
                ratio >= *least,
                "{name}: --{front} on --{back} is {ratio:.2}, not {least}"
            );
        }
    }
}

#[test]
fn every_colour_of_the_sheet_is_a_variable_that_is_there() {
    let [light, dark] = schemes(STYLE);
    let rules = STYLE.rsplit_once(":root {").unwrap().1;
    let (_, rules) = rules.split_once('}').unwrap();
    assert!(
        !rules.contains('#') || !rules.contains(": #"),
        "a colour without a variable"
    );
    for used in rules.split("var(--").skip(1) {
        let name = used.split(')').next().unwrap();
        assert!(
            light.contains_key(name) && dark.contains_key(name),
            "--{name}"
        );
    }
}

#[test]
fn assets_are_light() {
    assert!(STYLE.len() <= 20 * 1024, "{}", STYLE.len());
    assert!(SCRIPT.len() <= 8 * 1024, "{}", SCRIPT.len());
    assert!(ICON.len() <= 1024, "{}", ICON.len());
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    for text in [STYLE, SCRIPT] {
        assert!(!text.contains("//fonts") && !text.contains("https:") && !text.contains("@import"));
        assert!(
            !text.contains("url("),
            "the policy of the port loads images only from us"
        );
    }
}
