use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
enum ChargeError {
    #[error("down")]
    #[retry(after = wait)]
    Down { wait: u64 },
}

fn main() {}
