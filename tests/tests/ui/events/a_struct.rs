use event_runtime::Events;

#[derive(Events)]
struct Answer {
    text: String,
}

fn main() {}
