//! All variants beside each other: interleaved, route by route, round by round.

use crate::cell::Running;
use crate::environment::Environment;
use crate::load::Route;
use crate::options::Options;
use crate::places::Places;
use crate::results::{Cell, Results, Sent};
use crate::variants::{Store, Variant};
use crate::{Failure, lost_updates, markdown, memory, svg};

pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let variants = Variant::chosen(options.quick, options.only.as_deref());
    let places = Places::open().await?;
    let mut environment = Environment::look(&options.line, &places).await?;

    let mut running = Vec::with_capacity(variants.len());
    for &variant in &variants {
        let started = Running::start(variant, &places.arguments()).await;
        running.push(started.map_err(|error| format!("{}: {error}", variant.name))?);
    }
    let sent = probe(&mut running, &places).await?;
    let mut cells = Vec::new();
    for round in 0..options.rounds {
        for route in Route::ALL {
            cells.extend(measure(&mut running, route, round, options, &places).await?);
        }
    }
    drop(running);
    let races = lost_updates::race(&variants, options.races(), &places).await?;
    let idle = memory::weigh(&variants, options.idle_sessions(), &places).await?;

    environment.ends();
    let results = Results { environment, cells, sent, races, idle };
    let table = markdown::comparison(&results);
    println!("{table}");
    if let Some(folder) = &options.write {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("comparison.md"), table)?;
        let json = serde_json::to_string_pretty(&results)?;
        std::fs::write(folder.join("comparison.json"), json + "\n")?;
        for route in Route::ALL {
            let name = format!("cpu-{}.svg", route.name());
            std::fs::write(folder.join(name), svg::cpu(&results, route))?;
        }
    }
    Ok(())
}

/// One route of all variants. Where they begin moves on from round to round; the floors are measured
/// next to what is compared with them.
async fn measure(
    running: &mut [Running],
    route: Route,
    round: usize,
    options: &Options,
    places: &Places,
) -> Result<Vec<Cell>, Failure> {
    let (mut cells, mut floors) = (Vec::new(), Vec::new());
    let length = running.len();
    for index in 0..length {
        let one = &mut running[(index + round * 5) % length];
        let (name, has) = (one.variant.name, one.has(route));
        let asked = if has { route } else { Route::Untouched };
        let cell = one.measure(asked, round, options, places).await;
        let cell = cell.map_err(|error| format!("{name}, {}: {error}", route.name()))?;
        eprintln!("round {}: {name}, {}: {:.1} us", round + 1, asked.name(), cell.cpu_us);
        if one.variant.store == Store::Nowhere {
            floors.push(cell.clone());
        }
        // A floor is told once a round, whatever else it is measured for.
        if has {
            cells.push(cell);
        }
    }
    for cell in &mut cells {
        let floor = Variant::named(cell.variant).map(|variant| variant.floor);
        let floor = floors.iter().find(|measured| Some(measured.variant) == floor);
        cell.ratio = floor.map(|floor| cell.cpu_us / floor.cpu_us);
    }
    Ok(cells)
}

async fn probe(running: &mut [Running], places: &Places) -> Result<Vec<Sent>, Failure> {
    let mut sent = Vec::new();
    for one in running.iter_mut().filter(|one| one.variant.asks_redis()) {
        for route in Route::ALL {
            let commands = one.probe(route, places).await?;
            sent.push(Sent { variant: one.variant.name, route: route.name(), commands });
        }
    }
    Ok(sent)
}
