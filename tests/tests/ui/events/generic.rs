use event_runtime::Events;

#[derive(Events)]
enum Answer<T> {
    Yes(T),
}

fn main() {}
