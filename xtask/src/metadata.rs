//! The parts of `cargo metadata` that the commands read.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::command::Cmd;
use crate::rust_version::RustVersion;

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    workspace_members: Vec<String>,
    pub(crate) resolve: Option<Resolve>,
}

impl Metadata {
    /// The members of the workspace alone.
    pub(crate) fn members() -> Result<Self, String> {
        Self::read(&["--no-deps"])
    }

    /// Members and dependencies, with every feature on.
    pub(crate) fn graph() -> Result<Self, String> {
        Self::read(&["--all-features"])
    }

    /// The members that go to crates.io.
    pub(crate) fn publishable(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| {
            self.workspace_members.contains(&package.id) && package.is_publishable()
        })
    }

    fn read(scope: &[&str]) -> Result<Self, String> {
        let json = Cmd::cargo("metadata").args(["--format-version", "1"]).args(scope).output()?;
        serde_json::from_str(&json).map_err(|error| format!("`cargo metadata`: {error}"))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) rust_version: Option<RustVersion>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    targets: Vec<Target>,
    publish: Option<Vec<String>>,
}

impl Package {
    pub(crate) fn has_library(&self) -> bool {
        self.targets.iter().any(Target::is_library)
    }

    /// `publish = false` reads as a list of no registry at all.
    fn is_publishable(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Target {
    fn is_library(&self) -> bool {
        self.kind.iter().any(|kind| matches!(kind.as_str(), "lib" | "rlib" | "proc-macro"))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    #[serde(rename = "pkg")]
    pub(crate) id: String,
    dep_kinds: Vec<DependencyKind>,
}

impl Dependency {
    /// Whether those who depend on the package build this too.
    pub(crate) fn reaches_users(&self) -> bool {
        self.dep_kinds.iter().any(|edge| edge.kind.as_deref() != Some("dev"))
    }
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    /// Nothing for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
}
