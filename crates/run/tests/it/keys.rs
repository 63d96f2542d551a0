//! Effect keys: the same for all automatic retries, new with each generation. The formula is part of the log's format.

use ensue_event::Key;
use ensue_run::{Command, Input};

use crate::kit::{Play, documents};

const TWO: &str = r#"
steps:
  - { id: a, uses: http/request, connection: api, with: { path: /a }, retry: { max: 3, initial: 1s, jitter: none } }
  - { id: b, emit: { type: done } }
  - { id: c, uses: slack/post, connection: team, with: { text: x } }
"#;

fn play() -> Play {
    let mut play = Play::new(&documents(TWO, ""));
    play.say("start");
    play
}

#[test]
fn a_key_is_a_hash_of_run_step_item_and_generation() {
    let play = play();
    let expected = Key::of("effect", &[&play.run.id.0, b"a", &[0, 0, 0, 0], &[0, 0, 0, 0]]);
    assert_eq!(play.effects["a.1"].key, expected);
    assert_eq!(
        expected.to_string(),
        "c713558b95202ff4427eeb73d54cd2ef",
        "a change here means a new version of the fold"
    );
}

#[test]
fn automatic_retries_share_it_and_count_up() {
    let mut play = play();
    for line in ["a passes Connect", "wait", "a passes Connect", "wait", "a ok", "c lost", "c ok"] {
        play.say(line);
    }
    assert_eq!(play.effects["a.1"].key, play.effects["a.3"].key);
    assert_eq!(play.effects["a.3"].attempt, 3);
    // An action that is done again after a crash is the same effect.
    assert_eq!(play.effects["c.1"].key, play.effects["c.2"].key);
}

#[test]
fn a_new_generation_has_new_ones_and_begins_at_the_first_attempt() {
    let mut play = play();
    play.say("a fails Status");
    let first = play.effects["a.1"].clone();
    play.say("resume");
    let second = play.effects["a.1"].clone();
    assert_ne!(first.key, second.key);
    assert_eq!((second.attempt, play.run.generation), (1, 1));
    // What the first generation still says is nothing to the second.
    play.say("a ok");
    let after = play.run.clone();
    let answer = ensue_event::ours::Answer::Ok(serde_json::json!({}));
    assert_eq!(play.answer(&first, answer), Ok(Vec::new()));
    assert_eq!(play.run, after);
}

#[test]
fn the_id_of_an_emitted_event_is_its_effect_key() {
    let mut play = play();
    let effect = play.effects["a.1"].clone();
    let answer = ensue_event::ours::Answer::Ok(serde_json::json!({}));
    let commands = play.answer(&effect, answer).unwrap();
    let said: Vec<_> = commands
        .iter()
        .filter_map(|command| match command {
            Command::Emit(said) => Some(said.id),
            _ => None,
        })
        .collect();
    assert_eq!(said, [play.run.effect_key("b", &[])]);
    assert_eq!(play.run.trunk.steps["b"].outputs["id"], said[0].to_string());
}

#[test]
fn two_runs_and_two_steps_have_different_ones() {
    let play = play();
    let mut other = play.run.clone();
    other.id = Key::of("run", &[b"2"]);
    let keys = [
        play.run.effect_key("a", &[]),
        play.run.effect_key("c", &[]),
        other.effect_key("a", &[]),
        other.effect_key("c", &[]),
    ];
    assert_eq!(std::collections::BTreeSet::from(keys).len(), 4);
}

#[test]
fn a_timer_of_a_step_that_moved_on_is_nothing() {
    let mut play = play();
    play.say("a passes Connect");
    play.say("wait");
    let before = play.run.clone();
    assert_eq!(play.input(Input::Due { branch: 0, step: "a".into(), due: play.now }), Ok(Vec::new()));
    assert_eq!(play.run, before);
}
