-- Which verifier an alert would have come from, and when it was recorded for whoever administers this machine, in Unix
-- seconds; null: not yet.
ALTER TABLE alerts ADD COLUMN verifier TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN recorded INTEGER;
UPDATE alerts SET recorded = told, verifier =
  CASE WHEN advisory LIKE 'datadog/%' THEN 'Datadog' WHEN url IS NOT NULL THEN 'OSV' ELSE 'feeds' END;
