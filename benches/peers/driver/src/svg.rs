//! Plots, as SVG written by hand: bars with their spread, and lines.

use std::fmt::Write as _;

use crate::load::Route;
use crate::markdown::{of, variants};
use crate::results::Results;
use crate::summary::Spread;
use crate::variants::Kind;

/// A bar for each variant, with the spread of the rounds.
pub(crate) fn cpu(results: &Results, route: Route) -> String {
    let bars: Vec<(&str, Kind, Spread)> = variants(results)
        .filter_map(|variant| {
            let asked = if variant.kind == Kind::Floor { Route::Untouched } else { route };
            let cells = of(results, &variant, asked);
            let spread = Spread::of(cells.iter().map(|cell| cell.cpu_us))?;
            Some((variant.title, variant.kind, spread))
        })
        .collect();
    let most = bars.iter().map(|(.., spread)| spread.high).fold(1.0, f64::max);
    let scale = (WIDTH - LABELS - FIGURES) / most;
    let height = TOP + bars.len() as f64 * ROW + 10.0;
    let title = format!("{}: CPU of the server for a request, µs", route.name());
    let mut svg = head(WIDTH, height, &title);
    for (row, (name, kind, spread)) in bars.iter().enumerate() {
        let y = TOP + row as f64 * ROW;
        let (middle, width) = (y + ROW / 2.0, spread.median * scale);
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>
<rect x="{LABELS}" y="{:.1}" width="{width:.1}" height="{:.1}" fill="{}"/>
<line x1="{:.1}" x2="{:.1}" y1="{middle:.1}" y2="{middle:.1}" stroke="black"/>
<text x="{:.1}" y="{:.1}">{:.1}</text>"#,
            LABELS - 6.0,
            middle + 4.0,
            escaped(name),
            y + 3.0,
            ROW - 6.0,
            colour(*kind),
            LABELS + spread.low * scale,
            LABELS + spread.high * scale,
            LABELS + spread.high * scale + 5.0,
            middle + 4.0,
            spread.median,
        );
    }
    svg + "</svg>\n"
}

/// Points that are joined, under one name.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines over a horizontal axis; `places` are where it has its marks, at equal distances.
pub(crate) fn lines(title: &str, places: &[(f64, &str)], lines: &[Line<'_>]) -> String {
    let (left, bottom, top) = (70.0, 300.0, 40.0);
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(0.0, f64::max);
    let most = if most > 0.0 { most * 1.1 } else { 1.0 };
    let step = 400.0 / (places.len().max(2) - 1) as f64;
    let x = |at: f64| places.iter().position(|place| place.0 == at).map(|n| left + n as f64 * step);
    let y = |value: f64| bottom - (bottom - top) * value / most;
    let mut svg = head(WIDTH, 340.0, title);
    for mark in 0..=4 {
        let value = most * f64::from(mark) / 4.0;
        let decimals = if most < 10.0 { 2 } else { 0 };
        let _ = writeln!(
            svg,
            r##"<line x1="{left}" x2="{}" y1="{:.1}" y2="{:.1}" stroke="#ddd"/>
<text x="{}" y="{:.1}" text-anchor="end">{value:.decimals$}</text>"##,
            left + 400.0,
            y(value),
            y(value),
            left - 6.0,
            y(value) + 4.0,
        );
    }
    for (at, name) in places {
        let at = x(*at).unwrap_or(left);
        let _ = writeln!(svg, r#"<text x="{at:.1}" y="320" text-anchor="middle">{name}</text>"#);
    }
    for (index, line) in lines.iter().enumerate() {
        let colour = LINES[index % LINES.len()];
        let points = line.points.iter().filter_map(|&(at, value)| Some((x(at)?, y(value))));
        let points: Vec<(f64, f64)> = points.collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let path = path.join(" ");
        let _ = writeln!(svg, r#"<polyline points="{path}" fill="none" stroke="{colour}"/>"#);
        for (x, y) in points {
            let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#);
        }
        let row = top + 20.0 * index as f64;
        let name = escaped(line.name);
        let _ = writeln!(svg, r#"<text x="490" y="{row:.1}" fill="{colour}">{name}</text>"#);
    }
    svg + "</svg>\n"
}

fn head(width: f64, height: f64, title: &str) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="10" y="20" font-size="14" font-weight="bold">{}</text>
"#,
        escaped(title)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('`', "")
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Floor => "#bbbbbb",
        Kind::Limit => "#88aacc",
        Kind::Ours => "#2a7f3f",
        Kind::Peer => "#cc8844",
    }
}

const WIDTH: f64 = 760.0;
const LABELS: f64 = 330.0;
const FIGURES: f64 = 50.0;
const TOP: f64 = 32.0;
const ROW: f64 = 22.0;
const LINES: [&str; 6] = ["#2a7f3f", "#cc8844", "#3366aa", "#aa3355", "#777777", "#885599"];

#[cfg(test)]
mod tests {
    use super::{Line, lines};

    #[test]
    fn lines_stay_within_the_plot() {
        let line = Line { name: "a < b", points: vec![(1.0, 0.0), (10.0, 5.0)] };
        let svg = lines("title", &[(1.0, "1"), (10.0, "10")], &[line]);
        assert!(svg.contains(r#"points="70.0,300.0 470.0,63.6""#), "{svg}");
        assert!(svg.contains("a &lt; b"));
    }
}
