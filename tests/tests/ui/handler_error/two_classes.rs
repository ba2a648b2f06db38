use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
enum ChargeError {
    #[error("down")]
    #[retry]
    #[reject]
    Down,
}

fn main() {}
