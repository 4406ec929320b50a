//! The programs that tests drive. A missing one is installed or asked for, never passed over.

use std::fs;
use std::path::PathBuf;

use crate::command::Cmd;

/// Installs the programs that the tests of `in_scope` need and that are not here yet.
pub(crate) fn provide(in_scope: impl Fn(&str) -> bool) -> Result<(), String> {
    let is_needed =
        |requirement: &&Requirement| requirement.needed_by.iter().any(|package| in_scope(package));
    let needed = || REQUIREMENTS.iter().filter(is_needed);
    let missing = || needed().filter(|requirement| !is_installed(requirement.binary));

    let wanted: Vec<&Requirement> = missing().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    install(&wanted).map_err(|reason| explain(&wanted, &reason))?;

    let absent: Vec<&Requirement> = missing().collect();
    if absent.is_empty() {
        Ok(())
    } else {
        Err(explain(&absent, "apt-get succeeded, and still they are not on PATH"))
    }
}

#[derive(Debug)]
struct Requirement {
    name: &'static str,
    binary: &'static str,
    debian_package: &'static str,
    /// The workspace packages whose tests use it.
    needed_by: &'static [&'static str],
}

fn is_installed(binary: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let file = format!("{binary}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path)
        // Debian keeps servers here, and leaves it out of the PATH of ordinary users.
        .chain([PathBuf::from("/usr/sbin")])
        .chain(postgresql_programs())
        .any(|directory| directory.join(&file).is_file())
}

/// Where Debian keeps those of PostgreSQL, one folder for each version, and never on the PATH.
fn postgresql_programs() -> impl Iterator<Item = PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin"))
}

fn install(missing: &[&Requirement]) -> Result<(), String> {
    // Networks fail, and a machine that has just started may be at its own updates.
    let options =
        ["-oAcquire::Retries=10", "-oAcquire::http::Timeout=60", "-oDPkg::Lock::Timeout=600"];
    let apt_get = apt_get()?.args(options);
    // Old lists may well suffice: a single unreachable source need not stop the installation.
    if let Err(message) = apt_get.clone().arg("update").run() {
        eprintln!("{message}; going on with the lists at hand");
    }
    apt_get
        .args(["install", "-y", "--no-install-recommends"])
        .args(missing.iter().map(|requirement| requirement.debian_package))
        .run()
}

fn apt_get() -> Result<Cmd, String> {
    if !is_installed("apt-get") {
        return Err("this system has no apt-get to install them with".to_owned());
    }
    // As arguments, because sudo drops the variables of its caller.
    let command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    if Cmd::new("id").arg("-u").probe().is_some_and(|user| user.trim() == "0") {
        return Ok(Cmd::new(command[0]).args(&command[1..]));
    }
    if Cmd::new("sudo").args(["-n", "true"]).probe().is_some() {
        return Ok(Cmd::new("sudo").arg("-n").args(command));
    }
    Err("installing them takes root, or a sudo that asks for no password".to_owned())
}

fn explain(missing: &[&Requirement], reason: &str) -> String {
    let programs: Vec<String> = missing
        .iter()
        .map(|requirement| {
            let Requirement { name, binary, needed_by, .. } = requirement;
            format!("  {binary} ({name}, for the tests of {})\n", needed_by.join(", "))
        })
        .collect();
    let packages: Vec<&str> =
        missing.iter().map(|requirement| requirement.debian_package).collect();
    format!(
        "the tests need programs that are missing:\n{}{reason}.\nInstall them, on Debian with \
         `apt-get install {}`, elsewhere so that they are on PATH under these names.",
        programs.concat(),
        packages.join(" ")
    )
}

#[rustfmt::skip]
const REQUIREMENTS: &[Requirement] = &[
    Requirement { name: "a headless browser", binary: "chromium", debian_package: "chromium", needed_by: &["portal"] },
    Requirement { name: "its WebDriver", binary: "chromedriver", debian_package: "chromium-driver", needed_by: &["portal"] },
    Requirement { name: "Redis", binary: "redis-server", debian_package: "redis-server", needed_by: &["session-testkit", "session-redis", "session-layered", "portal", "gateway", "session-tower-sessions", "session-actix-session", "example-axum-login", "example-actix-session", "benches"] },
    Requirement { name: "PostgreSQL", binary: "postgres", debian_package: "postgresql", needed_by: &["session-testkit", "session-sql", "session-layered", "portal", "benches"] },
    Requirement { name: "PgBouncer", binary: "pgbouncer", debian_package: "pgbouncer", needed_by: &["session-testkit", "session-sql", "session-layered", "portal"] },
    Requirement { name: "MariaDB", binary: "mariadbd", debian_package: "mariadb-server", needed_by: &["session-testkit", "session-sql", "session-layered", "portal"] },
    Requirement { name: "nginx", binary: "nginx", debian_package: "nginx", needed_by: &["session-testkit", "gateway"] },
    Requirement { name: "Caddy", binary: "caddy", debian_package: "caddy", needed_by: &["session-testkit", "gateway"] },
];

#[cfg(test)]
mod tests {
    use super::{REQUIREMENTS, explain, is_installed, provide};

    #[test]
    fn finds_programs_on_the_path() {
        assert!(is_installed("cargo"));
        assert!(!is_installed("no-such-program-anywhere"));
    }

    #[test]
    fn nothing_is_installed_for_tests_that_do_not_run() {
        assert_eq!(provide(|_| false), Ok(()));
    }

    #[test]
    fn the_message_says_what_to_install_and_why() {
        let message = explain(&REQUIREMENTS.iter().collect::<Vec<_>>(), "no apt-get here");
        for part in [
            "chromedriver",
            "for the tests of portal",
            "session-testkit, session-redis, session-layered, portal, gateway",
            "no apt-get here",
            "chromium chromium-driver redis-server postgresql pgbouncer mariadb-server nginx \
             caddy",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
}
