-- The program as the user called it, whose arguments the ledger has: npx, or python3 with "-m pip" among them.
ALTER TABLE runs ADD COLUMN program TEXT NOT NULL DEFAULT '';
UPDATE runs SET program = manager;
