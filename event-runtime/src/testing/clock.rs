//! Whether the test's clock stands still.

/// Whether tokio's clock is paused. Tokio does not tell, so it is asked twice with real time in between.
pub(super) fn is_paused() -> bool {
    let before = tokio::time::Instant::now();
    let real = std::time::Instant::now();
    while real.elapsed().is_zero() {
        std::hint::spin_loop();
    }
    tokio::time::Instant::now() == before
}

/// Lets a paused clock run: a server has its own, and a client whose clock jumps while it waits for an answer
/// would give up at once.
pub(super) fn let_run() {
    if is_paused() {
        tokio::time::resume();
    }
}
