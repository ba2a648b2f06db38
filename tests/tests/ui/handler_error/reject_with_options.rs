use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
enum ChargeError {
    #[error("refused")]
    #[reject(after = 5)]
    Refused,
}

fn main() {}
