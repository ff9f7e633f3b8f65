//! A chat model behind a server of this process.
#![allow(clippy::unwrap_used, missing_docs)]

mod server;

use std::collections::BTreeMap;

use lethe_service::{Chat, Failure, Limits, Message, Structure};
use serde_json::json;
use server::{Answer, serve};

fn message(structure: Structure) -> Message<'static> {
    Message {
        system: "s",
        user: "u",
        schema: None,
        structure,
        temperature: Some(0.0),
    }
}

#[test]
fn endpoints_are_told_what_json_is_wanted() {
    let (address, seen) = serve(|_, _| Answer::chat(&json!({"a": 1})));
    let chat = Chat::new(&address, "m", None, Limits::default());
    let schema = json!({"type": "object"});
    let mut formats = Vec::new();
    for structure in [
        Structure::Schema,
        Structure::ObjectSchema,
        Structure::Object,
    ] {
        let asked = Message {
            schema: Some(("name", &schema)),
            ..message(structure)
        };
        let answered: BTreeMap<String, u32> = chat.ask(&asked).unwrap();
        assert_eq!(answered["a"], 1);
        let (_, body, _) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(body["temperature"], 0.0);
        formats.push(body["response_format"].clone());
    }
    assert_eq!(
        formats,
        [
            json!({"type": "json_schema", "json_schema": {"name": "name", "strict": true, "schema": schema}}),
            json!({"type": "json_object", "schema": schema}),
            json!({"type": "json_object"}),
        ]
    );
}

#[test]
fn answers_are_read_between_fences_and_others_are_malformed() {
    let contents = ["```json\n[1]\n```", "[1]", "surely: [1]", "[\"x\"]"];
    let (address, _) = serve(move |number, _| {
        let choice = json!({"message": {"content": contents[number]}, "finish_reason": "stop"});
        Answer::ok(&json!({"choices": [choice]}))
    });
    let chat = Chat::new(&address, "m", None, Limits::default());
    let ask = || chat.ask::<Vec<u32>>(&message(Structure::Object));
    assert_eq!(ask(), Ok(vec![1]));
    assert_eq!(ask(), Ok(vec![1]));
    for found in ["surely", "\\\"x\\\""] {
        let failure = ask().unwrap_err();
        assert!(
            matches!(&failure, Failure::Malformed(reason) if reason.contains(found)),
            "{failure:?}"
        );
    }
}
