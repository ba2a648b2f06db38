//! A small workspace of a user of this library, built by the real cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Packages in a folder of their own, with this repository's versions of all dependencies.
#[derive(Debug)]
pub struct Workspace {
    folder: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Lays the files out in `parent/name`. Their text may say `{event-runtime}` for this library's folder.
    ///
    /// A file that is there already with the same text is left alone, so that cargo builds nothing twice.
    /// Workspaces of one parent share what their dependencies were compiled to: cargo tells packages apart by
    /// their names alone, so no two of them may have the same.
    ///
    /// # Panics
    ///
    /// When the files can't be written.
    pub fn new(parent: &str, name: &str, files: &[(&str, &str)]) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let library = repository.join("event-runtime").display().to_string();
        let folder = Path::new(parent).join(name);
        for (path, text) in files {
            write(
                &folder.join(path),
                &text.replace("{event-runtime}", &library),
            );
        }
        // Cargo takes the versions out of a lock, and writes it without what this workspace has no use for:
        // the copy beside it tells whether the repository's has changed since.
        let versions = std::fs::read_to_string(repository.join("Cargo.lock"));
        let versions = versions.expect("the repository's Cargo.lock");
        if write(&folder.join("Cargo.lock.repository"), &versions) {
            write(&folder.join("Cargo.lock"), &versions);
        }
        Self {
            folder,
            target: Path::new(parent).join("target"),
        }
    }

    /// The path of a file in it.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Runs cargo without a network; returns its exit and what it said.
    pub fn cargo(&self, arguments: &[&str]) -> Said {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).arg("--offline");
        command.env("CARGO_TARGET_DIR", &self.target);
        self.run(command)
    }

    /// Runs a program that was built with this profile, with these variables.
    pub fn program(
        &self,
        profile: &str,
        name: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Said {
        let path = self.target.join(profile).join(name);
        let mut command = Command::new(path);
        command.args(arguments).envs(variables.iter().copied());
        self.run(command)
    }

    fn run(&self, mut command: Command) -> Said {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            // What the outer cargo says of its own package, and settings of services, mean nothing here; a
            // panic is to look the same for everyone.
            let foreign = name.starts_with("CARGO_PKG_") || name.starts_with("EVENT_");
            let set = command.get_envs().any(|(set, _)| set == name.as_str());
            if (foreign && !set) || name == "RUST_BACKTRACE" {
                command.env_remove(name);
            }
        }
        let output = command.current_dir(&self.folder).output();
        output.expect("the program can be run").into()
    }
}

/// What a program said before it ended.
#[derive(Debug)]
pub struct Said {
    /// Whether it ended well.
    pub success: bool,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub error: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            success: output.status.success(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

#[allow(
    clippy::return_self_not_must_use,
    reason = "how it ended is often all that a test asks"
)]
impl Said {
    /// The same, where it ended well.
    ///
    /// # Panics
    ///
    /// With all that was said, where it didn't.
    #[track_caller]
    pub fn well(self) -> Self {
        assert!(self.success, "{}\n{}", self.output, self.error);
        self
    }

    /// The same, where it ended in an error.
    ///
    /// # Panics
    ///
    /// With all that was said, where it didn't.
    #[track_caller]
    pub fn badly(self) -> Self {
        assert!(!self.success, "{}\n{}", self.output, self.error);
        self
    }
}

/// Writes a file unless it is so already, and tells which.
fn write(path: &Path, text: &str) -> bool {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return false;
    }
    std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
    true
}
