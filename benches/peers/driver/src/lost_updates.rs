//! 64 clients increment the counter of one session, 20 times each: what is left of 1,280?

use crate::Failure;
use crate::connection::Connection;
use crate::load::{self, Route, Until};
use crate::places::Places;
use crate::results::Race;
use crate::server::Server;
use crate::variants::{Kind, Variant};

const CLIENTS: usize = 64;
const EACH: usize = 20;

pub(crate) async fn race(
    variants: &[Variant],
    times: usize,
    places: &Places,
) -> Result<Vec<Race>, Failure> {
    let mut races = Vec::new();
    for variant in variants.iter().filter(|variant| variant.kind != Kind::Floor) {
        let on_nodes = if variant.is_shared() { vec![1, 2] } else { vec![1] };
        for nodes in on_nodes {
            for _ in 0..times {
                let race = once(*variant, nodes, places).await;
                let race = race.map_err(|error| format!("{}, race: {error}", variant.name))?;
                eprintln!("{}: {} of {}", variant.name, race.kept, race.increments);
                races.push(race);
            }
        }
    }
    Ok(races)
}

async fn once(variant: Variant, nodes: usize, places: &Places) -> Result<Race, Failure> {
    let mut servers = Vec::with_capacity(nodes);
    for _ in 0..nodes {
        servers.push(Server::start(variant.name, &places.arguments()).await?);
    }
    let mut first = Connection::signed_in(servers[0].address).await?;
    let mut clients = Vec::with_capacity(CLIENTS);
    for client in 0..CLIENTS {
        clients.push(first.same_session(servers[client % nodes].address).await?);
    }
    let load = load::run(&mut clients, Route::Increment, Until::Answers(EACH)).await?;
    let (increments, kept) = (load.requests(), first.counter().await?);
    // For the peers this is the measurement; for us a bug.
    if variant.kind == Kind::Ours && kept != increments {
        return Err(format!("{kept} of {increments} increments on {nodes} nodes").into());
    }
    Ok(Race { variant: variant.name, nodes, increments, kept })
}
