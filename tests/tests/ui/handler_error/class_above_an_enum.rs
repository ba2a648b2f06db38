use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
#[retry]
enum ChargeError {
    #[error("down")]
    #[retry]
    Down,
}

fn main() {}
