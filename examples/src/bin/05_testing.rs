//! A service and its tests, which need no server: `app()` is what `main` runs, and what every test starts.
//!
//! `cargo run -p examples --bin 05_testing`, and `cargo test -p examples --bin 05_testing`

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_runtime::{App, Event, Events, HandlerError, Metadata, State, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A member's month has begun.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "month.begun", version = 1, topic = "months.begun", key = member)]
struct MonthBegun {
    member: String,
    cents: u64,
}

/// The month is paid.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "month.paid", version = 1, topic = "months.paid", key = member)]
struct MonthPaid {
    member: String,
}

/// The month is not paid, and will not be.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "month.unpaid", version = 1, topic = "months.unpaid", key = member)]
struct MonthUnpaid {
    member: String,
    why: String,
}

/// Either answer.
#[derive(Events)]
enum Charged {
    Paid(MonthPaid),
    Unpaid(MonthUnpaid),
}

/// The bank, as far as this service knows it. Behind it is an HTTP client; here and in tests, a map.
#[derive(Clone, Default)]
struct Bank(Arc<Mutex<Accounts>>);

#[derive(Default)]
struct Accounts {
    cents: BTreeMap<String, u64>,
    /// What was asked before is answered as before: that makes asking twice harmless.
    answered: BTreeMap<String, bool>,
    /// The next so many calls fail.
    outages: u32,
}

#[derive(Debug, thiserror::Error, HandlerError)]
enum BankError {
    #[error("the bank does not answer")]
    #[retry]
    Down,
    #[error("the bank knows no `{member}`")]
    #[reject]
    NoAccount { member: String },
}

impl Bank {
    /// Takes money, once for each key; `false` if there is not enough.
    fn charge(&self, key: &str, member: &str, cents: u64) -> Result<bool, BankError> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.outages > 0 {
            accounts.outages -= 1;
            return Err(BankError::Down);
        }
        if let Some(answer) = accounts.answered.get(key) {
            return Ok(*answer);
        }
        let Some(left) = accounts.cents.get_mut(member) else {
            let member = member.to_owned();
            return Err(BankError::NoAccount { member });
        };
        let enough = *left >= cents;
        if enough {
            *left -= cents;
        }
        accounts.answered.insert(key.to_owned(), enough);
        Ok(enough)
    }

    fn deposit(&self, member: &str, cents: u64) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *accounts.cents.entry(member.to_owned()).or_default() += cents;
    }

    fn balance(&self, member: &str) -> u64 {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.cents.get(member).copied().unwrap_or_default()
    }
}

/// An event may come twice, with the same id: the bank is asked under that id, and takes money once.
#[handler]
async fn charge(
    month: MonthBegun,
    metadata: Metadata,
    State(bank): State<Bank>,
) -> Result<Charged, BankError> {
    let MonthBegun { member, cents } = month;
    if bank.charge(&metadata.id, &member, cents)? {
        return Ok(Charged::Paid(MonthPaid { member }));
    }
    let why = "not enough money".to_owned();
    Ok(Charged::Unpaid(MonthUnpaid { member, why }))
}

#[handler]
async fn remind(unpaid: MonthUnpaid) {
    println!("{}: {}", unpaid.member, unpaid.why);
}

/// The whole service: `main` runs it, and tests start it with a bank of their own.
fn app(bank: Bank) -> App {
    App::new().service("members").with_state(bank)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bank = Bank::default();
    bank.deposit("Ada", 2500);
    bank.deposit("Ben", 100);
    let running = app(bank.clone())
        .default_broker("memory://")
        .start()
        .await?;
    for member in ["Ada", "Ben"] {
        let (member, cents) = (member.to_owned(), 900);
        running
            .publisher()
            .publish(&MonthBegun { member, cents })
            .await?;
    }
    running.settled(Duration::from_secs(5)).await?;
    println!("Ada: {} cents left", bank.balance("Ada"));
    running.stop().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use event_runtime::broker::BrokerError;
    use event_runtime::testing::TestApp;

    use super::*;

    fn begun(member: &str) -> MonthBegun {
        let (member, cents) = (member.to_owned(), 900);
        MonthBegun { member, cents }
    }

    fn paid(member: &str) -> MonthPaid {
        let member = member.to_owned();
        MonthPaid { member }
    }

    /// A bank where Ada has 25.00.
    fn bank() -> Bank {
        let bank = Bank::default();
        bank.deposit("Ada", 2500);
        bank
    }

    #[tokio::test(start_paused = true)]
    async fn a_month_is_paid() {
        let app = TestApp::start(app(bank())).await;
        app.publish(&begun("Ada")).await;
        app.assert_published([paid("Ada")]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_not_enough_is_reminded() {
        let bank = bank();
        let app = TestApp::start(app(bank.clone())).await;
        for _ in 0..3 {
            app.publish(&begun("Ada")).await;
        }
        app.assert_published([paid("Ada"), paid("Ada")]);
        let reminders = app.received::<MonthUnpaid>(remind);
        assert_eq!(reminders.len(), 1);
        assert_eq!(reminders[0].why, "not enough money");
        assert_eq!(bank.balance("Ada"), 700);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_without_an_account_is_a_dead_letter_at_once() {
        let app = TestApp::start(app(bank())).await;
        app.publish(&begun("Zoe")).await;
        app.assert_dead_letters(charge, ["rejected: the bank knows no `Zoe`"]);
        app.assert_retries(charge, []);
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_without_the_bank_loses_nothing() {
        let bank = bank();
        bank.0.lock().expect("no test holds it").outages = 20;
        let app = TestApp::in_memory(app(bank.clone())).await;
        app.publish(&begun("Ada")).await;
        let waited: Duration = app.retries(charge).iter().map(|retry| retry.delay).sum();
        assert!(waited > Duration::from_mins(30), "{waited:?}");
        app.assert_published([paid("Ada")]);
        assert_eq!(bank.balance("Ada"), 1600);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_takes_no_money_twice() {
        let bank = bank();
        let test = TestApp::start(app(bank.clone())).await;
        test.crash_after(charge);
        test.publish(&begun("Ada")).await;
        test.restart(app(bank.clone())).await;
        test.settled().await;
        assert_eq!(test.received::<MonthBegun>(charge)[0].times, 2);
        test.assert_published([paid("Ada")]);
        assert_eq!(bank.balance("Ada"), 1600);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_stumbles_takes_no_money_twice() {
        let bank = bank();
        let app = TestApp::start(app(bank.clone())).await;
        app.fail_publish(1, BrokerError::transient("no leader"));
        app.publish(&begun("Ada")).await;
        app.assert_published([paid("Ada")]);
        assert_eq!(bank.balance("Ada"), 1600);
    }
}
