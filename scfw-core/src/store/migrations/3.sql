-- Which verifier an alert would have come from, and when it was recorded for whoever administers this machine, in Unix
-- seconds; null: not yet.
ALTER TABLE alerts ADD COLUMN verifier TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN recorded INTEGER;
UPDATE alerts SET recorded = told, verifier =
  CASE WHEN advisory LIKE 'datadog/%' THEN 'Datadog' WHEN url IS NOT NULL THEN 'OSV' ELSE 'feeds' END;

-- What waits for a sink, so that an install need not count it, and which address and key the last failure was with.
ALTER TABLE sinks ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sinks ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sinks ADD COLUMN place TEXT;
INSERT OR IGNORE INTO sinks (name) SELECT sink FROM outbox;
UPDATE sinks SET (waiting, bytes) =
  (SELECT count(*), coalesce(sum(outbox.bytes), 0) FROM outbox WHERE sink = name);
CREATE TRIGGER outbox_grows AFTER INSERT ON outbox BEGIN
  INSERT OR IGNORE INTO sinks (name) VALUES (new.sink);
  UPDATE sinks SET waiting = waiting + 1, bytes = bytes + new.bytes WHERE name = new.sink;
END;
CREATE TRIGGER outbox_shrinks AFTER DELETE ON outbox BEGIN
  UPDATE sinks SET waiting = waiting - 1, bytes = bytes - old.bytes WHERE name = old.sink;
END;
