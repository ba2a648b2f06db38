//! Streams: created once, found by subject, counted, read and cleaned.

use super::bench::{
    Bench, SERVICE, STREAM, count, dead_letters, events, ok, position, refused, retries, store,
    store_numbers, stream,
};
use super::world::Outcome;
use crate::broker::{BrokerErrorKind, Message};

pub(super) async fn a_stream_is_created_once_and_never_altered(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.broker().await;
    let found = broker.stream(STREAM).await;
    assert_eq!(ok("looking for a stream", found), None);
    let spec = events();
    let created = ok("creating a stream", broker.create_stream(&spec).await);
    assert_eq!(created.name, STREAM);
    assert_eq!(created.subjects, spec.subjects);
    store_numbers(&*broker, "conf.a", 0..3).await;
    let again = broker.create_stream(&spec).await;
    ok("creating the same stream again", again);
    let other = stream(STREAM, "other");
    let error = refused(
        "a stream of the same name with other subjects",
        broker.create_stream(&other).await,
    );
    assert_eq!(error.kind(), BrokerErrorKind::Misconfigured, "{error}");
    let found = broker.stream(STREAM).await;
    let found = ok("looking for a stream", found).expect("it is there");
    assert_eq!(
        found.subjects, spec.subjects,
        "the subjects are as they were"
    );
    assert_eq!(found.messages, 3, "and so are the messages");
    Outcome::Kept
}

pub(super) async fn two_streams_hold_no_subject_in_common(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut clash = stream("CLASH", "clash");
    clash.subjects.push("conf.eu.*".to_owned());
    let error = refused(
        "a stream of subjects that another one holds",
        broker.create_stream(&clash).await,
    );
    assert_eq!(error.kind(), BrokerErrorKind::Misconfigured, "{error}");
    let found = broker.stream("CLASH").await;
    assert_eq!(ok("looking for a stream", found), None);
    Outcome::Kept
}

pub(super) async fn streams_are_found_by_subject(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let other = stream("OTHER", "other");
    ok("creating a stream", broker.create_stream(&other).await);
    let expected: [(&str, &[&str]); 7] = [
        ("conf.a", &[STREAM]),
        ("conf.*.placed", &[STREAM]),
        ("conf", &[STREAM]),
        ("other.>", &["OTHER"]),
        ("conference.a", &[]),
        ("nowhere", &[]),
        (">", &[STREAM, "OTHER"]),
    ];
    for (filter, wanted) in expected {
        let found = broker.streams_for(filter).await;
        let found = ok("looking for streams by subject", found);
        let mut names: Vec<_> = found.iter().map(|stream| stream.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, wanted, "what holds `{filter}`");
    }
    Outcome::Kept
}

pub(super) async fn lanes_belong_to_one_service(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.lanes().await;
    for lane in [retries("other"), dead_letters("other")] {
        ok("creating a lane", broker.create_stream(&lane).await);
    }
    let owners = [
        (events().name, None),
        (retries(SERVICE).name, Some(SERVICE)),
        (dead_letters(SERVICE).name, Some(SERVICE)),
        (retries("other").name, Some("other")),
        (dead_letters("other").name, Some("other")),
    ];
    for (name, owner) in &owners {
        let found = broker.stream(name).await;
        let found = ok("looking for a stream", found).expect("it is there");
        assert_eq!(found.owner.as_deref(), *owner, "the owner of `{name}`");
    }
    let mut taking = retries("other");
    taking.name = retries(SERVICE).name;
    let answer = broker.create_stream(&taking).await;
    refused("another service's lane", answer);
    let found = broker.stream(&taking.name).await;
    let found = ok("looking for a stream", found).expect("it is there");
    assert_eq!(found.owner.as_deref(), Some(SERVICE), "the owner stays");
    Outcome::Kept
}

pub(super) async fn counting_is_by_filter(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    assert_eq!(count(&*broker, "conf.>").await, 0);
    store_numbers(&*broker, "conf.eu.placed", 0..7).await;
    store_numbers(&*broker, "conf.us.placed", 0..5).await;
    store_numbers(&*broker, "conf.eu.paid", 0..3).await;
    store_numbers(&*broker, "conf", 0..1).await;
    let expected = [
        ("conf.eu.placed", 7),
        ("conf.*.placed", 12),
        ("conf.eu.*", 10),
        ("conf.>", 15),
        ("conf", 1),
        ("conf.fr.>", 0),
    ];
    for (filter, wanted) in expected {
        assert_eq!(count(&*broker, filter).await, wanted, "`{filter}`");
    }
    let whole = broker.stream(STREAM).await;
    let whole = ok("looking for a stream", whole).expect("it is there");
    assert_eq!(whole.messages, 16, "the whole stream");
    Outcome::Kept
}

pub(super) async fn reading_goes_on_at_the_next_match(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut wanted = Vec::new();
    for number in 0..30_usize {
        let subject = ["conf.eu.a", "conf.us.a", "conf.eu.b"][number % 3];
        let headers = [("Number", number.to_string())].into_iter().collect();
        let message = Message::new(subject, number.to_string()).headers(headers);
        let stored = store(&*broker, message).await;
        if subject != "conf.eu.b" {
            wanted.push((stored.sequence, subject, number.to_string()));
        }
    }
    let mut from = 0;
    for (sequence, subject, number) in &wanted {
        let found = broker.read(STREAM, "conf.*.a", from).await;
        let found = ok("reading", found).expect("there is one more");
        assert_eq!(found.sequence, *sequence);
        assert_eq!(found.subject, *subject);
        assert_eq!(found.payload, number.as_str());
        assert_eq!(found.headers.get("Number"), Some(number.as_str()));
        from = found.sequence + 1;
    }
    let found = broker.read(STREAM, "conf.*.a", from).await;
    assert_eq!(ok("reading past the end", found), None);
    let found = broker.read(STREAM, "conf.nothing", 1).await;
    assert_eq!(ok("reading what is not there", found), None);
    Outcome::Kept
}

pub(super) async fn what_is_removed_is_gone(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let stored = store_numbers(&*broker, "conf.a", 0..5).await;
    let removed = stored[2].sequence;
    ok("removing", broker.remove(STREAM, removed).await);
    let again = broker.remove(STREAM, removed).await;
    ok("removing what is gone", again);
    assert_eq!(count(&*broker, "conf.a").await, 4);
    let found = broker.read(STREAM, "conf.a", removed).await;
    let found = ok("reading", found).expect("the one after it is there");
    assert_eq!(found.sequence, stored[3].sequence);
    let spec = bench.spec("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    assert_eq!(position(&*broker, STREAM, &spec).await.pending, 4);
    assert_eq!(bench.finish(&mut *subscription, 4).await, [0, 1, 3, 4]);
    Outcome::Kept
}
