//! Policies in Rego, by regorus' register machine: its instructions are counted, and nothing else of the machine that
//! it runs on is seen.
//!
//! regorus is built without its `std`, `time`, `rand`, `http` and `net` features: its maps are ordered, and there is no
//! function that would ask a clock, chance or the network. What could make much of little in one instruction is refused
//! when the module is compiled (`REFUSED`), and so is a text that is longer than `MAX_TEXT`.

use std::fmt;
use std::sync::Arc;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::RegoVM;
use regorus::rvm::program::Program;
use regorus::{Engine, Value};
use serde_json::Value as Json;

/// Instructions of one evaluation; as many as an expression has steps.
const INSTRUCTIONS: usize = 100_000;
/// Bytes of a module.
const MAX_TEXT: usize = 32 * 1024;
/// Bytes of what a module is asked about, as JSON: events and `with` are at most a record.
const MAX_INPUT: usize = 1024 * 1024;
/// Functions whose result may be far larger than what they are given.
const REFUSED: &[&str] = &["numbers.range", "numbers.range_step", "bits.lsh"];

/// The names of files in regorus' messages.
const MODULE: &str = "policy.rego";
const QUERY: &str = "query.rego";
/// What of a module is looked at: each a list of one, or of none where it is undefined.
const ASKED: &str = "package ensue_query\n\
    said := {\"deny\": [all | all := data.ensue.deny], \"approve\": [all | all := data.ensue.approve], \
    \"allow\": [all | all := data.ensue.allow]}\n";
const ENTRY: &str = "data.ensue_query.said";

/// A compiled module.
#[derive(Clone)]
pub struct Module(Arc<Program>);

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Module").finish_non_exhaustive()
    }
}

/// What a module says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// Members of `deny`.
    pub(crate) deny: Vec<Json>,
    /// Members of `approve`.
    pub(crate) approve: Vec<Json>,
    /// `allow`, where it is defined.
    pub(crate) allow: Option<bool>,
}

/// A mistake in a module: its line and column, from 1, and what it is.
pub type Mistake = (usize, usize, String);

impl Module {
    /// Compiles a module of the package `ensue`.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn compile(text: &str) -> Result<Module, Mistake> {
        if text.len() > MAX_TEXT {
            return Err((1, 1, format!("the module has {} bytes, at most {MAX_TEXT} are read", text.len())));
        }
        let wrong = |why: &dyn fmt::Display| mistake(&why.to_string());
        let mut engine = Engine::new();
        let package = engine.add_policy(MODULE.to_owned(), text.to_owned()).map_err(|why| wrong(&why))?;
        if package != "data.ensue" {
            let package = package.trim_start_matches("data.");
            return Err((1, 1, format!("the package is `{package}`; write `package ensue`: only that is asked")));
        }
        engine.add_policy(QUERY.to_owned(), ASKED.to_owned()).map_err(|why| wrong(&why))?;
        let compiled = engine.compile_with_entrypoint(&ENTRY.into()).map_err(|why| wrong(&why))?;
        let program = Compiler::compile_from_policy(&compiled, &[ENTRY]).map_err(|why| wrong(&why))?;
        let used = program.builtin_info_table.iter().find(|info| REFUSED.contains(&info.name.as_str()));
        if let Some(info) = used {
            let (line, column) = place(text, &info.name);
            let message = format!("`{}` may not be used: what it makes has no bound", info.name);
            return Err((line, column, message));
        }
        Ok(Module(program))
    }

    /// What it says of an input; an error in words.
    pub(crate) fn ask(&self, input: &Json) -> Result<Said, String> {
        let text = input.to_string();
        if text.len() > MAX_INPUT {
            return Err(format!("what it is asked about has {} bytes, at most {MAX_INPUT} are looked at", text.len()));
        }
        let mut machine = RegoVM::new();
        machine.load_program(Arc::clone(&self.0));
        machine.set_max_instructions(INSTRUCTIONS);
        machine.set_strict_builtin_errors(true);
        machine.set_data(Value::new_object()).map_err(|why| why.to_string())?;
        machine.set_input(Value::from_json_str(&text).map_err(|why| why.to_string())?);
        let said = machine.execute().map_err(|why| match why.to_string() {
            long if long.contains("instruction limit") => format!("more than {INSTRUCTIONS} instructions"),
            other => other,
        })?;
        let allow = match first(&said, "allow") {
            Some(Value::Bool(allow)) => Some(allow),
            Some(other) => return Err(format!("`allow` must be true or false, not {other}")),
            None => None,
        };
        Ok(Said { deny: members(first(&said, "deny")), approve: members(first(&said, "approve")), allow })
    }
}

/// The value of a rule, where it is defined.
fn first(said: &Value, rule: &str) -> Option<Value> {
    let list = said.as_object().ok()?.get(&Value::from(rule))?.as_array().ok()?.first()?.clone();
    (list != Value::Undefined).then_some(list)
}

