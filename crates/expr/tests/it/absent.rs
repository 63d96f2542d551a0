//! Absence: where it is a value's lack, and where it is an error.

use ensue_expr::{Budget, EvalError, Program};

use crate::scope;

#[test]
fn only_a_path_is_absent_and_a_computation_over_one_fails() {
    let table = [
        ("event.data.nothing", None),
        ("event.data.head.nothing.at.all", None),
        ("event.data.head.author.name", None),
        ("event.data.images[9]", None),
        ("nothing", None),
        ("key == 'x' ? 1 : event.data.nothing", None),
        ("event.data.nothing.orValue(event.data.none)", None),
        ("event.data.n", Some(Ok("41"))),
        ("event.data.head.author", Some(Ok("null"))),
        ("event.data.nothing + 1", Some(Err("nothing"))),
        ("[event.data.nothing]", Some(Err("nothing"))),
        ("event.data.nothing.size()", Some(Err("nothing"))),
        ("event.data.nothing == null", Some(Err("nothing"))),
        ("event.data.images.map(i, i.x)", Some(Err(""))),
    ];
    for (source, expected) in table {
        let result = Program::compile(source).unwrap().eval_opt(&scope(), &mut Budget::new());
        match (expected, result) {
            (None, Ok(None)) => {}
            (Some(Ok(text)), Ok(Some(value))) => assert_eq!(value.to_json_text(), text, "{source}"),
            (Some(Err("")), Err(_)) => {}
            (Some(Err(name)), Err(EvalError::Absent { missing, .. })) => assert_eq!(missing, name, "{source}"),
            (_, other) => panic!("{source}: {other:?}"),
        }
    }
}

#[test]
fn the_error_has_the_path_the_segment_and_the_place() {
    let source = "1 + event.data.branch.sha.size()";
    let error = Program::compile(source).unwrap().eval(&scope(), &mut Budget::new()).unwrap_err();
    let EvalError::Absent { path, missing, span, .. } = &error else { panic!("{error:?}") };
    assert_eq!((path.as_str(), missing.as_str()), ("event.data.branch.sha", "branch"));
    assert_eq!(&source[span.range()], "event.data.branch.sha");
    assert!(error.is_absent() && !error.is_budget());
}
