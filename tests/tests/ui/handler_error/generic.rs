use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("down")]
#[retry]
struct Down<T: std::fmt::Debug>(T);

fn main() {}
