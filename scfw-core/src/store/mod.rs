//! The store: one SQLite database in the data directory with advisories, publish times, exemptions and the ledger.
//!
//! The store is made for dozens of processes at once. Readers never wait: the journal is a write-ahead log, and
//! related rows are read in one [`Snapshot`]. Writers wait for one another, so every transaction is short; a feed is
//! brought in by an [`Import`], in many small ones whose result nobody sees before the last.

mod advisories;
mod alerts;
mod error;
mod exemptions;
mod feed_name;
mod import;
mod ledger;
mod outbox;
mod publish_times;
mod rebuild;

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::files::{check_file, create_private, is_absence};

pub use advisories::{Feed, Snapshot};
pub use alerts::{Alert, Installed, NewAlert};
pub use error::StoreError;
pub use exemptions::{Exemption, NewExemption};
pub use feed_name::FeedName;
pub use import::{Change, FeedState, Import, NewAdvisory};
pub use ledger::{NewRun, Purpose, Run, RunQuery, RunTarget};
pub use outbox::{LONGEST_WAIT, MOST_BYTES, MOST_RECORDS, SinkKind, SinkState, Taken, Waiting};
pub use publish_times::Published;
pub use rebuild::{Rebuilt, rebuild};

/// The name of the store within the data directory.
pub const FILE_NAME: &str = "store.db";
/// The scripts that lead from one version of the schema to the next, the first from nothing.
const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
];
/// The version of the schema (`PRAGMA user_version`).
#[expect(clippy::cast_possible_wrap, reason = "there are not that many")]
const SCHEMA: i64 = MIGRATIONS.len() as i64;
/// Tells our databases from anybody else's: "scfw" in ASCII (`PRAGMA application_id`).
const APPLICATION: i64 = 0x7363_6677;
/// A log is emptied once it is longer, in bytes.
const LONGEST_LOG: u64 = 1024 * 1024;
/// The time that a writer waits for others.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to the store. Opening is cheap (well below a millisecond), and done only when it is needed.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    is_writable: bool,
}

impl Store {
    /// The path of the store in that data directory.
    #[must_use]
    pub fn path_in(data: &Path) -> PathBuf {
        data.join(FILE_NAME)
    }

    /// Opens the store at `path` for reading and writing. Makes it (mode 0600), and its directory (0700), if there is
    /// none; brings an older schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        loop {
            match Self::open_existing(path)? {
                Some(store) if !store.is_writable => {
                    return Err(StoreError::ReadOnly { path: path.to_owned() });
                }
                Some(store) => return Ok(store),
                None => create(path)?,
            }
        }
    }

    /// Opens the store at `path`; none if there is none. On a read-only disk it can still be read.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, StoreError> {
        match fs::metadata(path) {
            Ok(metadata) => check_owners(path, &metadata)?,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(source) => return Err(StoreError::Directory { path: path.to_owned(), source }),
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match Self::connect(path, path.as_os_str().to_owned(), flags) {
            Ok(store) => Ok(Some(store)),
            Err(StoreError::ReadOnly { .. }) => Self::open_read_only(path).map(Some),
            Err(StoreError::Failed { source, .. })
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) =>
            {
                Self::open_read_only(path).map(Some)
            }
            Err(error) => Err(error),
        }
    }

    /// A file that cannot be written can be read if the log and its shared memory are there to be read too. If they
    /// are not, and cannot be made because the disk is read-only, the database is all there is and does not change.
    fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if let Ok(store) = Self::connect(path, path.as_os_str().to_owned(), flags) {
            return Ok(store);
        }
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        if fs::metadata(&log).is_ok_and(|log| log.len() > 0) || is_writable(path) {
            return Err(StoreError::ReadOnly { path: path.to_owned() });
        }
        let mut uri = std::ffi::OsString::from("file:");
        uri.push(escape_for_uri(path));
        uri.push("?immutable=1");
        Self::connect(path, uri, flags | OpenFlags::SQLITE_OPEN_URI)
    }

    fn connect(path: &Path, name: std::ffi::OsString, flags: OpenFlags) -> Result<Self, StoreError> {
        let failed = |source| StoreError::from_engine(path, source);
        let connection = Connection::open_with_flags(PathBuf::from(name), flags).map_err(failed)?;
        let is_writable = !connection.is_readonly("main").map_err(failed)?;
        let mut store = Self { connection, path: path.to_owned(), is_writable };
        store.prepare().map_err(|error| match error {
            // A file that cannot be written shows it with the first statement.
            StoreError::Failed { source, .. } => failed(source),
            error => error,
        })?;
        Ok(store)
    }

    fn prepare(&mut self) -> Result<(), StoreError> {
        let (found, application) = self.run(|connection| {
            connection.busy_timeout(PATIENCE)?;
            // A power cut may cost the last transactions and never the database.
            connection.execute_batch(
                "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; \
                 PRAGMA cache_size = -16384;",
            )?;
            // The process that happens to be last would wait for the disk. The log stays small without that: each
            // thousand pages are moved to the database, and an update empties it.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.set_prepared_statement_cache_capacity(32);
            let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
            Ok((number("PRAGMA user_version")?, number("PRAGMA application_id")?))
        })?;
        if application != APPLICATION {
            return Err(StoreError::Damaged { path: self.path.clone() });
        }
        if found > SCHEMA {
            return Err(StoreError::Newer { path: self.path.clone(), found, known: SCHEMA });
        }
        match found < SCHEMA {
            true if self.is_writable => self.migrate(),
            true => Err(StoreError::ReadOnly { path: self.path.clone() }),
            false => Ok(()),
        }
    }

    /// Runs the scripts that are missing, all or none of them, once however many processes find them missing.
    fn migrate(&mut self) -> Result<(), StoreError> {
        self.write(|transaction| {
            let found = transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
            let missing = MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX));
            for script in missing {
                transaction.execute_batch(script)?;
            }
            transaction.pragma_update(None, "user_version", SCHEMA)
        })
    }

    /// Whether it can be written; one on a read-only disk can only be read.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.is_writable
    }

    /// Makes this connection wait no longer than `patience` for others that write.
    pub fn set_patience(&self, patience: Duration) -> Result<(), StoreError> {
        self.run(|connection| connection.busy_timeout(patience))
    }

    /// Looks the whole database over (`PRAGMA quick_check`).
    pub fn check(&self) -> Result<(), StoreError> {
        let answer = self.run(|connection| {
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        })?;
        if answer == "ok" { Ok(()) } else { Err(StoreError::Damaged { path: self.path.clone() }) }
    }

    /// Empties the log if it has become long, unless others are at it. A process that opens the store as the only one
    /// reads the whole log, and one that writes once and ends never lets it begin anew.
    pub fn trim_log(&self) -> Result<(), StoreError> {
        let mut log = self.path.as_os_str().to_owned();
        log.push("-wal");
        if fs::metadata(&log).is_ok_and(|log| log.len() > LONGEST_LOG) {
            self.set_patience(Duration::ZERO)?;
            self.empty_log()?;
        }
        Ok(())
    }

    /// Empties the log into the database, as far as nobody reads it.
    pub fn empty_log(&self) -> Result<(), StoreError> {
        self.run(|connection| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    /// Runs `work`, and tells the meaning of its error.
    fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.connection).map_err(|source| StoreError::from_engine(&self.path, source))
    }

    /// Runs `work` in one transaction that has the right to write from its beginning.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let Self { connection, path, .. } = self;
        let attempt = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        attempt().map_err(|source| StoreError::from_engine(path, source))
    }
}

