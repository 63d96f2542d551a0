//! The fuzz targets on a stable compiler: every file of the corpus, and changes of them that are the same each time.

#[path = "../../../../fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Changed inputs for each target; `ENSUE_FUZZ` for more of them.
const CHANGED: usize = 3_000;
/// A changed input is cut to this.
const LONGEST: usize = 4_096;

/// Where these inputs come from is written in them: a seed gives the same ones on every machine.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// A target: its name, the function, and pieces of its language to be put in.
type Target = (&'static str, fn(&[u8]), &'static [&'static str]);

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0061",
    "\\ud83d\\ude00",
    "\\ud800",
    "null",
    "true",
    "-0",
    "1e308",
    "1e-400",
    "0.1",
    "18446744073709551616",
    "[[[[[[",
    "{\"a\":",
    "\"\"",
    "é",
    "\u{0}",
    " ",
    "\"a\":1,\"a\":2",
];

const PATTERN: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\n",
    "\"*\"",
    "{\"prefix\":\"a\"}",
    "{\"suffix\":\"b\"}",
    "{\"wildcard\":\"*a*b*\"}",
    "{\"exists\":false}",
    "{\"exists\":true}",
    "{\"anything-but\":[\"a\"]}",
    "{\"anything-but\":{\"prefix\":\"a\"}}",
    "{\"numeric\":[\">\",0,\"<=\",5]}",
    "{\"cidr\":\"10.0.0.0/8\"}",
    "{\"equals-ignore-case\":\"A\"}",
    "\"$or\":[{",
    "\"data\":{",
    "\"type\":[\"t\"]",
    "dev.ensue.",
    "null",
    "1e2",
    "-0.0",
    "a.b",
    "\\u0061",
    "[[",
    "{\"x\":[1,{\"y\":2}]}",
];

const CEL: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "?",
    ":",
    ".",
    ",",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "<",
    "&&",
    "||",
    " in ",
    "'",
    "\"",
    "\\",
    "event",
    ".data.n",
    "x",
    "1",
    "0x",
    "1u",
    "2.5e",
    "r'",
    "b'",
    "has(",
    ".map(x, ",
    ".exists(x, ",
    ".filter(x, ",
    ".all(x, ",
    ".orValue(",
    "cel.bind(x, ",
    "size(",
    "string(",
    "int(",
    "duration('1m')",
    "timestamp(0)",
    ".format([",
    ".matches('a+')",
    "now",
    "é",
    "😀",
    "\u{0}",
    "//",
    "null",
    "9223372036854775807",
    "${{ ",
    " }}",
];

const YAML: &[&str] = &[
    "\n",
    "\n  ",
    "\n    ",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "\"",
    "'",
    "|",
    ">",
    "#",
    "&a ",
    "*a",
    "!!str ",
    "? ",
    "\t",
    "é",
    "---\n",
    "${{ key }}",
    "${{",
    "kind: Rule\n",
    "kind: Workflow\n",
    "kind: Table\n",
    "  when: { event: { type: [t] } }\n",
    "within: 15m",
    "key: event.data.x",
    "null",
    "~",
    "1e3",
    "0x1f",
    "\\",
    "\r\n",
    "retry: { max: 3 }",
    "if: \"x\"",
];

fn replay((name, target, pieces): Target) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!((20..=400).contains(&corpus.len()), "{} files in {}", corpus.len(), folder.display());
    for (path, input) in files.iter().zip(&corpus) {
        run(target, input, &path.display().to_string());
    }
    let count = std::env::var("ENSUE_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(CHANGED);
    let mut rng = Rng(name.bytes().map(u64::from).sum());
    for nth in 0..count {
        let input = changed(&corpus, pieces, &mut rng);
        run(target, &input, &format!("{name}, change {nth}"));
    }
}

/// One of the corpus with some changes, each small, or a part of another put in.
fn changed(corpus: &[Vec<u8>], pieces: &[&str], rng: &mut Rng) -> Vec<u8> {
    let mut out = corpus[rng.below(corpus.len())].clone();
    for _ in 0..=rng.below(5) {
        let at = rng.below(out.len() + 1);
        match rng.below(8) {
            0 if at < out.len() => out[at] ^= 1 << rng.below(8),
            1 if at < out.len() => out[at] = rng.next() as u8,
            2 => drop(out.drain(at..(at + 1 + rng.below(12)).min(out.len()))),
            3 => {
                let copied = out[at..(at + 1 + rng.below(40)).min(out.len())].to_vec();
                let to = rng.below(out.len() + 1);
                out.splice(to..to, copied);
            }
            4 => {
                let other = &corpus[rng.below(corpus.len())];
                let from = rng.below(other.len() + 1);
                out.truncate(at);
                out.extend_from_slice(&other[from..]);
            }
            _ => {
                let piece = pieces[rng.below(pieces.len())].bytes();
                out.splice(at..at, piece);
            }
        }
        out.truncate(LONGEST);
    }
    out
}

fn run(target: fn(&[u8]), input: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        // As it would be written into a file of the corpus, and as one reads it.
        panic!("{what} fails:\n{}\n{:?}", String::from_utf8_lossy(input), String::from_utf8_lossy(input));
    }
}

#[test]
fn patterns() {
    replay(("pattern", targets::pattern, PATTERN));
}

#[test]
fn events() {
    replay(("event", targets::event, JSON));
}

#[test]
fn expressions() {
    replay(("cel", targets::cel, CEL));
}

#[test]
fn templates() {
    replay(("template", targets::template, CEL));
}

#[test]
fn manifests() {
    replay(("manifest", targets::manifest, YAML));
}
