-- One UTC day of calls: cdr-2026-11-22.db. The day is that of the call id.
--
-- calls.events is what the day knows; cdrs, rollups and totals are functions of
-- it and are written in the same transaction. Empty is '' or 0, never NULL.
-- Times are UTC microseconds since 1970, money is micro-units.

-- calls holds each call's events, packed in one value. It has row ids because a
-- value of two kilobytes does not fit into the pages of a table without them.
CREATE TABLE IF NOT EXISTS calls (
  id     INTEGER NOT NULL PRIMARY KEY,
  call   BLOB    NOT NULL UNIQUE,
  events BLOB    NOT NULL
);

-- cdrs has one row per leg attempt, with what CDRs are looked for by. All that a
-- CDR says is made from the call's events when it is read. Call ids are UUIDv7, so
-- the key is also the order of time and newest first needs no other index.
CREATE TABLE IF NOT EXISTS cdrs (
  call       BLOB    NOT NULL,
  leg        INTEGER NOT NULL,
  state      TEXT    NOT NULL,
  setup_us   INTEGER NOT NULL,
  -- company and account are the row's own party: the customer on leg 0, the
  -- vendor on the others. A partner sees the rows whose company is his.
  company    TEXT    NOT NULL,
  account    TEXT    NOT NULL,
  originator TEXT    NOT NULL,
  terminator TEXT    NOT NULL,
  caller     TEXT    NOT NULL,
  called     TEXT    NOT NULL,
  answered   INTEGER NOT NULL,
  sip_code   INTEGER NOT NULL,
  prefix     TEXT    NOT NULL,
  recorded   INTEGER NOT NULL,
  PRIMARY KEY (call, leg)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS cdrs_account ON cdrs (account, call, leg);
CREATE INDEX IF NOT EXISTS cdrs_company ON cdrs (company, call, leg);
CREATE INDEX IF NOT EXISTS cdrs_originator ON cdrs (originator, call, leg);
CREATE INDEX IF NOT EXISTS cdrs_terminator ON cdrs (terminator, call, leg) WHERE terminator > '';
CREATE INDEX IF NOT EXISTS cdrs_called ON cdrs (called, call, leg);
CREATE INDEX IF NOT EXISTS cdrs_pending ON cdrs (call, leg) WHERE state = 'pending';

-- rollups are hourly sums of the rows that are complete. Ingress rows count
-- calls, egress rows count attempts at vendors: a report takes one of the two.
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

-- totals are the day's sums by name; currency is '' for counts.
CREATE TABLE IF NOT EXISTS totals (
  name     TEXT    NOT NULL,
  currency TEXT    NOT NULL,
  value    INTEGER NOT NULL,
  PRIMARY KEY (name, currency)
) WITHOUT ROWID;
