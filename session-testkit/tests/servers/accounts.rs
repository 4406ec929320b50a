//! Servers run for root, who is refused by most of them, and for everybody else.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use session_testkit::servers::Postgres;

/// One for each server.
const TESTS: [&str; 5] = [
    "redis::a_server_answers_at_its_address",
    "postgres::a_server_answers_at_its_url",
    "pgbouncer::it_lets_the_application_through_to_the_server",
    "mariadb::a_server_answers_at_its_url",
    "nginx::it_answers_as_its_configuration_says",
];

#[test]
fn servers_run_for_those_who_are_not_root() {
    if user_of("self") != 0 {
        // So are all tests, then.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Where it was built, others may have no access.
    let program = folder.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();

    let mut command = Command::new(program);
    command.args(TESTS).arg("--exact").current_dir("/");
    let output = command.uid(nobody("-u")).gid(nobody("-g")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("{} passed", TESTS.len())), "{said}");
}

#[tokio::test]
async fn a_server_runs_as_somebody_else_for_root_alone() {
    let postgres = Postgres::start().await;
    let (ours, its) = (user_of("self"), user_of(&postgres.pid().unwrap().to_string()));
    assert_ne!(its, 0);
    assert!(ours == 0 || ours == its);
}

fn user_of(process: &str) -> u32 {
    fs::metadata(format!("/proc/{process}")).expect("a process").uid()
}

fn nobody(which: &str) -> u32 {
    let output = Command::new("id").args([which, "nobody"]).output().expect("the id of a user");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}
