//! `docs/reliability.md` tells the conformance suite as it is. After a change, `UPDATE_EXPECT=1` writes it anew.

use std::fmt::Write;
use std::path::Path;

use event_runtime::broker::conformance::BEHAVIOURS;
use event_tests::broken;

/// The part of the document between `<!-- begin NAME -->` and `<!-- end NAME -->` is this text.
fn assert_part(name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- begin {name} -->\n"),
        format!("<!-- end {name} -->"),
    );
    let (before, rest) = document.split_once(&begin).expect("the part begins");
    let (found, after) = rest.split_once(&end).expect("the part ends");
    if found == wanted {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_EXPECT").is_some(),
        "docs/reliability.md says otherwise than the suite: run this test with UPDATE_EXPECT=1\n{wanted}"
    );
    std::fs::write(path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
}

#[test]
fn the_document_holds_the_suites_list_and_what_refuses_each_broken_adapter() {
    let mut list = String::new();
    let mut area = "";
    for behaviour in BEHAVIOURS {
        if behaviour.area != area {
            area = behaviour.area;
            write!(list, "\n| {area} | promise |\n|---|---|\n").unwrap();
        }
        writeln!(list, "| `{}` | {} |", behaviour.name, behaviour.promise).unwrap();
    }
    list.push('\n');
    assert_part("behaviours", &list);

    let mut table = "\n| an adapter that … | is refused by |\n|---|---|\n".to_owned();
    for broken in broken::all() {
        let names: Vec<_> = broken
            .refused_by
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        writeln!(table, "| {} | {} |", broken.does, names.join(", ")).unwrap();
    }
    table.push('\n');
    assert_part("broken adapters", &table);
}
