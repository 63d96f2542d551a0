//! What it costs to play two hundred scenarios over ten rules, as a user does: the program is started, reads the folder,
//! plays, and says what came of it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Result;
use crate::arguments::Arguments;
use crate::report::{Report, Target};

const RULES: usize = 10;
const SCENARIOS: usize = 200;
const ROUNDS: usize = 9;

pub(crate) fn run(mut words: Arguments) -> Result {
    let binary: Option<PathBuf> = words.option("--binary")?;
    let binary = binary.ok_or("--binary PATH is needed: the program that is measured")?;
    let mut report = Report::new("scenarios", &mut words)?;
    let scenarios: usize = words.option("--scenarios")?.unwrap_or(SCENARIOS);
    words.end()?;
    let folder = tempfile::tempdir().map_err(|why| format!("no folder can be made: {why}"))?;
    let write = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).map_err(|why| format!("cannot write {name}: {why}"))
    };
    write("rules.yaml", rules())?;
    write("scenarios.yaml", (0..scenarios).map(scenario).collect())?;
    let (mut test, mut check, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (checked, tested) = (timed(&binary, "check", folder.path())?, timed(&binary, "test", folder.path())?);
        check.push(checked * 1e3);
        test.push(tested * 1e3);
        ratio.push(tested / checked);
    }
    let claim = if scenarios == SCENARIOS { Target::AtMost(1_000.0) } else { Target::None };
    let note =
        "each an event that fires, one that does not, a retry after a failure, an emitted event, and four expectations";
    report.rounds(&format!("{scenarios} scenarios over {RULES} rules"), &test, "ms", claim, note);
    report.rounds(
        "`ensue check` of the same folder",
        &check,
        "ms",
        Target::None,
        "start, reading, compiling, looking for loops",
    );
    report.rounds("scenarios / check", &ratio, "", Target::None, "in each round");
    report.write()
}

/// Wall-clock seconds of one command over the folder; it must end well.
fn timed(binary: &Path, command: &str, folder: &Path) -> Result<f64> {
    let began = Instant::now();
    let mut run = Command::new(binary);
    let out = run.arg(command).arg(folder).args(["-o", "json"]).stdin(Stdio::null()).output();
    let took = began.elapsed().as_secs_f64();
    let out = out.map_err(|why| format!("cannot start {}: {why}", binary.display()))?;
    if out.status.success() {
        return Ok(took);
    }
    let (out, err) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    Err(format!("ensue {command} is not content: {}", out.lines().last().unwrap_or(&err)))
}

fn rules() -> String {
    let mut out = String::from(
        "apiVersion: ensue.dev/v1\nkind: Connection\nmetadata: { name: api }\n\
         spec: { http: { url: \"https://api.example.com\" } }\n",
    );
    for rule in 0..RULES {
        let _ = write!(
            out,
            "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: rule-{rule} }}\nspec:\n  \
             when: {{ event: {{ type: [com.example.made.{rule}], data: {{ stage: [prod] }} }}, key: event.data.service }}\n  \
             let: {{ service: event.data.service, size: \"event.data.sizes.map(s, s * 2)\" }}\n  if: let.size[0] > 1\n  \
             dedupe: {{ window: 10m }}\n  steps:\n    \
             - id: put\n      uses: http/request\n      connection: api\n      \
             with: {{ method: PUT, path: \"/services/${{{{ let.service }}}}\", body: {{ size: \"${{{{ let.size }}}}\" }} }}\n      \
             retry: {{ max: 3, backoff: exponential, initial: 1s, cap: 30s }}\n    \
             - {{ id: said, emit: {{ type: com.example.put.{rule}, data: {{ service: \"${{{{ let.service }}}}\" }} }} }}\n"
        );
    }
    out
}

fn scenario(number: usize) -> String {
    let rule = number % RULES;
    format!(
        "---\napiVersion: ensue.dev/v1\nkind: Scenario\nmetadata: {{ name: number {number} }}\nspec:\n  given:\n    \
         - {{ at: 0s, event: {{ type: com.example.made.{rule}, data: {{ stage: prod, service: s-{number}, sizes: [1, 2, 3] }} }} }}\n    \
         - {{ at: 1m, event: {{ type: com.example.made.{rule}, data: {{ stage: test, service: s-{number}, sizes: [1] }} }} }}\n  \
         actions:\n    http/request: {{ sequence: [{{ fails: {{ name: Connect }}, after: 2s }}, {{ returns: {{ status: 200 }}, after: 1s }}] }}\n  \
         expect:\n    - {{ rule: rule-{rule}, fires: 1, key: s-{number} }}\n    \
         - {{ action: http/request, times: 2, with: {{ body: {{ size: [2, 4, 6] }} }} }}\n    \
         - {{ run: rule-{rule}, status: succeeded }}\n    \
         - {{ event: com.example.put.{rule}, times: 1, data: {{ service: s-{number} }} }}\n"
    )
}
