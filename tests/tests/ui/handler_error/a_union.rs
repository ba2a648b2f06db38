use event_runtime::HandlerError;

#[derive(HandlerError)]
union Down {
    code: u32,
    flag: bool,
}

fn main() {}