/// Fails if somebody else can have changed the store or the files that belong to it.
fn check_owners(path: &Path, metadata: &fs::Metadata) -> Result<(), StoreError> {
    check_file(path, metadata).map_err(StoreError::Untrusted)?;
    for suffix in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        let beside = Path::new(&beside);
        if let Ok(metadata) = fs::metadata(beside) {
            check_file(beside, &metadata).map_err(StoreError::Untrusted)?;
        }
    }
    Ok(())
}

/// Makes an empty store beside `path` and puts it there, unless another process was faster. No process ever sees a
/// store that is being made.
fn create(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::Full { path: path.to_owned() }
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            StoreError::ReadOnly { path: path.to_owned() }
        }
        _ => StoreError::Directory { path: path.to_owned(), source },
    };
    create_private(directory).map_err(refused)?;
    let new = new_file(directory, refused)?;
    match new.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(refused(error.error)),
    }
}

/// A file in `directory` that is an empty store; it goes with the value unless it is given another name.
fn new_file(
    directory: &Path,
    refused: impl Fn(io::Error) -> StoreError,
) -> Result<tempfile::NamedTempFile, StoreError> {
    let new = tempfile::Builder::new()
        .prefix(".store-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(refused)?;
    let failed = |source| StoreError::from_engine(new.path(), source);
    let connection = Connection::open(new.path()).map_err(failed)?;
    let run = || {
        // The database has a page of its own first: only then does a write-ahead log come and go without leaving
        // anything in the file's name.
        connection.pragma_update(None, "application_id", APPLICATION)?;
        let transaction = connection.unchecked_transaction()?;
        for script in MIGRATIONS {
            transaction.execute_batch(script)?;
        }
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        transaction.commit()?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
    };
    run().map_err(failed)?;
    connection.close().map_err(|(_, source)| failed(source))?;
    Ok(new)
}

/// Whether the file itself can be opened for writing and something can be made beside it.
fn is_writable(path: &Path) -> bool {
    let directory = path.parent().unwrap_or(Path::new("."));
    OpenOptions::new().write(true).custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits()).open(path).is_ok()
        && nix::unistd::access(directory, nix::unistd::AccessFlags::W_OK).is_ok()
}

/// `path` as a URI of SQLite has it: `%`, `?` and `#` mean something there.
fn escape_for_uri(path: &Path) -> std::ffi::OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    let mut escaped = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => escaped.extend(format!("%{byte:02x}").bytes()),
            _ => escaped.push(*byte),
        }
    }
    std::ffi::OsString::from_vec(escaped)
}

/// Now, in Unix seconds.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
