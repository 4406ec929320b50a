//! The promise of a lean build: whoever keeps sessions in memory compiles no TLS, SQL or Redis.

use std::collections::BTreeSet;

use crate::command::Cmd;
use crate::report::Report;

pub(crate) fn check(report: &mut Report) {
    for features in LEAN_FEATURES {
        report.record(is_lean(features));
    }
}

fn is_lean(features: &str) -> Result<(), String> {
    let tree = Cmd::cargo("tree")
        .args(["--package", FACADE, "--no-default-features", "--features", features])
        // An operating system's own TLS is a dependency on that system alone.
        .args(["--target", "all"])
        .args(["--edges", "normal", "--prefix", "none"])
        .output()?;
    let crates = crates_in(&tree);
    if !crates.contains(FACADE) {
        return Err(format!("`cargo tree` with `{features}` does not mention {FACADE}"));
    }
    let heavy: Vec<&str> = crates.iter().copied().filter(|name| is_forbidden(name)).collect();
    if heavy.is_empty() {
        eprintln!("{FACADE} with `{features}`: {} crates, none of them forbidden", crates.len());
        return Ok(());
    }
    Err(format!(
        "{FACADE} with only `{features}` pulls in {}; `--invert <crate>` in place of `--prefix \
         none` shows through what",
        heavy.join(", ")
    ))
}

/// Each line starts with the name: `bytes v1.12.0 (*)`.
fn crates_in(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => name == *pattern,
    })
}

const FACADE: &str = "session-kit";

const LEAN_FEATURES: [&str; 3] = ["memory", "memory,axum", "memory,actix"];

/// A trailing `*` stands for a family of crates.
#[rustfmt::skip]
const FORBIDDEN: &[&str] = &[
    // TLS
    "aws-lc-*", "boring*", "hyper-rustls", "hyper-tls", "native-tls", "openssl*", "ring",
    "rustls*", "s2n-*", "schannel", "security-framework*", "tokio-boring*", "tokio-native-tls",
    "tokio-openssl", "tokio-rustls",
    // SQL
    "deadpool-postgres", "diesel*", "libsql*", "libsqlite3-sys", "mysql*", "postgres*",
    "rusqlite*", "sea-orm*", "sea-query*", "sqlite*", "sqlx*", "tokio-postgres*", "tokio-rusqlite",
    // Redis
    "bb8-redis", "deadpool-redis", "fred*", "redis*", "rustis*",
];

#[cfg(test)]
mod tests {
    use super::{crates_in, is_forbidden};

    fn forbidden_in(tree: &str) -> Vec<&str> {
        crates_in(tree).into_iter().filter(|name| is_forbidden(name)).collect()
    }

    #[test]
    fn a_lean_tree_is_clean() {
        let tree = "session-kit v0.1.0 (/src/session-kit)\n\
                    session-memory v0.1.0 (/src/session-kit/session-memory)\n\
                    tokio v1.48.0\n\
                    tokio-macros v2.6.0 (proc-macro)\n\
                    string-ring v1.0.0\n\
                    \n\
                    tokio v1.48.0 (*)\n";
        assert_eq!(forbidden_in(tree), [""; 0]);
    }

    #[test]
    fn heavy_crates_are_found_once_each() {
        let tree = "session-kit v0.1.0 (/src/redis/session-kit)\n\
                    ring v0.17.14\n\
                    rustls v0.23.35\n\
                    rustls-pki-types v1.13.0\n\
                    rustls v0.23.35 (*)\n\
                    sqlx-core v0.8.6\n\
                    fred v10.1.0\n";
        let found = forbidden_in(tree);
        assert_eq!(found, ["fred", "ring", "rustls", "rustls-pki-types", "sqlx-core"]);
    }
}
