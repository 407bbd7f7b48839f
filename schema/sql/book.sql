-- What is not a day's: ledger entries, audit, settled rollups, checkpoints.
-- Times are UTC microseconds since 1970, money is micro-units. Empty is '' or 0.

-- checkpoints say how far each journal has been applied: all rows up to it are durable.
CREATE TABLE IF NOT EXISTS checkpoints (
  journal  TEXT    NOT NULL PRIMARY KEY,
  cursor   BLOB    NOT NULL,
  sequence INTEGER NOT NULL,
  position INTEGER NOT NULL,
  time_us  INTEGER NOT NULL
) WITHOUT ROWID;

-- entries has one row per posting of the book.
CREATE TABLE IF NOT EXISTS entries (
  position            INTEGER NOT NULL,
  idx                 INTEGER NOT NULL,
  account             TEXT    NOT NULL,
  currency            TEXT    NOT NULL,
  time_us             INTEGER NOT NULL,
  effective_at_us     INTEGER NOT NULL,
  kind                TEXT    NOT NULL,
  amount_micro        INTEGER NOT NULL,
  balance_after_micro INTEGER NOT NULL,
  call                BLOB    NOT NULL,
  reason              TEXT    NOT NULL,
  reference           TEXT    NOT NULL,
  actor               TEXT    NOT NULL,
  reverses            INTEGER NOT NULL,
  late                INTEGER NOT NULL,
  PRIMARY KEY (position, idx)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS entries_account ON entries (account, position, idx);
CREATE INDEX IF NOT EXISTS entries_reverses ON entries (reverses) WHERE reverses <> 0;

-- balances are the posted sums of the entries, for the next balance_after_micro,
-- and what was posted since the account's last period closed.
CREATE TABLE IF NOT EXISTS balances (
  account       TEXT    NOT NULL,
  currency      TEXT    NOT NULL,
  posted_micro  INTEGER NOT NULL,
  entries       INTEGER NOT NULL,
  position      INTEGER NOT NULL,
  credits_micro INTEGER NOT NULL,
  debits_micro  INTEGER NOT NULL,
  count         INTEGER NOT NULL,
  late          INTEGER NOT NULL,
  PRIMARY KEY (account, currency)
) WITHOUT ROWID;

-- periods are the closed periods of accounts. Their entries are those behind the
-- position at which the one before was closed, up to their own.
CREATE TABLE IF NOT EXISTS periods (
  to_us         INTEGER NOT NULL,
  position      INTEGER NOT NULL,
  account       TEXT    NOT NULL,
  currency      TEXT    NOT NULL,
  from_us       INTEGER NOT NULL,
  closed_at_us  INTEGER NOT NULL,
  actor         TEXT    NOT NULL,
  opening_micro INTEGER NOT NULL,
  closing_micro INTEGER NOT NULL,
  credits_micro INTEGER NOT NULL,
  debits_micro  INTEGER NOT NULL,
  entries       INTEGER NOT NULL,
  late          INTEGER NOT NULL,
  after         INTEGER NOT NULL,
  after_micro   INTEGER NOT NULL,
  state_hash    TEXT    NOT NULL,
  PRIMARY KEY (to_us, position)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS periods_account ON periods (account, to_us, position);
CREATE INDEX IF NOT EXISTS periods_position ON periods (position);

-- offline sums up the calls that each node let through while the book was silent,
-- as far as they are written up. A call that goes on counts, without an amount.
CREATE TABLE IF NOT EXISTS offline (
  account      TEXT    NOT NULL,
  node         TEXT    NOT NULL,
  calls        INTEGER NOT NULL,
  amount_micro INTEGER NOT NULL,
  number       INTEGER NOT NULL,
  time_us      INTEGER NOT NULL,
  PRIMARY KEY (account, node)
) WITHOUT ROWID;

-- audit has one row per edit, sign-in, failed sign-in and minute of a rejected source.
CREATE TABLE IF NOT EXISTS audit (
  time_us  INTEGER NOT NULL,
  -- serial tells rows of one time apart: eight bytes of a hash of journal and position.
  serial   INTEGER NOT NULL,
  journal  TEXT    NOT NULL,
  position INTEGER NOT NULL,
  kind     TEXT    NOT NULL,
  actor    TEXT    NOT NULL,
  node     TEXT    NOT NULL,
  address  TEXT    NOT NULL,
  note     TEXT    NOT NULL,
  count    INTEGER NOT NULL,
  PRIMARY KEY (time_us, serial)
) WITHOUT ROWID;

-- changes are the entities of an edit, as JSON before and after it.
CREATE TABLE IF NOT EXISTS changes (
  position INTEGER NOT NULL,
  idx      INTEGER NOT NULL,
  kind     TEXT    NOT NULL,
  id       TEXT    NOT NULL,
  removed  INTEGER NOT NULL,
  before   TEXT    NOT NULL,
  after    TEXT    NOT NULL,
  PRIMARY KEY (position, idx)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS changes_entity ON changes (kind, id, position, idx);

-- files are the recordings and captures that nodes have made. The last event of a
-- name counts; removed_us is when its own node removed it, 0 while it is there.
CREATE TABLE IF NOT EXISTS files (
  time_us    INTEGER NOT NULL,
  serial     INTEGER NOT NULL,
  call       BLOB    NOT NULL,
  part       INTEGER NOT NULL,
  kind       INTEGER NOT NULL,
  node       TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  size       INTEGER NOT NULL,
  sha256     BLOB    NOT NULL,
  codec      TEXT    NOT NULL,
  truncated  INTEGER NOT NULL,
  reason     TEXT    NOT NULL,
  from_us    INTEGER NOT NULL,
  to_us      INTEGER NOT NULL,
  paused_ms  INTEGER NOT NULL,
  lost       INTEGER NOT NULL,
  position   INTEGER NOT NULL,
  removed_us INTEGER NOT NULL,
  why        TEXT    NOT NULL,
  PRIMARY KEY (node, name)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS files_call ON files (call, kind, part);
CREATE INDEX IF NOT EXISTS files_time ON files (time_us, serial);

-- days are the day files there are or were. While settled is 0 a day's rollups
-- and totals are read from its own file; settled, they are here.
CREATE TABLE IF NOT EXISTS days (
  day     TEXT    NOT NULL PRIMARY KEY,
  settled INTEGER NOT NULL
) WITHOUT ROWID;

-- parties are those who have CDRs on a settled day: kind is account, company, originator
-- or terminator.
CREATE TABLE IF NOT EXISTS parties (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  day  TEXT NOT NULL,
  PRIMARY KEY (kind, name, day)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS parties_day ON parties (day);

-- retention has one row: the first day whose CDRs are kept.
CREATE TABLE IF NOT EXISTS retention (
  id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  since TEXT    NOT NULL
);

-- rollups are the hourly sums of settled days.
CREATE TABLE IF NOT EXISTS rollups (
  day          TEXT    NOT NULL,
  hour_us      INTEGER NOT NULL,
  direction    TEXT    NOT NULL,
  company      TEXT    NOT NULL,
  account      TEXT    NOT NULL,
  originator   TEXT    NOT NULL,
  terminator   TEXT    NOT NULL,
  prefix       TEXT    NOT NULL,
  destination  TEXT    NOT NULL,
  currency     TEXT    NOT NULL,
  margin_currency TEXT NOT NULL,
  attempts     INTEGER NOT NULL,
  answered     INTEGER NOT NULL,
  effective    INTEGER NOT NULL,
  raw_ms       INTEGER NOT NULL,
  billed_s     INTEGER NOT NULL,
  pdd_us       INTEGER NOT NULL,
  pdd_count    INTEGER NOT NULL,
  sell_micro   INTEGER NOT NULL,
  tax_micro    INTEGER NOT NULL,
  buy_micro    INTEGER NOT NULL,
  margin_micro INTEGER NOT NULL,
  PRIMARY KEY (hour_us, direction, account, originator, terminator, prefix, destination, currency, margin_currency, company)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS rollups_day ON rollups (day);

-- daily are the rollups of settled days without the hours: hour_us is the day's
-- beginning. Reports of whole days read some thousand rows here and not a million there.
CREATE TABLE IF NOT EXISTS daily (
  day          TEXT    NOT NULL,
  hour_us      INTEGER NOT NULL,
  direction    TEXT    NOT NULL,
  company      TEXT    NOT NULL,
  account      TEXT    NOT NULL,
  originator   TEXT    NOT NULL,
  terminator   TEXT    NOT NULL,
  prefix       TEXT    NOT NULL,
  destination  TEXT    NOT NULL,
  currency     TEXT    NOT NULL,
  margin_currency TEXT NOT NULL,
  attempts     INTEGER NOT NULL,
  answered     INTEGER NOT NULL,
  effective    INTEGER NOT NULL,
  raw_ms       INTEGER NOT NULL,
  billed_s     INTEGER NOT NULL,
  pdd_us       INTEGER NOT NULL,
  pdd_count    INTEGER NOT NULL,
  sell_micro   INTEGER NOT NULL,
  tax_micro    INTEGER NOT NULL,
  buy_micro    INTEGER NOT NULL,
  margin_micro INTEGER NOT NULL,
  PRIMARY KEY (direction, account, hour_us, originator, terminator, prefix, destination, currency, margin_currency, company)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS daily_day ON daily (day);

CREATE TABLE IF NOT EXISTS totals (
  day      TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  currency TEXT    NOT NULL,
  value    INTEGER NOT NULL,
  PRIMARY KEY (day, name, currency)
) WITHOUT ROWID;

-- cdr_rows are the CDRs that stand in files, by the profile of the files.
CREATE TABLE IF NOT EXISTS cdr_rows (
  profile TEXT    NOT NULL,
  call    BLOB    NOT NULL,
  leg     INTEGER NOT NULL,
  number  INTEGER NOT NULL,
  PRIMARY KEY (profile, call, leg)
) WITHOUT ROWID;
