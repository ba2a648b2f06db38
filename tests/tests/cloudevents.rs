//! What is a CloudEvent and what is none, in structured JSON: case by case, with the rule that is broken.

use std::fmt::Write as _;

use event_runtime::envelope::{Attributes, decode, read_attributes};
use event_tests::service::Task;
use expect_test::expect;

/// The least that a CloudEvent has.
const LEAST: &str = r#""specversion":"1.0","id":"1","source":"/s","type":"task.given.v1""#;

#[test]
fn what_the_specification_allows_is_read() {
    let cases = [
        ("the least", String::new()),
        ("all attributes", r#","subject":"s","time":"2026-11-23T05:00:00Z","dataschema":"urn:s:1","datacontenttype":"application/json","data":{}"#.into()),
        ("time with an offset", r#","time":"2026-11-23T05:00:00.123456789+05:30""#.into()),
        ("extensions of each type", r#","text":"a","flag":true,"number":-2147483648,"n2":2147483647"#.into()),
        ("an unset attribute", r#","subject":null,"time":null,"mine":null,"data_base64":null,"data":{}"#.into()),
        ("null as data", r#","data":null"#.into()),
        ("data of any type", r#","data":[1,"a",{}]"#.into()),
        ("another JSON type", r#","datacontenttype":"application/vnd.shop+json; charset=utf-8","data":{}"#.into()),
        ("letters of any script", r#","subject":"größer 😀","mine":"é""#.into()),
        ("escapes in names and values", r#","s\u0075bject":"a\"b","data":{}"#.into()),
        ("white space", " , \"data\" : { } \n".into()),
        ("a name longer than recommended", r#","anextensionwithalongname":"a""#.into()),
    ];
    for (case, more) in cases {
        let body = format!("{{{LEAST}{more}}}");
        let found = read_attributes(&body).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(found.id, "1", "{case}");
    }
    for source in [
        "/s",
        "https://s.example/a?b#c",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "mailto:a@b.example",
        "1-555-123-4567",
    ] {
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"{source}","type":"t"}}"#);
        assert_eq!(read_attributes(&body).unwrap().source, source);
    }
}

/// What is added to the least, each with one mistake.
const FORBIDDEN: &[(&str, &str)] = &[
    ("a time that is none", r#""time":"yesterday""#),
    ("a date", r#""time":"2026-11-23""#),
    (
        "a time without an offset",
        r#""time":"2026-11-23T05:00:00""#,
    ),
    ("a time as a number", r#""time":1795410000"#),
    ("an empty subject", r#""subject":"""#),
    ("a schema that is no URI", r#""dataschema":"order placed""#),
    ("a relative schema", r#""dataschema":"/schemas/1""#),
    ("an empty schema", r#""dataschema":"""#),
    (
        "a media type without a subtype",
        r#""datacontenttype":"json""#,
    ),
    (
        "a media type with a space",
        r#""datacontenttype":"a b/json""#,
    ),
    ("an empty media type", r#""datacontenttype":"""#),
    (
        "a media type that is not JSON",
        r#""datacontenttype":"text/xml","data":"<a/>""#,
    ),
    ("a name in capitals", r#""traceParent":"x""#),
    ("a name with a dot", r#""my.own":"x""#),
    ("a name with a dash", r#""my-own":"x""#),
    ("a name with an underscore", r#""my_own":"x""#),
    ("a name with an umlaut", r#""größe":"x""#),
    ("an empty name", r#""":"x""#),
    ("an object as an extension", r#""mine":{"a":1}"#),
    ("a list as an extension", r#""mine":[1]"#),
    ("a fraction", r#""mine":1.5"#),
    ("a whole number with an exponent", r#""mine":1e3"#),
    ("a number above 32 bits", r#""mine":2147483648"#),
    ("a number below 32 bits", r#""mine":-2147483649"#),
    ("an empty extension", r#""mine":"""#),
    ("a control character", r#""mine":"a\u0000b""#),
    ("a line break", r#""subject":"a\nb""#),
    ("binary data", r#""data_base64":"AA==""#),
    (
        "binary data beside data",
        r#""data":{"id":"1","kind":"a"},"data_base64":"AA==""#,
    ),
    ("an attribute given twice", r#""id":"2""#),
    (
        "an optional attribute given twice",
        r#""subject":"a","subject":"b""#,
    ),
    ("an extension given twice", r#""mine":"a","mine":"b""#),
    (
        "data given twice",
        r#""data":{"id":"1","kind":"a"},"data":{"id":"2","kind":"a"}"#,
    ),
];

/// An event with each required attribute left out or broken.
fn required_attributes() -> Vec<(String, String)> {
    let mut cases = Vec::new();
    for absent in ["specversion", "id", "source", "type"] {
        for (how, written) in [
            ("no", ""),
            ("empty", "\"\""),
            ("null as", "null"),
            ("number as", "1"),
        ] {
            let body = ["specversion", "id", "source", "type"].map(|name| {
                let value = if name == "specversion" {
                    "\"1.0\""
                } else {
                    "\"task.given.v1\""
                };
                match (name == absent, written) {
                    (true, "") => String::new(),
                    (true, written) => format!("\"{name}\":{written},"),
                    (false, _) => format!("\"{name}\":{value},"),
                }
            });
            let data = r#""data":{"id":"1","kind":"a"}"#;
            cases.push((
                format!("{how} {absent}"),
                format!("{{{}{data}}}", body.concat()),
            ));
        }
    }
    cases
}

#[test]
fn what_the_specification_forbids_is_refused_with_the_rule() {
    let mut report = String::new();
    let mut refused = |case: &str, body: &str| {
        let error = read_attributes(body).expect_err(case).to_string();
        let error = error.trim_start_matches("not a CloudEvent: the attribute ");
        writeln!(report, "{case}: {error}").unwrap();
        // The reader of events refuses it too, not only the one of attributes.
        assert!(decode::<Task>(body).is_err(), "{case}");
    };
    for (case, body) in required_attributes() {
        refused(&case, &body);
    }
    let version = LEAST.replace("1.0", "0.9");
    refused("an old version", &format!("{{{version}}}"));
    for (case, more) in FORBIDDEN {
        refused(case, &format!("{{{LEAST},{more}}}"));
    }
    for source in [" ", "a b", "<a>", "{a}", "a|b", "a\\\\b"] {
        refused(
            &format!("the source `{source}`"),
            &format!(r#"{{"specversion":"1.0","id":"1","source":"{source}","type":"t"}}"#),
        );
    }
    for (case, body) in [
        ("a list of events", format!("[{{{LEAST}}}]")),
        ("two events", format!("{{{LEAST}}}{{{LEAST}}}")),
        ("half an event", format!("{{{LEAST}")),
        ("a comma at the end", format!("{{{LEAST},}}")),
        (
            "half a surrogate",
            format!("{{{LEAST},\"mine\":\"\\ud800\"}}"),
        ),
        ("a text", "\"event\"".to_owned()),
    ] {
        refused(case, &body);
    }
    expect![[r#"
        no specversion: `specversion` is missing
        empty specversion: `specversion` breaks the rule that it is not empty
        null as specversion: `specversion` is missing
        number as specversion: `specversion` breaks the rule that it is a string
        no id: `id` is missing
        empty id: `id` breaks the rule that it is not empty
        null as id: `id` is missing
        number as id: `id` breaks the rule that it is a string
        no source: `source` is missing
        empty source: `source` breaks the rule that it is not empty
        null as source: `source` is missing
        number as source: `source` breaks the rule that it is a string
        no type: `type` is missing
        empty type: `type` breaks the rule that it is not empty
        null as type: `type` is missing
        number as type: `type` breaks the rule that it is a string
        an old version: `specversion` breaks the rule that it is "1.0"
        a time that is none: `time` breaks the rule that it is an RFC 3339 timestamp
        a date: `time` breaks the rule that it is an RFC 3339 timestamp
        a time without an offset: `time` breaks the rule that it is an RFC 3339 timestamp
        a time as a number: `time` breaks the rule that it is a string
        an empty subject: `subject` breaks the rule that it is not empty
        a schema that is no URI: `dataschema` breaks the rule that it is an absolute URI
        a relative schema: `dataschema` breaks the rule that it is an absolute URI
        an empty schema: `dataschema` breaks the rule that it is not empty
        a media type without a subtype: `datacontenttype` breaks the rule that it is a JSON media type for an event with JSON data
        a media type with a space: `datacontenttype` breaks the rule that it is a JSON media type for an event with JSON data
        an empty media type: `datacontenttype` breaks the rule that it is not empty
        a media type that is not JSON: `datacontenttype` breaks the rule that it is a JSON media type for an event with JSON data
        a name in capitals: `traceParent` breaks the rule that it has a name of lower-case letters and digits
        a name with a dot: `my.own` breaks the rule that it has a name of lower-case letters and digits
        a name with a dash: `my-own` breaks the rule that it has a name of lower-case letters and digits
        a name with an underscore: `my_own` breaks the rule that it has a name of lower-case letters and digits
        a name with an umlaut: `größe` breaks the rule that it has a name of lower-case letters and digits
        an empty name: `` breaks the rule that it has a name of lower-case letters and digits
        an object as an extension: `mine` breaks the rule that it is a string, a boolean or a 32-bit integer
        a list as an extension: `mine` breaks the rule that it is a string, a boolean or a 32-bit integer
        a fraction: `mine` breaks the rule that it is a string, a boolean or a 32-bit integer
        a whole number with an exponent: `mine` breaks the rule that it is a string, a boolean or a 32-bit integer
        a number above 32 bits: `mine` breaks the rule that it is a string, a boolean or a 32-bit integer
        a number below 32 bits: `mine` breaks the rule that it is a string, a boolean or a 32-bit integer
        an empty extension: `mine` breaks the rule that it is not empty
        a control character: `mine` breaks the rule that it has no control characters
        a line break: `subject` breaks the rule that it has no control characters
        binary data: the event's data is binary (`data_base64`), and this handler reads JSON
        binary data beside data: `data_base64` breaks the rule that it is never beside `data`
        an attribute given twice: `id` breaks the rule that it is given once
        an optional attribute given twice: `subject` breaks the rule that it is given once
        an extension given twice: `mine` breaks the rule that it is given once
        data given twice: `data` breaks the rule that it is given once
        the source ` `: `source` breaks the rule that it is a URI-reference, without spaces and other characters that no URI has
        the source `a b`: `source` breaks the rule that it is a URI-reference, without spaces and other characters that no URI has
        the source `<a>`: `source` breaks the rule that it is a URI-reference, without spaces and other characters that no URI has
        the source `{a}`: `source` breaks the rule that it is a URI-reference, without spaces and other characters that no URI has
        the source `a|b`: `source` breaks the rule that it is a URI-reference, without spaces and other characters that no URI has
        the source `a\\b`: `source` breaks the rule that it is a URI-reference, without spaces and other characters that no URI has
        a list of events: not a CloudEvent: the message is not a JSON object
        two events: not a CloudEvent: the message is not a JSON object
        half an event: not a CloudEvent: the message is not a JSON object
        a comma at the end: not a CloudEvent: the message is not a JSON object
        half a surrogate: not a CloudEvent: the message is not a JSON object
        a text: not a CloudEvent: the message is not a JSON object
    "#]].assert_eq(&report);
}

#[test]
fn extensions_are_kept_as_they_were() {
    let body = format!(r#"{{{LEAST},"text":"7","flag":true,"number":7,"data":{{}}}}"#);
    let Attributes { extensions, .. } = read_attributes(&body).unwrap();
    expect![[r#"{"flag":true,"number":7,"text":"7"}"#]]
        .assert_eq(&serde_json::to_string(&extensions).unwrap());
}
