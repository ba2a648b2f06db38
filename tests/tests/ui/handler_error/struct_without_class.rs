use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("down")]
struct Down;

fn main() {}
