use event_runtime::HandlerError;

#[derive(Debug, HandlerError)]
#[retry]
struct Down;

fn main() {}
