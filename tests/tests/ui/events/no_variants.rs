use event_runtime::Events;

#[derive(Events)]
enum Answer {}

fn main() {}
