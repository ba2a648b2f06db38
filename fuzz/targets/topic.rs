//! Any text in a topic: its value is one token that can be read back, and only good templates are taken.

#![no_main]

use std::cell::Cell;
use std::panic::{catch_unwind, set_hook, take_hook};

use event_fuzz::text::sections;
use event_runtime::broker::subject;
use event_runtime::event::TopicTemplate;
use libfuzzer_sys::fuzz_target;

const TEMPLATE: TopicTemplate = TopicTemplate::new("orders.{region}.for.{customer}");

thread_local! {
    /// A panic is an answer: the template is refused.
    static ASKING: Cell<bool> = const { Cell::new(false) };
    /// Bytes that templates may still take: they live as long as the program.
    static LEFT: Cell<usize> = const { Cell::new(256 * 1024 * 1024) };
}

fuzz_target!(
    init: {
        let abort = take_hook();
        set_hook(Box::new(move |panic| {
            if !ASKING.get() {
                abort(panic);
            }
        }));
    },
    |data: &[u8]| {
        let sections = sections(data);
        let text = |index: usize| sections.get(index).map(String::as_str).unwrap_or_default();
        template(text(0));
        values(text(1), text(2));
    }
);

fn values(one: &str, other: &str) {
    let (token, other_token) = (TopicTemplate::encode(one), TopicTemplate::encode(other));
    assert_eq!(decode(&token), one);
    assert_eq!(token == other_token, one == other);
    match TEMPLATE.render(&[&one, &other]) {
        Ok(topic) => {
            assert_eq!(topic, format!("orders.{token}.for.{other_token}"));
            assert!(subject::matches(&TEMPLATE.pattern(), &topic));
            assert!(subject::matches(&topic, &topic));
        }
        Err(_) => assert!(one.is_empty() || other.is_empty()),
    }
    // A `Display` that writes in pieces is written as one.
    let pieces = format_args!("{one}{other}").to_string();
    assert_eq!(
        TEMPLATE.render(&[&format_args!("{one}{other}"), &"x"]).ok(),
        TEMPLATE.render(&[&pieces, &"x"]).ok()
    );
}

/// Undoes the encoding, and refuses what it never writes.
fn decode(token: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = token.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            assert!(first.is_ascii_alphanumeric() || b"_-".contains(first));
            bytes.push(*first);
            continue;
        }
        let code = std::str::from_utf8(&rest[..2]).expect("codes are ASCII");
        bytes.push(u8::from_str_radix(code, 16).expect("codes are hexadecimal"));
        rest = &rest[2..];
    }
    String::from_utf8(bytes).expect("the bytes of a text")
}

fn template(text: &str) {
    let Some(left) = LEFT.get().checked_sub(text.len()) else {
        return;
    };
    LEFT.set(left);
    let leaked: &'static str = Box::leak(text.to_owned().into_boxed_str());
    ASKING.set(true);
    let template = catch_unwind(|| TopicTemplate::new(leaked));
    ASKING.set(false);
    assert_eq!(template.is_ok(), is_template(text), "{text:?}");
    let Ok(template) = template else {
        return;
    };
    let placeholders: Vec<&str> = template.placeholders().collect();
    let values: Vec<&dyn std::fmt::Display> = placeholders
        .iter()
        .map(|name| name as &dyn std::fmt::Display)
        .collect();
    let topic = template.render(&values).expect("no value is empty");
    assert_eq!(topic, text.replace(['{', '}'], ""));
    assert!(subject::matches(&template.pattern(), &topic));
    assert!(template.same_pattern(template));
    assert!(topic.starts_with(template.first_token()));
}

/// The grammar once more, in other words.
fn is_template(text: &str) -> bool {
    let word = |token: &str, more: &str| {
        !token.is_empty()
            && token
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
    };
    let mut tokens = text.split('.');
    let first = tokens.next().unwrap_or_default();
    word(first, "_-")
        && !["lane", "after"].contains(&first.to_ascii_lowercase().as_str())
        && tokens.all(|token| {
            let placeholder = token
                .strip_prefix('{')
                .and_then(|token| token.strip_suffix('}'));
            placeholder.map_or_else(|| word(token, "_-"), |name| word(name, "_"))
        })
}