/// The members of what a rule gives: of a set or a list, the keys of a map that `rule[x]` makes, or the one value.
fn members(value: Option<Value>) -> Vec<Json> {
    let json = |value: &Value| serde_json::to_value(value).unwrap_or_default();
    let all = match &value {
        None | Some(Value::Bool(false)) => Vec::new(),
        Some(Value::Set(all)) => all.iter().collect(),
        Some(Value::Array(all)) => all.iter().collect(),
        Some(Value::Object(map)) if map.values().all(|value| *value == Value::Bool(true)) => map.keys().collect(),
        Some(one) => vec![one],
    };
    all.into_iter().filter(|value| **value != Value::Undefined).map(json).collect()
}

/// Place and message of an error of regorus: `--> policy.rego:3:7`, an excerpt, and `error: …`. One that wraps another
/// has two places, the inner one last.
fn mistake(text: &str) -> Mistake {
    let place = text.rsplit_once(&format!("{MODULE}:")).and_then(|(_, rest)| {
        let mut numbers = rest.lines().next()?.splitn(2, ':').map(|number| number.trim().parse::<usize>().ok());
        Some((numbers.next()??, numbers.next()??))
    });
    let (line, column) = place.unwrap_or((1, 1));
    let message = text.rsplit_once("error: ").map_or(text, |(_, message)| message).trim();
    (line, column, message.to_owned())
}

/// Where a word stands first.
fn place(text: &str, word: &str) -> (usize, usize) {
    let found = text.lines().enumerate().find_map(|(at, line)| Some((at + 1, line.split_once(word)?.0)));
    found.map_or((1, 1), |(line, before)| (line, before.chars().count() + 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Module, Said};

    fn ask(text: &str, input: serde_json::Value) -> Result<Said, String> {
        Module::compile(&format!("package ensue\n{text}")).map_err(|why| format!("{why:?}"))?.ask(&input)
    }

    #[test]
    fn every_form_of_a_rule_is_understood() {
        let input = json!({"action": {"name": "git/commit", "with": {"replicas": 21}}, "tags": ["a", "b"]});
        for (text, deny, approve, allow) in [
            ("deny contains \"no\" if input.action.with.replicas > 20", json!(["no"]), json!([]), None),
            ("deny[m] := true if { some m in input.tags; m != \"b\" }", json!(["a"]), json!([]), None),
            ("deny if input.action.with.replicas > 20", json!([true]), json!([]), None),
            ("deny := \"no\" if input.action.name == \"git/commit\"", json!(["no"]), json!([]), None),
            (
                "deny contains msg if { some t in input.tags; msg := sprintf(\"%s!\", [t]) }",
                json!(["a!", "b!"]),
                json!([]),
                None,
            ),
            ("deny contains \"absent\" if input.nothing.there > 1", json!([]), json!([]), None),
            (
                "approve contains {\"from\": [\"sre\"], \"min\": 2} if true",
                json!([]),
                json!([{"from": ["sre"], "min": 2}]),
                None,
            ),
            ("approve := {\"from\": [\"sre\"]}", json!([]), json!([{"from": ["sre"]}]), None),
            ("default allow := false\nallow if input.tags[0] == \"b\"", json!([]), json!([]), Some(false)),
            ("allow if regex.match(`^git/`, input.action.name)", json!([]), json!([]), Some(true)),
        ] {
            let said = ask(text, input.clone()).unwrap();
            let all = (json!(said.deny), json!(said.approve), said.allow);
            assert_eq!(all, (deny, approve, allow), "{text}");
        }
    }

    #[test]
    fn what_runs_on_or_makes_much_of_little_ends() {
        let many: Vec<u32> = (0..2_000).collect();
        let long = "deny contains \"x\" if { some i in input.all; some j in input.all; i * j == -1 }";
        assert_eq!(ask(long, json!({"all": many})).unwrap_err(), "more than 100000 instructions");
        let range = ask("deny contains x if { some x in numbers.range(1, input.n) }", json!({"n": 1}));
        assert!(range.unwrap_err().starts_with("(2, 32, \"`numbers.range` may not be used"));
        let big = ask("deny contains \"x\" if input.a == 1", json!({"a": "a".repeat(1 << 20)}));
        assert!(big.unwrap_err().ends_with("at most 1048576 are looked at"));
        let text = format!("# {}", "a".repeat(32 * 1024));
        assert!(ask(&text, json!({})).unwrap_err().contains("at most 32768 are read"));
    }

    #[test]
    fn a_mistake_has_its_place() {
        for (text, expected) in [
            ("package other\n", "(1, 1, \"the package is `other`; write `package ensue`: only that is asked\")"),
            ("package ensue\ndeny contains m if {\n  m := nope(3)\n}\n", "(3, 12, \"Unknown function: 'nope'\")"),
            ("package ensue\ndeny contains m if time.now_ns() > 3\n", "(2, 31, \"Unknown function: 'time.now_ns'\")"),
            ("package ensue\ndeny contains\n", "(3, 1, \"expecting expression\")"),
        ] {
            assert_eq!(format!("{:?}", Module::compile(text).unwrap_err()), expected, "{text}");
        }
    }
}
