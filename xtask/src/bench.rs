//! `cargo xtask bench`: session-kit beside its peers. Both programs are in `benches/peers`, a workspace
//! of its own that no other command builds (CI lints it).

use crate::command::Cmd;
use crate::provision;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    provision::provide(|package| package == "benches")?;
    // Beside its server, where it looks for it.
    build().run()?;
    drive(arguments).run()
}

fn build() -> Cmd {
    in_workspace("build")
}

fn drive(arguments: &[String]) -> Cmd {
    in_workspace("run").args(["--bin", "peers-driver", "--"]).args(arguments)
}

fn in_workspace(subcommand: &str) -> Cmd {
    // What is measured is what is checked in.
    Cmd::cargo(subcommand).args(["--release", "--locked", "--manifest-path", MANIFEST])
}

const MANIFEST: &str = "benches/peers/Cargo.toml";

#[cfg(test)]
mod tests {
    use super::{build, drive};

    #[test]
    fn arguments_go_to_the_driver() {
        assert_eq!(
            build().to_string(),
            "cargo build --release --locked --manifest-path benches/peers/Cargo.toml"
        );
        let arguments = ["latency".to_owned(), "--quick".to_owned()];
        assert_eq!(
            drive(&arguments).to_string(),
            "cargo run --release --locked --manifest-path benches/peers/Cargo.toml --bin \
             peers-driver -- latency --quick"
        );
    }
}
