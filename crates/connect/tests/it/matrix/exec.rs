//! A real program: it adds a line to a file, and then ends, or does not.

use ensue_connect::Call;
use serde_json::json;

use super::{Counterpart, How};
use crate::exec::alive;
use crate::support::call;

struct Program(tempfile::TempDir);

/// `exec/run`.
pub(super) async fn program() -> Box<dyn Counterpart> {
    Box::new(Program(tempfile::tempdir().unwrap()))
}

const SCRIPT: &str = "cd \"$1\"; [ -e refuses ] && exit 3; echo $$ > pid; echo done >> held; \
                      while [ -e stalls ]; do sleep 0.05; done";

impl Program {
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }
}

impl Counterpart for Program {
    fn call(&self) -> Call {
        let argv = json!(["sh", "-c", SCRIPT, "sh", self.0.path().to_str().unwrap()]);
        call("exec/run", Some(json!({ "enabled": true })), json!({ "argv": argv }))
    }
    fn behaves(&self, how: How) {
        for (name, wanted) in [("refuses", How::Refuses), ("stalls", How::Stalls)] {
            let file = self.0.path().join(name);
            if how == wanted { std::fs::write(file, "").unwrap() } else { drop(std::fs::remove_file(file)) }
        }
    }
    fn held(&self) -> usize {
        self.read("held").lines().count()
    }
    fn goes_on(&self) -> usize {
        let pid = self.read("pid");
        usize::from(!pid.trim().is_empty() && alive(pid.trim()))
    }
}
