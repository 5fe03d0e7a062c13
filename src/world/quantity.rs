//! Owns how a Kubernetes quantity reads as a whole number. Counts in whole numbers throughout: a fraction of two is none of ten,
//! and nine thousandths of a core would become ten.

/// A quantity times `scale`, rounded up as Kubernetes does: `500m` × 1000 = 500, `100Mi` × 1 = 104857600. `None` for what is no
/// quantity, is negative, or is more than anybody has.
pub(super) fn whole(text: &str, scale: u64) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let (tens, factor) = unit(suffix)?;
    // Of several points, and of no digit at all, this is no number.
    let digits: u128 = format!("{before}{after}").parse().ok()?;
    let value = digits.checked_mul(factor)?.checked_mul(u128::from(scale))?;
    let tens = tens.checked_sub(i32::try_from(after.len()).ok()?)?;
    let power = 10_u128.checked_pow(tens.unsigned_abs());
    let value = match (tens, power) {
        (0.., power) => value.checked_mul(power?)?,
        (_, Some(power)) => value.div_ceil(power),
        // Less than one part of anything.
        (_, None) => value.min(1),
    };
    u64::try_from(value).ok()
}

/// What a suffix stands for: a power of ten, and a factor.
fn unit(suffix: &str) -> Option<(i32, u128)> {
    let known = match suffix {
        "n" => (-9, 1),
        "u" => (-6, 1),
        "m" => (-3, 1),
        "" => (0, 1),
        "k" => (3, 1),
        "M" => (6, 1),
        "G" => (9, 1),
        "T" => (12, 1),
        "P" => (15, 1),
        "E" => (18, 1),
        "Ki" => (0, 1 << 10),
        "Mi" => (0, 1 << 20),
        "Gi" => (0, 1 << 30),
        "Ti" => (0, 1 << 40),
        "Pi" => (0, 1 << 50),
        "Ei" => (0, 1 << 60),
        exponent => (exponent.strip_prefix(['e', 'E'])?.parse().ok()?, 1),
    };
    Some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, scale, value) in [
            ("500m", 1000, Some(500)),
            ("1.5", 1000, Some(1500)),
            (".5", 1000, Some(500)),
            ("2.007", 1000, Some(2007)),
            ("0", 1000, Some(0)),
            ("1Gi", 1, Some(1 << 30)),
            ("1.5Gi", 1, Some(3 << 29)),
            ("1Ei", 1, Some(1 << 60)),
            ("1E", 1, Some(1_000_000_000_000_000_000)),
            ("1e3", 1, Some(1000)),
            ("1E3", 1, Some(1000)),
            ("5e-1", 1000, Some(500)),
            ("2G", 1, Some(2_000_000_000)),
            // Rounded up: nothing that was asked for becomes nothing.
            ("100n", 1000, Some(1)),
            ("0.1", 1, Some(1)),
            ("1e-99", 1, Some(1)),
            ("-1", 1, None),
            ("x", 1, None),
            ("", 1, None),
            (".", 1, None),
            ("1.2.3", 1, None),
            ("1ki", 1, None),
            ("1e", 1, None),
            ("1e99", 1, None),
            ("100Ei", 1, None),
        ] {
            assert_eq!(whole(text, scale), value, "{text}");
        }
    }

    #[test]
    fn every_number_of_thousandths_is_itself() {
        for millis in 0..=5000 {
            assert_eq!(whole(&format!("{millis}m"), 1000), Some(millis));
            let cores = format!("{}.{:03}", millis / 1000, millis % 1000);
            assert_eq!(whole(&cores, 1000), Some(millis), "{cores}");
        }
    }
}
