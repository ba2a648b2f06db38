//! NATS JetStream.

mod options;

pub use self::options::NatsOptions;

/// stub
#[derive(Debug)]
pub struct Nats;
impl Nats {
    /// stub
    pub async fn connect(_: NatsOptions) -> Result<crate::adapters::memory::Memory, crate::broker::BrokerError> { Ok(crate::adapters::memory::Memory::new()) }
}
