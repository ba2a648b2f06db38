use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
enum ChargeError {
    #[error("down")]
    Down,
    #[error("refused")]
    Refused,
}

fn main() {}
