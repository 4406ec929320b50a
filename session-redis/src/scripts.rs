//! The operations that are more than one command, each executed by the server as one step.

use std::sync::LazyLock;

use redis::Cmd;

/// A script, called by its hash; a server that does not know it yet is sent the source.
pub(crate) struct Script {
    source: &'static str,
    hash: String,
}

pub(crate) static CREATE: LazyLock<Script> = script!("create");
pub(crate) static REPLACE: LazyLock<Script> = script!("replace");
pub(crate) static ROTATE: LazyLock<Script> = script!("rotate");
pub(crate) static TOUCH: LazyLock<Script> = script!("touch");
pub(crate) static DELETE: LazyLock<Script> = script!("delete");
pub(crate) static LOAD_NEWER: LazyLock<Script> = script!("load_newer");
pub(crate) static LIST_SUBJECT: LazyLock<Script> = script!("list_subject");
pub(crate) static PRUNE_SUBJECT: LazyLock<Script> = script!("prune_subject");
pub(crate) static ECHO: LazyLock<Script> = script!("echo");

impl Script {
    /// The beginning of a call: what follows are the keys, and then the arguments.
    pub(crate) fn call(&self, by_source: bool, keys: &[&[u8]]) -> Cmd {
        // Room for most calls, so that adding the arguments moves nothing.
        let mut command = Cmd::with_capacity(16, 1_024);
        if by_source {
            command.arg("EVAL").arg(self.source);
        } else {
            command.arg("EVALSHA").arg(&self.hash);
        }
        command.arg(keys.len());
        for key in keys {
            command.arg(*key);
        }
        command
    }
}

macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| {
            let source = include_str!(concat!("scripts/", $name, ".lua"));
            let hash = redis::Script::new(source).get_hash().to_owned();
            Script { source, hash }
        })
    };
}
use script;
