//! The scan: what is accepted, what is refused and where, and what is handed out.

use ensue_event::json::{self, Kind, Part, Scanner, What};

/// Accepted, with what the value is.
const YES: &[(&str, Kind)] = &[
    // values on their own, space around them
    ("null", Kind::Null),
    (" true ", Kind::Bool),
    ("\r\n\tfalse\n", Kind::Bool),
    ("0", Kind::Number),
    ("\"\"", Kind::Text),
    ("[]", Kind::Array),
    ("{}", Kind::Object),
    ("[ ]", Kind::Array),
    ("{ }", Kind::Object),
    ("                                 [                      ]                     ", Kind::Array),
    // numbers
    ("-0", Kind::Number),
    ("-12", Kind::Number),
    ("0.5", Kind::Number),
    ("-0.0", Kind::Number),
    ("1e5", Kind::Number),
    ("1E+5", Kind::Number),
    ("1.5e-10", Kind::Number),
    ("0e1", Kind::Number),
    ("0e999999999999999999999", Kind::Number),
    ("1e-999999999999999999999", Kind::Number),
    ("1.7976931348623157e308", Kind::Number),
    ("123456789012345678901234567890", Kind::Number),
    ("18446744073709551616", Kind::Number),
    // strings
    (r#""\"\\\/\b\f\n\r\t""#, Kind::Text),
    (r#""\u0041\u00e9\u20AC""#, Kind::Text),
    (r#""\u0000""#, Kind::Text),
    (r#""\ud83d\ude00""#, Kind::Text),
    (r#""\uDBFF\uDFFF""#, Kind::Text),
    ("\"é €😀\u{7f}\u{2028}\u{ffff}\"", Kind::Text),
    ("\"seven77\"", Kind::Text),
    ("\"eight888\"", Kind::Text),
    ("\"nine99999\"", Kind::Text),
    ("\"sixteen letters.\"", Kind::Text),
    // nesting
    ("[1,\"a\",null,true,{},[]]", Kind::Array),
    ("[[[[[]]]],{\"a\":{\"a\":{\"a\":[{}]}}}]", Kind::Array),
    ("{\"a\":1,\"b\":{\"a\":1,\"b\":2},\"c\":[{\"a\":1},{\"a\":1}]}", Kind::Object),
    ("{\"\":1,\" \":2}", Kind::Object),
    ("{\"abcdefgh\":1,\"abcdefg\":2,\"abcdefgh\\u0000\":3,\"abcdefghi\":4}", Kind::Object),
];

/// Refused: the text, the byte of the mistake, what is said.
const NO: &[(&str, usize, &str)] = &[
    ("", 0, "expected a value, found the end"),
    ("   ", 3, "expected a value, found the end"),
    ("\u{feff}{}", 0, "JSON text begins without a byte order mark"),
    // after the text
    ("{} {}", 3, "expected the end of the text, found `{`"),
    ("1 2", 2, "expected the end of the text, found `2`"),
    ("[]]", 2, "expected the end of the text, found `]`"),
    ("null\0", 4, "expected the end of the text, found `\\0`"),
    ("{}#", 2, "expected the end of the text, found `#`"),
    ("{}\u{a0}", 2, "expected the end of the text, found `\\u{a0}`"),
    ("truex", 4, "expected the end of the text, found `x`"),
    // literals
    ("tru", 3, "expected `true`, found the end"),
    ("True", 0, "expected a value, found `T`"),
    ("falsy", 4, "expected `false`, found `y`"),
    ("nul1", 3, "expected `null`, found `1`"),
    ("NaN", 0, "expected a value, found `N`"),
    ("undefined", 0, "expected a value, found `u`"),
    // numbers
    ("-", 1, "expected a digit, found the end"),
    ("-a", 1, "expected a digit, found `a`"),
    ("--1", 1, "expected a digit, found `-`"),
    ("+1", 0, "expected a value, found `+`"),
    ("01", 0, "a number does not begin with a 0 before other digits"),
    ("-012", 1, "a number does not begin with a 0 before other digits"),
    (".5", 0, "expected a value, found `.`"),
    ("1.", 2, "expected a digit after the decimal point, found the end"),
    ("1.e1", 2, "expected a digit after the decimal point, found `e`"),
    ("1e", 2, "expected a digit in the exponent, found the end"),
    ("1e+", 3, "expected a digit in the exponent, found the end"),
    ("1e5.5", 3, "expected the end of the text, found `.`"),
    ("0x10", 1, "expected the end of the text, found `x`"),
    ("1_000", 1, "expected the end of the text, found `_`"),
    ("Infinity", 0, "expected a value, found `I`"),
    ("[1e309]", 1, "the number is too large"),
    ("-1e999999999999999999999", 0, "the number is too large"),
    // strings
    ("\"", 1, "expected `\"` at the end of the string, found the end"),
    ("\"abc", 4, "expected `\"` at the end of the string, found the end"),
    ("\"abcdefghijklmnopqrstuvwxyz", 27, "expected `\"` at the end of the string, found the end"),
    ("'a'", 0, "expected a value, found `'`"),
    ("\"a\nb\"", 2, "a string holds the control character U+000A; write it as \\u000a"),
    ("\"\0\"", 1, "a string holds the control character U+0000; write it as \\u0000"),
    ("\"abcdefghijkl\u{1f}\"", 13, "a string holds the control character U+001F; write it as \\u001f"),
    ("\"\\x\"", 2, "expected one of \" \\ / b f n r t u after `\\`, found `x`"),
    ("\"\\", 2, "expected one of \" \\ / b f n r t u after `\\`, found the end"),
    ("\"\\u12\"", 5, "expected four hexadecimal digits after `\\u`, found `\"`"),
    ("\"\\u12g4\"", 5, "expected four hexadecimal digits after `\\u`, found `g`"),
    ("\"\\U0041\"", 2, "expected one of \" \\ / b f n r t u after `\\`, found `U`"),
    // lone surrogates: RFC 8259 allows them, no text can hold them
    ("\"\\ud83d\"", 1, "half of a surrogate pair stands without its other half"),
    ("\"a\\ude00\"", 2, "half of a surrogate pair stands without its other half"),
    ("\"\\ud83d\\u0041\"", 1, "half of a surrogate pair stands without its other half"),
    ("\"\\ud83dx\\ude00\"", 1, "half of a surrogate pair stands without its other half"),
    ("{\"\\udc00\":1}", 2, "half of a surrogate pair stands without its other half"),
    // arrays
    ("[", 1, "expected a value, found the end"),
    ("[,1]", 1, "expected a value, found `,`"),
    ("[1,]", 3, "expected a value, found `]`"),
    ("[1,,2]", 3, "expected a value, found `,`"),
    ("[1 2]", 3, "expected `,` or `]`, found `2`"),
    ("[1", 2, "expected `,` or `]`, found the end"),
    ("[1}", 2, "expected `,` or `]`, found `}`"),
    ("[\"a\":1]", 4, "expected `,` or `]`, found `:`"),
    // objects
    ("{", 1, "expected a key in quotes or `}`, found the end"),
    ("{,}", 1, "expected a key in quotes or `}`, found `,`"),
    ("{1:1}", 1, "expected a key in quotes or `}`, found `1`"),
    ("{a:1}", 1, "expected a key in quotes or `}`, found `a`"),
    ("{\"a\"", 4, "expected `:` after the key, found the end"),
    ("{\"a\" 1}", 5, "expected `:` after the key, found `1`"),
    ("{\"a\",1}", 4, "expected `:` after the key, found `,`"),
    ("{\"a\":}", 5, "expected a value, found `}`"),
    ("{\"a\"::1}", 5, "expected a value, found `:`"),
    ("{\"a\":1,}", 7, "expected a key in quotes after `,`, found `}`"),
    ("{\"a\":1 \"b\":2}", 7, "expected `,` or `}`, found `\"`"),
    ("{\"a\":1]", 6, "expected `,` or `}`, found `]`"),
    ("{\"a\":1/*c*/}", 6, "expected `,` or `}`, found `/`"),
    // duplicate keys, at any depth, however they are written
    ("{\"a\":1,\"a\":2}", 7, "the key `a` stands in this object already"),
    ("{\"a\":1,\"b\":{\"c\":1,\"c\":1}}", 18, "the key `c` stands in this object already"),
    ("[{\"\":1,\"\":2}]", 7, "the key `` stands in this object already"),
    ("{\"a\":{},\"b\":[],\"a\":3}", 15, "the key `a` stands in this object already"),
    ("{\"a\":1,\"\\u0061\":2}", 7, "the key `a` stands in this object already"),
    ("{\"\\u0061\":1,\"a\":2}", 12, "the key `a` stands in this object already"),
    ("{\"\\u00e9\":1,\"é\":2}", 12, "the key `é` stands in this object already"),
    ("{\"\\/\":1,\"b\":{\"\\/\":2},\"/\":2}", 21, "the key `/` stands in this object already"),
    (
        "{\"a long key, twice\":1,\"a long key, twice\":2}",
        23,
        "the key `a long key, twice` stands in this object already",
    ),
];

#[test]
fn accepted() {
    let mut scanner = Scanner::new();
    for (text, kind) in YES {
        assert_eq!(scanner.scan(text.as_bytes()), Ok(*kind), "{text}");
        serde_json::from_str::<serde_json::Value>(text)
            .unwrap_or_else(|why| panic!("serde_json refuses {text}: {why}"));
    }
}

#[test]
fn refused_with_the_place() {
    let mut scanner = Scanner::new();
    for (text, offset, message) in NO {
        let error = scanner.scan(text.as_bytes()).expect_err(text);
        let place = format!("not valid JSON: line 1, column {}", error.column);
        let said = error.to_string();
        let said = said.strip_prefix(&format!("{place} (byte {offset}): ")).unwrap_or(&said);
        // A line feed in the text moves the line, not the byte.
        assert!(error.line == 1 || text[..*offset].contains('\n'), "{text}");
        assert_eq!((error.offset, said), (*offset, *message), "{text}");
    }
}

#[test]
fn bytes_that_are_no_utf8() {
    let cases: &[(&[u8], usize)] = &[
        (b"\xff", 0),
        (b"\"\xc0\xaf\"", 1),
        (b"{\"a\":\"\xed\xa0\x80\"}", 6),
        (b"[\"abcdefgh\xe2\x82\"]", 10),
        (b"{} \x80", 3),
        (b"\"\xf5\x80\x80\x80\"", 1),
        (b"{\"a\":1,\"b\xe9\":2}", 9),
    ];
    let mut scanner = Scanner::new();
    for (bytes, offset) in cases {
        let error = scanner.scan(bytes).unwrap_err();
        assert_eq!((error.offset, &error.what), (*offset, &What::Utf8), "{bytes:?}");
    }
    // A mistake before the bytes is the first one.
    assert_eq!(scanner.scan(b"[1 2, \"\xff\"]").unwrap_err().offset, 3);
}

#[test]
fn lines_and_columns_are_those_of_an_editor() {
    let text = "{\n  \"größe\": \"€\",\n  \"n\": €1\n}\n";
    let error = Scanner::new().scan(text.as_bytes()).unwrap_err();
    assert_eq!((error.line, error.column, error.found), (3, 8, Some('€')));
    let shown = json::pretty_error(text.as_bytes(), &error);
    assert_eq!(
        shown,
        "not valid JSON: line 3, column 8 (byte 29): expected a value, found `€`\n  |\n3 |   \"n\": €1\n  |        ^\n"
    );
}

#[test]
fn a_long_line_is_shown_around_the_mistake() {
    let text = format!("[{}x,{}]", "1,".repeat(100), "2,".repeat(100));
    let error = Scanner::new().scan(text.as_bytes()).unwrap_err();
    let shown = json::pretty_error(text.as_bytes(), &error);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[2].chars().count() < 100, "{shown}");
    let mark = lines[3].chars().position(|c| c == '^').unwrap();
    assert_eq!(lines[2].chars().nth(mark), Some('x'), "{shown}");
}

#[test]
fn depth() {
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let mut scanner = Scanner::new();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        assert!(scanner.scan(nested(open, close, 64).as_bytes()).is_ok());
        let error = scanner.scan(nested(open, close, 65).as_bytes()).unwrap_err();
        assert_eq!((error.offset, error.what), (64 * open.len(), What::Depth(64)));
        // Far too deep is an error as well, not the end of the stack.
        assert!(scanner.scan(open.repeat(1_000_000).as_bytes()).is_err());
    }
    assert!(Scanner::with_depth(1).scan(b"[{}]").is_err());
    assert!(Scanner::with_depth(2).scan(b"[{}]").is_ok());
    assert!(Scanner::with_depth(0).scan(b"1").is_ok());
}

#[test]
fn an_envelope_does_not_count_for_depth() {
    let mut scanner = Scanner::new();
    let data = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let object = |depth| format!("{{\"data\":{}}}", data(depth));
    for (depth, ok) in [(64, true), (65, false)] {
        assert_eq!(scanner.scan(data(depth).as_bytes()).is_ok(), ok);
        assert_eq!(scanner.scan_object(object(depth).as_bytes(), |_, _, _| ()).is_ok(), ok);
        assert_eq!(scanner.scan_batch(format!("[{}]", object(depth)).as_bytes(), |_| ()).is_ok(), ok);
    }
}

#[test]
fn every_truncation_is_an_error_at_its_end() {
    let text = r#"{"a": [1, -2.5e+3, true, false, null], "b\u0041\n": {"c": "x\ud83d\ude00 é", "d": {}}, "e": []}"#;
    let mut scanner = Scanner::new();
    assert!(scanner.scan(text.as_bytes()).is_ok());
    for end in 0..text.len() {
        let error = scanner.scan(&text.as_bytes()[..end]).expect_err(&text[..text.floor_char_boundary(end)]);
        let told = error.is_end() || matches!(error.what, What::Utf8 | What::Surrogate);
        assert!(told && error.offset <= end, "cut at {end}: {error}");
    }
}

#[test]
fn many_keys_in_one_object() {
    let mut scanner = Scanner::new();
    for count in [2, 19, 20, 21, 22, 23, 40, 200, 5_000] {
        let names: Vec<String> = (0..count).map(|n| format!("\"key{n}\":{n}")).collect();
        let text = format!("{{{}}}", names.join(","));
        assert!(scanner.scan(text.as_bytes()).is_ok(), "{count}");
        for again in [0, count / 2, count - 1] {
            let twice = format!("{{{},\"key{again}\":0}}", names.join(","));
            let error = scanner.scan(twice.as_bytes()).unwrap_err();
            assert_eq!((error.offset, error.what), (text.len(), What::Duplicate(format!("key{again}"))));
            let escaped = twice.replacen(&format!("\"key{again}\""), &format!("\"k\\u0065y{again}\""), 1);
            let error = scanner.scan(escaped.as_bytes()).unwrap_err();
            assert_eq!(error.what, What::Duplicate(format!("key{again}")), "{count} {again}");
        }
    }
}

/// Keys that differ only where a weak hash may not look, and keys that crowd one place of a table.
#[test]
fn keys_chosen_to_be_slow_are_still_compared_right() {
    let mut scanner = Scanner::new();
    let zeros = |n: usize| format!("\"{}\":0", "\\u0000".repeat(n));
    let text = format!("{{{}}}", (0..300).map(zeros).collect::<Vec<_>>().join(","));
    assert!(scanner.scan(text.as_bytes()).is_ok());
    let twice = format!("{},{}}}", &text[..text.len() - 1], zeros(7));
    assert_eq!(scanner.scan(twice.as_bytes()).unwrap_err().offset, text.len());
}

#[test]
fn a_scanner_forgets_what_it_refused() {
    let mut scanner = Scanner::new();
    assert!(scanner.scan(b"{\"a\":{\"b\":[1,").is_err());
    assert!(scanner.scan(b"{\"a\":{\"b\":1}}").is_ok());
    assert!(scanner.scan(b"}").is_err());
}

#[test]
fn members_of_an_object() {
    let text = r#" {"id": "a", "d\u0061ta": {"x": [1, {"y": 2}]}, "n": -1.5, "t": true, "z": null, "l": [{}, 2]} "#;
    let mut seen = Vec::new();
    Scanner::new()
        .scan_object(text.as_bytes(), |key, value, kind| seen.push((key.to_owned(), &text[value], kind)))
        .unwrap();
    let expected = [
        ("id", "\"a\"", Kind::Text),
        ("data", "{\"x\": [1, {\"y\": 2}]}", Kind::Object),
        ("n", "-1.5", Kind::Number),
        ("t", "true", Kind::Bool),
        ("z", "null", Kind::Null),
        ("l", "[{}, 2]", Kind::Array),
    ];
    assert_eq!(seen, expected.map(|(key, value, kind)| (key.to_owned(), value, kind)));
}

#[test]
fn parts_of_a_batch() {
    let text = r#"[{"a": 1, "b": {"c": [2]}}, {}, 7, [{"not": "a member"}], {"a": "z"}]"#;
    let mut seen = Vec::new();
    let tell = |part: Part<'_>| {
        seen.push(match part {
            Part::Member { key, value, kind } => format!("{key}={} {kind:?}", &text[value]),
            Part::Element { value, kind } => format!("; {kind:?} {}", value.len()),
        });
    };
    Scanner::new().scan_batch(text.as_bytes(), tell).unwrap();
    let expected = [
        "a=1 Number",
        "b={\"c\": [2]} Object",
        "; Object 25",
        "; Object 2",
        "; Number 1",
        "; Array 21",
        "a=\"z\" Text",
        "; Object 10",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn an_envelope_of_another_kind() {
    let mut scanner = Scanner::new();
    let object = scanner.scan_object(b" [1]", |_, _, _| ()).unwrap_err();
    let batch = scanner.scan_batch(b"{}", |_| ()).unwrap_err();
    assert_eq!(object.to_string(), "not valid JSON: line 1, column 2 (byte 1): expected an object, found `[`");
    assert_eq!(batch.to_string(), "not valid JSON: line 1, column 1 (byte 0): expected an array, found `{`");
}

#[test]
fn paths() {
    let text =
        br#" {"a": {"b": [10, {"c": "x"}, [], "]}"]}, "esc\n": 1, "": {"": 2}, "t": true , "n": -1.5e3, "a": 9} "#;
    let cases: &[(&[&str], Option<&str>)] = &[
        (&["a", "b", "0"], Some("10")),
        (&["a", "b", "1"], Some("{\"c\": \"x\"}")),
        (&["a", "b", "1", "c"], Some("\"x\"")),
        (&["a", "b", "2"], Some("[]")),
        (&["a", "b", "2", "0"], None),
        (&["a", "b", "3"], Some("\"]}\"")),
        (&["a", "b", "4"], None),
        (&["a", "b", "01"], None),
        (&["a", "b", "-1"], None),
        (&["a", "b", "c"], None),
        (&["esc\n"], Some("1")),
        (&["", ""], Some("2")),
        (&["t"], Some("true")),
        (&["t", "x"], None),
        (&["n"], Some("-1.5e3")),
        (&["zz"], None),
    ];
    for (path, expected) in cases {
        let found = json::get(text, path).map(|raw| std::str::from_utf8(raw).unwrap());
        assert_eq!(found, *expected, "{path:?}");
    }
    assert_eq!(json::get(b" [1] ", &[]), Some(&b"[1]"[..]));
    for broken in ["", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "[", "[1", "{\"a\" 1}", "]", "{\"a\":}", "{\"a\":[1"] {
        assert_eq!(json::get(broken.as_bytes(), &["b"]), None, "{broken}");
    }
}

#[test]
fn strings_in_and_out() {
    let cases = ["", "a", "a\"b\\c/d", "\u{0}\u{1f}\n\r\t\u{8}\u{c}", "é€😀", "long enough for two words\nand a break"];
    for text in cases {
        let mut quoted = Vec::new();
        json::quote(text, &mut quoted);
        assert_eq!(Scanner::new().scan(&quoted), Ok(Kind::Text), "{text:?}");
        assert_eq!(json::string(&quoted).as_deref(), Some(text));
        assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
        let theirs = serde_json::to_vec(text).unwrap();
        assert_eq!(json::string(&theirs).as_deref(), Some(text));
    }
    assert_eq!(json::string(br#""\ud83d\ude00\u00e9\/""#).as_deref(), Some("😀é/"));
    for wrong in ["1", "\"", "", "\"\\", "\"a\\x\"", "\"\\ud800\"", "abc\""] {
        assert_eq!(json::string(wrong.as_bytes()), None, "{wrong}");
    }
}
