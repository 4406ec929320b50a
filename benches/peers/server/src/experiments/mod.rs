//! What is measured within one process, without HTTP. Each experiment prints one line of JSON.

mod footprint;
mod nodes;
mod server;
mod stampede;
mod zipf;

use crate::application::WORKERS;
use crate::variants::{Failure, Places};

pub(crate) fn run(name: &str, arguments: &[&str], places: &Places) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let figures = runtime.block_on(async {
        match (name, arguments) {
            ("stampede", [kind, readers]) => stampede::run(kind, readers.parse()?, places).await,
            ("zipf", [kind, sessions, cached, exponent, reads]) => {
                let population = zipf::Population::new(sessions.parse()?, exponent.parse()?);
                zipf::run(kind, &population, cached.parse()?, reads.parse()?, places).await
            }
            ("footprint", [kind, sessions]) => {
                footprint::run(kind, sessions.parse()?, places).await
            }
            ("nodes", [nodes, writes]) => nodes::run(nodes.parse()?, writes.parse()?, places).await,
            _ => Err(format!("no experiment `{name}` takes {arguments:?}").into()),
        }
    })?;
    println!("{figures}");
    Ok(())
}
