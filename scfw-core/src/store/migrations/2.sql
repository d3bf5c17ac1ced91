-- Records that a sink has not taken yet, each once for every sink that is to get it.
CREATE TABLE outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  sink TEXT NOT NULL,               -- agent, api, otlp
  time INTEGER NOT NULL,            -- Unix seconds
  bytes INTEGER NOT NULL,
  record TEXT NOT NULL              -- in JSON
) STRICT;
CREATE INDEX outbox_by_sink ON outbox (sink, number, bytes);

-- How delivering to each sink goes.
CREATE TABLE sinks (
  name TEXT PRIMARY KEY,
  attempts INTEGER NOT NULL DEFAULT 0,    -- failed ones since the last that did not fail
  not_before INTEGER NOT NULL DEFAULT 0,  -- Unix seconds; no attempt until then
  delivered INTEGER,                      -- Unix seconds of the last delivery
  error TEXT,                             -- what was wrong last
  failed INTEGER,                         -- Unix seconds of that
  dropped INTEGER NOT NULL DEFAULT 0,     -- records that were given up, ever
  told INTEGER NOT NULL DEFAULT 0         -- those of them that a record has told of
) STRICT, WITHOUT ROWID;
