//! The tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::goals;
use crate::load::Route;
use crate::results::{Cell, Results};
use crate::summary::{Spread, thousands};
use crate::variants::Variant;

pub(crate) fn comparison(results: &Results) -> String {
    let mut text = format!(
        "# What sessions cost, beside the peers\n\nWritten by `cargo xtask bench`; what the columns \
         mean is in [benches/README.md](../README.md).\n\n{}\n",
        results.environment.markdown()
    );
    let rounds = results.cells.iter().map(|cell| cell.round + 1).max().unwrap_or_default();
    let _ = writeln!(
        text,
        "Rounds: {rounds}, interleaved. A figure is the median of the rounds, with the least and the \
         greatest.\n"
    );
    cells(&mut text, "CPU of the server for a request, µs", results, |of| {
        Some(Spread::of(of.iter().map(|cell| cell.cpu_us))?.show(1))
    });
    cells(&mut text, "The same over the floor of the framework in the same round", results, |of| {
        Some(Spread::of(of.iter().filter_map(|cell| cell.ratio))?.show(2))
    });
    cells(&mut text, "Requests in a second", results, |of| {
        let spread = Spread::of(of.iter().map(|cell| cell.requests_per_second))?;
        let Spread { low, median, high } = spread;
        let range = format!(" ({} to {})", thousands(low), thousands(high));
        Some(thousands(median) + if low < high { &range } else { "" })
    });
    cells(&mut text, "Latency under that load, p50 / p99, µs (medians)", results, |of| {
        let middle = |figure: fn(&Cell) -> u32| {
            Some(Spread::of(of.iter().map(|cell| f64::from(figure(cell))))?.median)
        };
        Some(format!("{:.0} / {:.0}", middle(|cell| cell.p50_us)?, middle(|cell| cell.p99_us)?))
    });
    redis(&mut text, results);
    races(&mut text, results);
    idle(&mut text, results);
    judged(&mut text, results);
    text
}

/// The variants of a run, in the order of the table.
pub(crate) fn variants(results: &Results) -> impl Iterator<Item = Variant> {
    let there: BTreeSet<&str> = results.cells.iter().map(|cell| cell.variant).collect();
    Variant::all().filter(move |variant| there.contains(variant.name))
}

pub(crate) fn of<'a>(results: &'a Results, variant: &Variant, route: Route) -> Vec<&'a Cell> {
    let cells = results.cells.iter();
    cells.filter(|cell| cell.variant == variant.name && cell.route == route.name()).collect()
}

fn cells(
    text: &mut String,
    title: &str,
    results: &Results,
    show: impl Fn(&[&Cell]) -> Option<String>,
) {
    let _ = writeln!(text, "## {title}\n\n| | untouched | read | increment | create |");
    let _ = writeln!(text, "|---|---|---|---|---|");
    for variant in variants(results) {
        let shown = Route::ALL.map(|route| show(&of(results, &variant, route)).unwrap_or_default());
        let _ = writeln!(text, "| {} | {} |", variant.title, shown.join(" | "));
    }
    text.push('\n');
}

fn redis(text: &mut String, results: &Results) {
    text.push_str(
        "## On Redis, for a request: commands sent; bytes to Redis / from Redis\n\n\
         | | untouched | read | increment | create |\n|---|---|---|---|---|\n",
    );
    for variant in variants(results).filter(Variant::asks_redis) {
        let shown = Route::ALL.map(|route| {
            let sent = results.sent.iter();
            let sent =
                sent.filter(|sent| sent.variant == variant.name && sent.route == route.name());
            let sent: f64 = sent.map(|sent| sent.commands).sum();
            let cells = of(results, &variant, route);
            let median = |figure: fn(&Cell) -> Option<f64>| {
                let spread = Spread::of(cells.iter().filter_map(|cell| figure(cell)));
                spread.map_or(0.0, |spread| spread.median)
            };
            let (to, from) =
                (median(|cell| cell.redis_bytes_in), median(|cell| cell.redis_bytes_out));
            format!("{sent:.1}; {to:.0} / {from:.0}")
        });
        let _ = writeln!(text, "| {} | {} |", variant.title, shown.join(" | "));
    }
    text.push('\n');
}

fn races(text: &mut String, results: &Results) {
    text.push_str(
        "## Kept of 1,280 increments of one session by 64 clients at once\n\n\
         | | one process | two processes |\n|---|---|---|\n",
    );
    for variant in variants(results) {
        let shown = [1, 2].map(|nodes| {
            let races = results.races.iter();
            let races = races.filter(|race| race.variant == variant.name && race.nodes == nodes);
            Spread::of(races.map(|race| race.kept as f64))
        });
        let [Some(one), two] = shown else { continue };
        let range = |spread: Spread| match spread {
            Spread { low, high, .. } if low == high => thousands(low),
            Spread { low, high, .. } => format!("{} to {}", thousands(low), thousands(high)),
        };
        let two = two.map_or("not shared".to_owned(), range);
        let _ = writeln!(text, "| {} | {} | {two} |", variant.title, range(one));
    }
    text.push('\n');
}

fn idle(text: &mut String, results: &Results) {
    let sessions = results.idle.first().map_or(0, |idle| idle.sessions);
    let _ = writeln!(
        text,
        "## Memory of an idle session of 283 bytes, over {} of them\n\n| | server process, bytes | \
         Redis, bytes |\n|---|---|---|",
        thousands(sessions as f64)
    );
    for variant in variants(results) {
        let Some(idle) = results.idle.iter().find(|idle| idle.variant == variant.name) else {
            continue;
        };
        let redis = idle.redis_bytes.map_or_else(String::new, thousands);
        let _ =
            writeln!(text, "| {} | {} | {redis} |", variant.title, thousands(idle.process_bytes));
    }
    text.push('\n');
}

fn judged(text: &mut String, results: &Results) {
    text.push_str("## Goals\n\n| | goal | this run | |\n|---|---|---|---|\n");
    for goal in goals::judge(results) {
        let decimals = if goal.most < 100.0 { 2 } else { 0 };
        let verdict = if goal.reached.median <= goal.most { "reached" } else { "**short**" };
        let _ = writeln!(
            text,
            "| {} | ≤ {:.decimals$} | {} | {verdict} |",
            goal.what,
            goal.most,
            goal.reached.show(decimals),
        );
    }
}
