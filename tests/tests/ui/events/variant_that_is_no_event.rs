use event_runtime::Events;

#[derive(Events)]
enum Answer {
    Yes(String),
}

fn main() {}
