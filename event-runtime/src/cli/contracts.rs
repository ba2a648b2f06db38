//! `contracts export`

use std::path::Path;

use super::print;
use crate::contracts;
use crate::runtime::{Error, Prepared};

pub(super) fn export(prepared: &Prepared, folder: &Path) -> Result<(), Error> {
    let files = contracts::export(folder, &prepared.service, prepared.catalog.handlers()).map_err(
        |error| {
            Error::Command(format!(
                "the contracts can't be written to `{}`: {error}",
                folder.display()
            ))
        },
    )?;
    for file in files {
        print(&format!("{}\n", file.display()));
    }
    Ok(())
}
