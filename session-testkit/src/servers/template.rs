//! Data directories that are made once and copied from then on, which takes a tenth of the time.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use rustix::process::geteuid;

use super::program::{Program, input};

/// A program that has a part in making a data directory.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) program: Program,
    pub(super) arguments: Vec<String>,
    /// What it reads from its standard input.
    pub(super) input: &'static str,
}

/// Fills the empty `folder`, which belongs to the server's account, with what the steps make of
/// an empty folder. They run under that account, too.
///
/// The result is kept in the temporary folder of the system, as one archive for each build of the
/// server, each version of the steps and each of us. It appears there at once and complete,
/// whoever else makes the same one.
pub(super) fn unpack(
    server: &Program,
    folder: &Path,
    steps: impl Fn(&Path) -> Vec<Step>,
) -> io::Result<()> {
    let archive = archive(server, steps)?;
    let mut tar = tar(server);
    tar.args(["-xpf", "-", "-C"]).arg(folder).stdin(archive);
    run(tar).map(drop)
}

fn archive(server: &Program, steps: impl Fn(&Path) -> Vec<Step>) -> io::Result<File> {
    /// Servers that are started at once wait for the first one's.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);

    let path = path(server, &steps(Path::new("folder")))?;
    if path.exists() {
        return open(&path);
    }
    let folder = server.account().folder()?;
    for Step { program, arguments, input: text } in steps(folder.path()) {
        let mut command = program.command();
        command.args(arguments).current_dir(folder.path()).stdin(input(text)?);
        command.env("TMPDIR", folder.path());
        run(command)?;
    }
    let archive = tempfile::NamedTempFile::new()?;
    let mut tar = tar(server);
    tar.args(["-cf", "-", "-C"]).arg(folder.path()).arg(".").stdout(archive.reopen()?);
    run(tar)?;
    archive.as_file().sync_all()?;
    archive.persist(&path)?;
    open(&path)
}

/// Where the archive is, or is going to be.
fn path(server: &Program, steps: &[Step]) -> io::Result<PathBuf> {
    let installed = server.path().metadata()?;
    let mut hasher = DefaultHasher::new();
    (installed.len(), installed.mtime(), format!("{steps:?}")).hash(&mut hasher);
    let (user, name, hash) = (geteuid().as_raw(), server.name(), hasher.finish());
    Ok(std::env::temp_dir().join(format!("session-testkit-{user}-{name}-{hash:016x}.tar")))
}

/// Anybody may have put a file of this name in a folder that all share.
fn open(path: &Path) -> io::Result<File> {
    let archive = File::open(path)?;
    if archive.metadata()?.uid() == geteuid().as_raw() {
        Ok(archive)
    } else {
        Err(io::Error::other(format!("{} is somebody else's: remove it", path.display())))
    }
}

fn tar(server: &Program) -> Command {
    Program::find("tar", "tar").run_as(server.account()).command()
}

fn run(mut command: Command) -> io::Result<Output> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&said))))
}
