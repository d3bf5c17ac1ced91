-- Feeds: what each was brought in from, and which import is its current one. Nothing reads the rows of an import
-- that no feed names, so one that is under way, or that was killed, is invisible.
CREATE TABLE feeds (
  name TEXT PRIMARY KEY,            -- osv/npm, datadog/pypi, extra/NAME
  import INTEGER NOT NULL UNIQUE REFERENCES imports (number),
  location TEXT NOT NULL,           -- the URL or directory that it came from
  etag TEXT,                        -- what the server calls this state of it
  updated INTEGER NOT NULL,         -- Unix seconds of the last successful update, changed or not
  newest INTEGER                    -- Unix microseconds of the latest modification of any of its documents
) STRICT, WITHOUT ROWID;

CREATE TABLE imports (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  feed TEXT NOT NULL
) STRICT;

-- OSV advisories. One that says nothing about a package (withdrawn, or of another ecosystem) has no document; its
-- row keeps it from being fetched again.
CREATE TABLE advisories (
  number INTEGER PRIMARY KEY,
  import INTEGER NOT NULL,
  id TEXT NOT NULL,
  modified INTEGER NOT NULL,        -- Unix microseconds
  document TEXT,                    -- the advisory in the OSV schema, less what no verdict needs
  UNIQUE (import, id)
) STRICT;

-- Which advisories are about a package, by its normalised name.
CREATE TABLE affected (
  import INTEGER NOT NULL,
  ecosystem TEXT NOT NULL,
  key TEXT NOT NULL,
  advisory INTEGER NOT NULL,
  PRIMARY KEY (import, ecosystem, key, advisory)
) STRICT, WITHOUT ROWID;

-- Manifests of malicious packages: versions is a JSON list, or null for every version.
CREATE TABLE malicious (
  import INTEGER NOT NULL,
  ecosystem TEXT NOT NULL,
  key TEXT NOT NULL,
  versions TEXT,
  PRIMARY KEY (import, ecosystem, key)
) STRICT, WITHOUT ROWID;

-- When a version was published, in Unix seconds. It never changes.
CREATE TABLE publish_times (
  ecosystem TEXT NOT NULL,
  registry TEXT NOT NULL,
  key TEXT NOT NULL,
  version TEXT NOT NULL,
  published INTEGER NOT NULL,
  PRIMARY KEY (ecosystem, key, version, registry)
) STRICT, WITHOUT ROWID;

CREATE TABLE exemptions (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  ecosystem TEXT NOT NULL,
  name TEXT NOT NULL,
  key TEXT NOT NULL,
  version TEXT,                     -- null: every version
  advisory TEXT,                    -- null: every finding
  reason TEXT NOT NULL,
  malicious INTEGER NOT NULL,       -- 1: critical findings too
  created INTEGER NOT NULL,         -- Unix seconds
  expires INTEGER,                  -- Unix seconds; null: never
  author TEXT NOT NULL
) STRICT;
CREATE INDEX exemptions_by_package ON exemptions (ecosystem, key);

-- The ledger: what was run, what it would have installed, and what was decided.
CREATE TABLE runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  time INTEGER NOT NULL,            -- Unix seconds
  action TEXT NOT NULL,             -- ALLOW, BLOCK, ABORT
  purpose TEXT NOT NULL,            -- install, build, dry-run
  manager TEXT NOT NULL,
  arguments TEXT NOT NULL,          -- a JSON list
  directory TEXT NOT NULL,
  executable TEXT NOT NULL,
  record TEXT NOT NULL              -- the record as it was logged, in JSON
) STRICT;
CREATE INDEX runs_by_time ON runs (time);

CREATE TABLE run_targets (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  ecosystem TEXT NOT NULL,
  name TEXT NOT NULL,
  key TEXT NOT NULL,
  version TEXT,
  source TEXT NOT NULL,             -- registry, url, git, path
  url TEXT
) STRICT;
-- By run and not by package as well: a run then appends to a few pages, and does not change as many as it has targets. Who
-- looks for a package has time to look through all.
CREATE INDEX run_targets_by_run ON run_targets (run);

-- Advisories about something that was installed before they came.
CREATE TABLE alerts (
  target INTEGER NOT NULL REFERENCES run_targets (number) ON DELETE CASCADE,
  advisory TEXT NOT NULL,           -- its id, or the name of the feed where that gives none
  summary TEXT NOT NULL,            -- what it says
  url TEXT,
  told INTEGER,                     -- when the user was told, in Unix seconds; null: not yet
  PRIMARY KEY (target, advisory)
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_untold ON alerts (target) WHERE told IS NULL;
