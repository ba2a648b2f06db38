use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
enum ChargeError {
    #[error("down")]
    #[forward]
    Down(String),
}

fn main() {}
