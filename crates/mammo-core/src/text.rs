//! Words and numbers in messages.

/// A count with its noun in singular or plural: `1 image`, `2 images`, `3 boxes`.
pub fn count(n: usize, noun: &str) -> String {
    let ending = match n {
        1 => "",
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{n} {noun}{ending}")
}

/// A duration as text, in at most two units: `45 s`, `7 min 30 s`, `1 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, min, 0) => format!("{min} min"),
        (0, min, s) => format!("{min} min {s} s"),
        (h, min, _) => format!("{h} h {min} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_every_other_count_plural() {
        assert_eq!([0, 1, 2].map(|n| count(n, "image")), ["0 images", "1 image", "2 images"]);
        assert_eq!([1, 2].map(|n| count(n, "box")), ["1 box", "2 boxes"]);
    }

    #[test]
    fn durations_have_at_most_two_units() {
        let texts = [4.4, 60.0, 449.6, 3900.0].map(duration);
        assert_eq!(texts, ["4 s", "1 min", "7 min 30 s", "1 h 5 min"]);
    }
}
