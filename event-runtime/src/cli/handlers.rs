//! `handlers`

use super::{print, print_json};
use crate::contracts::handlers_file;
use crate::runtime::{Error, Prepared, table};

#[allow(clippy::unnecessary_wraps, reason = "the commands have one shape")]
pub(super) fn list(prepared: &Prepared, json: bool) -> Result<(), Error> {
    let handlers = prepared.catalog.handlers();
    if json {
        print_json(&handlers_file(&prepared.service, handlers));
    } else {
        print(&table::handlers(handlers));
    }
    Ok(())
}
