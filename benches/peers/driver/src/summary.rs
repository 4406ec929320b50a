//! Medians and spreads.

/// Of some figures: the middle one, the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Nothing of nothing.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (&low, &high) = (figures.first()?, figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            figures[middle]
        } else {
            (figures[middle - 1] + figures[middle]) / 2.0
        };
        Some(Self { low, median, high })
    }

    /// `median (low to high)`, with so many decimals; the median alone if there is no spread.
    pub(crate) fn show(&self, decimals: usize) -> String {
        let Self { low, median, high } = self;
        if low == high {
            return format!("{median:.decimals$}");
        }
        format!("{median:.decimals$} ({low:.decimals$} to {high:.decimals$})")
    }
}

/// 1280 as `1,280`.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Spread, thousands};

    #[test]
    fn a_spread_is_told_where_there_is_one() {
        let spread = Spread::of([3.0, 1.0, 2.0]).expect("figures");
        assert_eq!(spread.show(1), "2.0 (1.0 to 3.0)");
        assert_eq!(Spread::of([1.0, 2.0]).expect("figures").median, 1.5);
        assert_eq!(Spread::of([4.0]).expect("a figure").show(0), "4");
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(thousands(7.0), "7");
        assert_eq!(thousands(1280.4), "1,280");
        assert_eq!(thousands(100_000_000.0), "100,000,000");
    }
}
