use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
enum ChargeError {
    #[error("down")]
    #[retry]
    Down,
    #[error("refused")]
    Refused,
}

fn main() {}
