//! Everything that is legal, in one program that has to compile without a warning.
#![deny(warnings)]

use std::time::Duration;

use event_runtime::{
    App, Context, Event, Events, Extract, HandlerError, Metadata, Needs, Publisher, State, handler,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fields named by keywords, a key that may be absent, a stream of its own.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "thing.seen",
    version = 3,
    topic = "things.{type}.{count}.seen",
    key = r#move,
    stream = "THINGS"
)]
struct ThingSeen {
    r#type: String,
    count: u64,
    r#move: Option<String>,
}

/// No fields at all.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "bell.rung", version = 1, topic = "bells")]
struct BellRung;

#[derive(Events)]
enum Answer {
    Seen(ThingSeen),
    Several(Vec<BellRung>),
    Perhaps(Option<BellRung>),
    Nothing(()),
}

#[derive(Debug, thiserror::Error, HandlerError)]
enum Failed {
    #[error("a")]
    #[retry]
    A,
    #[error("b")]
    #[retry(after = 0)]
    B(Duration),
    #[error("c")]
    #[retry(after = wait)]
    C { wait: Option<Duration> },
    #[error("d")]
    #[reject]
    D { code: u32 },
    #[error(transparent)]
    #[forward]
    E(#[from] Inner),
    #[error("f")]
    #[forward]
    F {
        #[source]
        cause: anyhow::Error,
        code: u32,
    },
}

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("inner")]
#[reject]
struct Inner;

struct Own;

impl Extract for Own {
    async fn extract(_: &Context) -> Result<Self, HandlerError> {
        Ok(Self)
    }

    fn needs(needs: &mut Needs) {
        needs.state::<u32>();
    }
}

#[handler]
async fn by_value(bell: BellRung) {
    drop(bell);
}

#[handler(
    name = "by_ref_2",
    start = "2026-11-24T00:00:00Z",
    concurrency = 4,
    retry(max = 3, base = "1s", cap = "1m"),
    timeout = "1h",
    filter(r#type = "x", count = "7")
)]
async fn by_reference(
    thing: &ThingSeen,
    metadata: Metadata,
    State(number): State<u32>,
    publisher: Publisher,
    _: Own,
) -> Result<Answer, Failed> {
    let _ = (metadata, number, publisher);
    match thing.count {
        0 => Err(Failed::A),
        1 => Err(Failed::B(Duration::ZERO)),
        2 => Err(Failed::C { wait: None }),
        3 => Err(Failed::D { code: 1 }),
        4 => Err(Inner)?,
        5 => Err(Failed::F {
            cause: anyhow::anyhow!("x"),
            code: 2,
        }),
        6 => Ok(Answer::Several(vec![BellRung])),
        7 => Ok(Answer::Perhaps(None)),
        8 => Ok(Answer::Nothing(())),
        count => Ok(Answer::Seen(ThingSeen {
            r#type: "x".into(),
            count,
            r#move: None,
        })),
    }
}

#[handler]
async fn r#match(_: BellRung) -> anyhow::Result<(BellRung, Option<BellRung>)> {
    anyhow::bail!("no");
}

#[handler]
async fn never(_: BellRung) -> Result<(), HandlerError> {
    Err(HandlerError::reject("never"))
}

mod elsewhere {
    /// A handler of the same function name, in a module of its own.
    #[super::handler(name = "by_value_elsewhere")]
    pub async fn by_value(bell: super::BellRung) -> super::BellRung {
        bell
    }
}

fn main() {
    let _ = App::new().only((by_value, by_reference, r#match, never, elsewhere::by_value));
    // Handlers stay ordinary functions.
    let _ = by_value(BellRung);
    let _ = async { elsewhere::by_value(BellRung).await };
    assert_eq!(BellRung.topic().unwrap(), "bells");
    let failed = Failed::D { code: 1 };
    let (Failed::D { code } | Failed::F { code, .. }) = failed else {
        return;
    };
    let _ = code;
}
