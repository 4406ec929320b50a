//! Calls of other programs, shown before they run so that they can be repeated by hand.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Debug, Clone)]
pub(crate) struct Cmd {
    program: String,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Cmd {
    pub(crate) fn new(program: &str) -> Self {
        Self { program: program.to_owned(), arguments: Vec::new(), variables: Vec::new() }
    }

    pub(crate) fn cargo(subcommand: &str) -> Self {
        Self::new("cargo").arg(subcommand)
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub(crate) fn args<I>(mut self, arguments: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Runs with the output passed through.
    pub(crate) fn run(&self) -> Result<(), String> {
        eprintln!("\n$ {self}");
        let status = self.command().status().map_err(|error| self.not_started(&error))?;
        if status.success() { Ok(()) } else { Err(format!("`{self}` failed ({status})")) }
    }

    /// Runs and returns what it wrote to standard output.
    pub(crate) fn output(&self) -> Result<String, String> {
        eprintln!("\n$ {self}");
        let output = self
            .command()
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.not_started(&error))?;
        if !output.status.success() {
            return Err(format!("`{self}` failed ({})", output.status));
        }
        String::from_utf8(output.stdout)
            .map_err(|error| format!("`{self}` did not write UTF-8: {error}"))
    }

    /// Asks in silence whether a program is there: what it wrote, if it started and succeeded.
    pub(crate) fn probe(&self) -> Option<String> {
        let output = self.command().output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            // Inherited from `cargo xtask`, and a cargo of another toolchain would obey it.
            .env_remove("CARGO")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .stdin(Stdio::null());
        command
    }

    fn not_started(&self, error: &std::io::Error) -> String {
        format!("`{self}` did not start: {error}")
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::Cmd;

    #[test]
    fn shows_what_a_shell_would_take() {
        let doc = Cmd::cargo("doc").arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(doc.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");

        let filter = Cmd::cargo("test").args(["", "it's", "test(=a)"]);
        assert_eq!(filter.to_string(), r"cargo test '' 'it'\''s' 'test(=a)'");
    }

    #[test]
    fn a_program_that_is_missing_or_fails_is_an_error() {
        let missing = Cmd::new("no-such-program-anywhere");
        assert!(missing.run().is_err());
        assert!(missing.output().is_err());
        assert_eq!(missing.probe(), None);

        let failing = Cmd::cargo("no-such-subcommand");
        assert_eq!(failing.probe(), None);
    }
}
