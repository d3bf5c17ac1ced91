//! Errors of the store, as sentences that say what to do.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::files::Untrusted;

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is no database, or its content makes no sense.
    #[error("the store {} is damaged; \"scfw update\" rebuilds it and keeps what can be read of its ledger and \
        exemptions", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else can have changed it.
    #[error("the store {0}")]
    Untrusted(Untrusted),
    /// A later version has changed its schema.
    #[error("the store {} is from a newer scfw (its schema is {found}, this one knows {known}); update scfw, or \
        move the file away", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },
    /// No space is left for it.
    #[error("the disk that holds the store {} is full", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("the store {} cannot be written: it, its directory or the disk is read-only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Another process has held it for longer than anyone waits.
    #[error("the store {} was in use by another process for too long", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Its directory cannot be made or looked at.
    #[error("the directory of the store {} could not be used", path.display())]
    Directory {
        /// The store's file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Anything else that the database engine reports.
    #[error("the store {} could not be used", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// The engine's error.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// The error of the engine, by its meaning for the user.
    pub(super) fn from_engine(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::Error as Engine;

        let path = path.to_owned();
        if matches!(
            source,
            Engine::FromSqlConversionFailure(..)
                | Engine::InvalidColumnType(..)
                | Engine::IntegralValueOutOfRange(..)
                | Engine::Utf8Error(..)
        ) {
            return Self::Damaged { path };
        }
        // A shared memory beside the database that cannot grow means a full disk.
        if source
            .sqlite_error()
            .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
        {
            return Self::Full { path };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            _ => Self::Failed { path, source },
        }
    }

    /// Whether [`rebuild`](super::rebuild) is the remedy.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}
