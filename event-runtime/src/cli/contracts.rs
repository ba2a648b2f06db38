//! `contracts export`

use std::path::Path;

use super::print;
use crate::contracts;
use crate::handler::HandlerPlan;
use crate::runtime::{Error, Prepared};

pub(super) fn export(prepared: &Prepared, folder: &Path) -> Result<(), Error> {
    // All that is linked: what `.only(…)` leaves out belongs to the program all the same.
    let files =
        contracts::export(folder, &prepared.service, &HandlerPlan::linked()).map_err(|error| {
            Error::Command(format!(
                "the contracts can't be written to `{}`: {error}",
                folder.display()
            ))
        })?;
    for file in files {
        print(&format!("{}\n", file.display()));
    }
    Ok(())
}
