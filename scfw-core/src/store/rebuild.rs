//! A damaged store, built anew. Advisories and publish times can be had again; the ledger and the exemptions cannot, so
//! they are carried over row by row, as far as they can be read.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Store, StoreError};

/// The tables that are carried over, with their columns, those first that others refer to.
const KEPT: [(&str, &str); 6] = [
    (
        "exemptions",
        "number, ecosystem, name, key, version, advisory, reason, malicious, created, expires, author",
    ),
    ("runs", "number, id, time, action, purpose, manager, program, arguments, directory, executable, record"),
    ("run_targets", "number, run, ecosystem, name, key, version, source, url"),
    ("alerts", "target, advisory, summary, url, told, verifier, recorded"),
    // The records that wait for a sink are counted anew as they come.
    ("sinks", "name, attempts, not_before, delivered, error, failed, dropped, told, place"),
    ("outbox", "number, sink, time, bytes, record"),
];

/// The fate of a damaged store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Exemptions that were kept.
    pub exemptions: usize,
    /// Runs that were kept.
    pub runs: usize,
    /// Whether some of them could not be read.
    pub is_incomplete: bool,
    /// The present path of the damaged file.
    pub aside: PathBuf,
}

/// Replaces the damaged store at `path` by a new one with its exemptions and its ledger, as far as they can be read.
/// The damaged file stays beside it under another name.
pub fn rebuild(path: &Path) -> Result<Rebuilt, StoreError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let refused = |source| StoreError::Directory { path: path.to_owned(), source };
    let new = super::new_file(directory, refused)?;
    let aside = path.with_extension("db.damaged");
    let mut rebuilt = Rebuilt { exemptions: 0, runs: 0, is_incomplete: false, aside: aside.clone() };
    {
        let target =
            Connection::open(new.path()).map_err(|error| StoreError::from_engine(new.path(), error))?;
        // The log of the damaged file may hold more than the file, so it is opened as it is.
        let source = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        );
        if let Ok(source) = source {
            for (table, columns) in KEPT {
                let (kept, is_complete) = carry_over(&source, &target, table, columns)
                    .map_err(|error| StoreError::from_engine(new.path(), error))?;
                rebuilt.is_incomplete |= !is_complete;
                match table {
                    "exemptions" => rebuilt.exemptions = kept,
                    "runs" => rebuilt.runs = kept,
                    _ => {}
                }
            }
        } else {
            rebuilt.is_incomplete = true;
        }
        target.close().map_err(|(_, error)| StoreError::from_engine(new.path(), error))?;
    }
    // A process that has it open goes on with the old file; one that comes later finds none or the new one.
    fs::rename(path, &aside).map_err(refused)?;
    for suffix in ["-wal", "-shm"] {
        let beside = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        match fs::rename(beside(path), beside(&aside)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
    }
    new.persist(path).map_err(|error| refused(error.error))?;
    Store::open(path)?;
    Ok(rebuilt)
}

/// Copies the rows that can be read, from the first to the last and, if damage is in between, from the last to the
/// first. Gives how many there were, and whether that is all. Fails only if the new store cannot be written.
fn carry_over(
    source: &Connection,
    target: &Connection,
    table: &str,
    columns: &str,
) -> rusqlite::Result<(usize, bool)> {
    // A store of an older schema lacks some, whose defaults are what it means without them.
    let columns = columns_of(source, table, columns);
    let marks = vec!["?"; columns.split(',').count()].join(", ");
    let order_by = columns.split(',').next().unwrap_or_default();
    let transaction = target.unchecked_transaction()?;
    let mut insert =
        transaction.prepare(&format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"))?;
    let mut kept = 0;
    let mut is_complete = false;
    for order in ["ASC", "DESC"] {
        let mut put = |values: Vec<Value>| match insert.execute(rusqlite::params_from_iter(values)) {
            Ok(inserted) => {
                kept += inserted;
                Ok(true)
            }
            // A row that refers to a lost one, or has a type that the schema does not take, is lost too.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(false),
            Err(error) => Err(error),
        };
        let select = format!("SELECT {columns} FROM {table} ORDER BY {order_by} {order}");
        is_complete = copy(source, &select, &mut put)?;
        if is_complete {
            break;
        }
    }
    drop(insert);
    if table == "runs" {
        transaction.execute("UPDATE runs SET program = manager WHERE program = ''", [])?;
    }
    transaction.commit()?;
    Ok((kept, is_complete))
}

/// Those of `columns` that `table` has; all of them if that cannot be told.
fn columns_of(source: &Connection, table: &str, columns: &str) -> String {
    let named = || -> rusqlite::Result<Vec<String>> {
        let mut statement = source.prepare("SELECT name FROM pragma_table_info(?1)")?;
        statement.query_map([table], |row| row.get(0))?.collect()
    };
    let there = named().unwrap_or_default();
    let is_there = |column: &&str| there.is_empty() || there.iter().any(|name| name == column);
    columns.split(", ").filter(is_there).collect::<Vec<_>>().join(", ")
}

/// Gives each row that can be read to `put`; whether these were all, and `put` took them all.
fn copy(
    source: &Connection,
    select: &str,
    put: &mut dyn FnMut(Vec<Value>) -> rusqlite::Result<bool>,
) -> rusqlite::Result<bool> {
    let Ok(mut select) = source.prepare(select) else { return Ok(false) };
    let count = select.column_count();
    let Ok(mut rows) = select.query([]) else { return Ok(false) };
    let mut is_complete = true;
    loop {
        match rows.next() {
            Ok(None) => return Ok(is_complete),
            Ok(Some(row)) => {
                let values = (0..count).map(|column| row.get::<_, Value>(column));
                match values.collect::<rusqlite::Result<Vec<_>>>() {
                    Ok(values) => is_complete &= put(values)?,
                    Err(_) => is_complete = false,
                }
            }
            Err(_) => return Ok(false),
        }
    }
}
