use event_runtime::HandlerError;

#[derive(Debug, thiserror::Error, HandlerError)]
enum ChargeError {
    #[error("down")]
    #[retry(after = pause)]
    Down { wait: std::time::Duration },
}

fn main() {}
