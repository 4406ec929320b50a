//! What is to be reached, beside what was.

use crate::results::Results;
use crate::summary::Spread;

/// A ratio or a figure that should not be exceeded.
pub(crate) struct Goal {
    pub(crate) what: &'static str,
    pub(crate) most: f64,
    pub(crate) reached: Spread,
}

/// Those that this run can tell of.
pub(crate) fn judge(results: &Results) -> Vec<Goal> {
    let ratios = RATIOS.iter().filter_map(|&(what, most, one, other)| {
        Some(Goal { what, most, reached: ratio(results, one, other)? })
    });
    let memory = |variant, figure: fn(&crate::results::Idle) -> Option<f64>| {
        let idle = results.idle.iter().find(|idle| idle.variant == variant)?;
        Spread::of(figure(idle))
    };
    let process = memory("session-kit-memory", |idle| Some(idle.process_bytes));
    let redis = memory("session-kit-redis", |idle| Some(idle.redis_bytes? - PAYLOAD));
    let figures = [
        ("bytes of an idle session, memory store", 700.0, process),
        ("bytes in Redis beyond the payload of 283", 150.0, redis),
    ];
    let figures = figures
        .into_iter()
        .filter_map(|(what, most, reached)| Some(Goal { what, most, reached: reached? }));
    ratios.chain(figures).collect()
}

/// Of the same round: a variant's route over that of another.
fn ratio(
    results: &Results,
    (variant, route): (&str, &str),
    (other, other_route): (&str, &str),
) -> Option<Spread> {
    let cells = |variant: &str, route: &str| {
        let cells = results.cells.iter();
        let cells = cells.filter(|cell| cell.variant == variant && cell.route == route);
        cells.cloned().collect::<Vec<_>>()
    };
    if other_route == FLOOR {
        return Spread::of(cells(variant, route).iter().filter_map(|cell| cell.ratio));
    }
    let others = cells(other, other_route);
    Spread::of(cells(variant, route).iter().filter_map(|cell| {
        let other = others.iter().find(|other| other.round == cell.round)?;
        Some(cell.cpu_us / other.cpu_us)
    }))
}

const PAYLOAD: f64 = 283.0;
/// The floor as it was measured next to the cell.
const FLOOR: &str = "floor";
type Place = (&'static str, &'static str);

#[rustfmt::skip]
const RATIOS: &[(&str, f64, Place, Place)] = &[
    ("untouched over floor, memory", 1.03, ("session-kit-memory", "untouched"), ("axum", FLOOR)),
    ("untouched over floor, Redis", 1.03, ("session-kit-redis", "untouched"), ("axum", FLOOR)),
    ("untouched over floor, on actix-web, Redis", 1.03, ("session-kit-actix-redis", "untouched"), ("actix-web", FLOOR)),
    ("warm read over floor, on actix-web, layered", 1.15, ("session-kit-actix-layered", "read"), ("actix-web", FLOOR)),
    ("untouched over floor, layered", 1.03, ("session-kit-layered", "untouched"), ("axum", FLOOR)),
    ("read over floor, memory", 1.15, ("session-kit-memory", "read"), ("axum", FLOOR)),
    ("warm read over floor, layered", 1.15, ("session-kit-layered", "read"), ("axum", FLOOR)),
    ("read, Redis, over the raw GET", 1.08, ("session-kit-redis", "read"), ("raw-redis", "read")),
    ("increment, Redis, over raw GET and EVALSHA", 1.10, ("session-kit-redis", "increment"), ("raw-redis", "increment")),
    ("warm increment over floor, layered", 2.30, ("session-kit-layered", "increment"), ("axum", FLOOR)),
    ("create, Redis, over the raw SET", 1.15, ("session-kit-redis", "create"), ("raw-redis", "create")),
];
