//! SQLite's log is carried over to its file beside the requests.
//!
//! Left to itself, SQLite does so within some commit: it writes thousands of pages and syncs the file, while everybody
//! who waits for a commit waits for that too. Here a second connection does it, more often and on a thread of its own; it
//! keeps neither readers nor writers waiting, and once nothing is left, the next commit begins the log anew. SQLite's own
//! way stays for what grows faster than this can carry.
//! Source: <https://www.sqlite.org/wal.html>, "Checkpointing", and <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>.

use crate::lock;
use rusqlite::Connection;
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many items are written between two times: some 1,300 pages of the log at most, a third of what SQLite waits for.
const ITEMS: usize = 150;

/// Carries over the log of one database. A clone counts with the others.
#[derive(Clone)]
pub(super) struct Checkpoints(Arc<State>);

struct State {
    /// Items written since the log was carried over.
    items: AtomicUsize,
    /// None while it is being carried over.
    connection: Mutex<Option<Connection>>,
}

impl Checkpoints {
    /// Those of the database at `path`, which the engine has open already.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        Ok(Self(Arc::new(State {
            items: AtomicUsize::new(0),
            connection: Mutex::new(Some(Connection::open(path)?)),
        })))
    }

    /// Notes that so many items were written, and has the log carried over where it is time. It does not wait for that.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub(super) fn note(&self, items: usize) {
        let written = self.0.items.fetch_add(items, Ordering::Relaxed) + items;
        if written < ITEMS {
            return;
        }
        let Some(connection) = lock(&self.0.connection).take() else {
            return;
        };
        self.0.items.store(0, Ordering::Relaxed);
        let state = self.0.clone();
        tokio::task::spawn_blocking(move || {
            // The row says how much is left. The next time will do it.
            let carried = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = carried {
                tracing::warn!("the database's log cannot be carried over to its file: {error}");
            }
            *lock(&state.connection) = Some(connection);
        });
    }
}
