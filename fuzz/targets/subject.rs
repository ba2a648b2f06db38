//! Subject filters against their meaning: which subjects they let through.

#![no_main]

use event_runtime::broker::subject::{covers, matches, overlaps};
use libfuzzer_sys::fuzz_target;

/// Few letters: other ones would only make equal tokens rare.
const LETTERS: &[u8] = b"ab.*>";

fuzz_target!(|data: &[u8]| {
    let text: String = data
        .iter()
        .map(|byte| match byte {
            b'\n' => '\n',
            known if LETTERS.contains(known) => char::from(*known),
            other => char::from(LETTERS[usize::from(*other) % LETTERS.len()]),
        })
        .collect();
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default();
    let (one, other, subject) = (next(), next(), next());
    // None of them may panic, whatever they are given.
    let (matches_one, matches_other) = (matches(one, subject), matches(other, subject));
    let (covered, overlapping) = (covers(one, other), overlaps(one, other));
    if !is_filter(one) || !is_filter(other) {
        return;
    }
    assert_eq!(overlapping, overlaps(other, one));
    assert!(covers(one, one) && overlaps(one, one));
    assert!(!covered || overlapping);
    if is_filter(subject) && !subject.contains(['*', '>']) {
        assert_eq!(matches_one, lets_through(&tokens(one), &tokens(subject)));
        assert!(!(covered && matches_other) || matches_one);
        assert!(!(matches_one && matches_other) || overlapping);
    }
    let (one, other) = (tokens(one), tokens(other));
    if one.len() > 4 || other.len() > 4 {
        return;
    }
    let all = subjects(&one, &other);
    let pairs = || {
        all.iter()
            .map(|subject| (lets_through(&one, subject), lets_through(&other, subject)))
    };
    assert_eq!(covered, pairs().all(|(one, other)| one || !other));
    assert_eq!(overlapping, pairs().any(|(one, other)| one && other));
});

fn tokens(subject: &str) -> Vec<&str> {
    subject.split('.').collect()
}

/// What the server takes as a filter.
fn is_filter(text: &str) -> bool {
    let tokens = tokens(text);
    let last = tokens.len() - 1;
    tokens
        .iter()
        .enumerate()
        .all(|(index, token)| match *token {
            ">" => index == last,
            "*" => true,
            word => !word.is_empty() && !word.contains(['*', '>']),
        })
}

fn lets_through(filter: &[&str], subject: &[&str]) -> bool {
    match (filter, subject) {
        ([], []) | ([">"], [_, ..]) => true,
        ([token, filter @ ..], [found, subject @ ..]) => {
            (*token == "*" || token == found) && lets_through(filter, subject)
        }
        _ => false,
    }
}

/// All subjects that these filters can tell apart: at each place a word of one, of the other, or of neither.
fn subjects<'a>(one: &[&'a str], other: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut all: Vec<Vec<&str>> = Vec::new();
    let mut before = vec![Vec::new()];
    for place in 0..=one.len().max(other.len()) {
        let mut words = vec!["neither"];
        for word in [one, other].iter().filter_map(|filter| filter.get(place)) {
            if !word.contains(['*', '>']) && !words.contains(word) {
                words.push(word);
            }
        }
        before = before
            .iter()
            .flat_map(|start: &Vec<&str>| {
                words.iter().map(|word| {
                    let mut longer = start.clone();
                    longer.push(*word);
                    longer
                })
            })
            .collect();
        all.extend(before.iter().cloned());
    }
    all
}
