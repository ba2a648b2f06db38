//! One delivery, from arrival to settlement. Failing is an outcome here, so nothing in this folder gives up:
//! what can't be handled is kept, and what can't be kept stays with the broker.

mod batch;
mod batch_run;
mod decode;
mod failure;
mod heartbeat;
mod invoke;
mod job;
mod lane;
mod output;
mod pace;
mod pipeline;
mod report;
mod retry;
mod running;
mod stop;
mod tasks;
mod worker;

pub(crate) use self::failure::chain;
pub(crate) use self::pipeline::{Pipeline, PipelineSettings};
pub(crate) use self::stop::{Phase, Stopper};
pub(crate) use self::worker::{Source, Worker, WorkerEnd};
