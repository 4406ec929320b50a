//! The same small application on session-kit, on its peers, and on nothing: one variant for each
//! process. `peers-driver` starts them, asks them, and reads their CPU time.

mod application;
mod variants;

mod bare;
mod raw_cache;
mod raw_redis;

mod on_session_kit;
mod on_session_kit_actix;

mod on_axum_session;
mod on_tower_sessions;

mod on_actix;

mod control;
mod experiments;

use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt as _};

use self::variants::{Failure, Places, Variant};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut arguments = Parser::from_env();
    let (mut places, mut words) = (Places::default(), Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("redis") => places.redis = arguments.value()?.string()?,
            Arg::Long("postgres") => places.postgres = arguments.value()?.string()?,
            Arg::Long("sqlite") => places.sqlite = arguments.value()?.string()?,
            Arg::Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", name] => serve(name, &places),
        ["list"] => {
            Variant::ALL.iter().for_each(|variant| println!("{}", variant.name));
            Ok(())
        }
        ["experiment", name, ref arguments @ ..] => experiments::run(name, arguments, &places),
        _ => Err("usage: peers-server serve VARIANT | list | experiment NAME [ARGUMENTS]".into()),
    }
}

fn serve(name: &str, places: &Places) -> Result<(), Failure> {
    let variant = Variant::named(name)?;
    control::obey();
    (variant.serve)(places)
}
