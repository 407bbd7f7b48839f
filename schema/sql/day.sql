-- One UTC day of calls: cdr-2026-11-22.db. The day is that of the call id.
--
-- calls.events is what the day knows; cdrs, rollups and totals are functions of
-- it and are written in the same transaction. Empty is '' or 0, never NULL.
-- Times are UTC microseconds since 1970, money is micro-units, rates are
-- nano-units a minute.

-- calls holds each call's events, packed in one value.
CREATE TABLE IF NOT EXISTS calls (
  call   BLOB NOT NULL PRIMARY KEY,
  events BLOB NOT NULL
) WITHOUT ROWID;

-- cdrs has one row per leg attempt. Call ids are UUIDv7, so the key is also the
-- order of time and newest first needs no other index.
CREATE TABLE IF NOT EXISTS cdrs (
  call               BLOB    NOT NULL,
  leg                INTEGER NOT NULL,
  state              TEXT    NOT NULL,
  node               TEXT    NOT NULL,
  sip_call_id        TEXT    NOT NULL,
  customer_company   TEXT    NOT NULL,
  customer_account   TEXT    NOT NULL,
  originator         TEXT    NOT NULL,
  vendor_company     TEXT    NOT NULL,
  vendor_account     TEXT    NOT NULL,
  terminator         TEXT    NOT NULL,
  route              TEXT    NOT NULL,
  caller             TEXT    NOT NULL,
  caller_name        TEXT    NOT NULL,
  called             TEXT    NOT NULL,
  caller_routed      TEXT    NOT NULL,
  called_routed      TEXT    NOT NULL,
  diversion          TEXT    NOT NULL,
  asserted_identity  TEXT    NOT NULL,
  remote             TEXT    NOT NULL,
  transport          TEXT    NOT NULL,
  user_agent         TEXT    NOT NULL,
  setup_us           INTEGER NOT NULL,
  ringing_us         INTEGER NOT NULL,
  answered_us        INTEGER NOT NULL,
  ended_us           INTEGER NOT NULL,
  pdd_us             INTEGER NOT NULL,
  early_media        INTEGER NOT NULL,
  answered           INTEGER NOT NULL,
  raw_ms             INTEGER NOT NULL,
  sip_code           INTEGER NOT NULL,
  reason             TEXT    NOT NULL,
  q850               INTEGER NOT NULL,
  cause              TEXT    NOT NULL,
  ended_by           TEXT    NOT NULL,
  last               INTEGER NOT NULL,
  priced             INTEGER NOT NULL,
  codec              TEXT    NOT NULL,
  media_address      TEXT    NOT NULL,
  packets            INTEGER NOT NULL,
  bytes              INTEGER NOT NULL,
  lost               INTEGER NOT NULL,
  duplicates         INTEGER NOT NULL,
  reordered          INTEGER NOT NULL,
  jitter_us          INTEGER NOT NULL,
  mos_centi          INTEGER NOT NULL,
  rejected           INTEGER NOT NULL,
  side               TEXT    NOT NULL,
  billed_account     TEXT    NOT NULL,
  deck               TEXT    NOT NULL,
  deck_version       INTEGER NOT NULL,
  deck_row           INTEGER NOT NULL,
  prefix             TEXT    NOT NULL,
  destination        TEXT    NOT NULL,
  currency           TEXT    NOT NULL,
  price_first_nano   INTEGER NOT NULL,
  price_next_nano    INTEGER NOT NULL,
  interval_first_s   INTEGER NOT NULL,
  interval_next_s    INTEGER NOT NULL,
  free_s             INTEGER NOT NULL,
  connect_fee_micro  INTEGER NOT NULL,
  tax_ppm            INTEGER NOT NULL,
  billed_s           INTEGER NOT NULL,
  first_s            INTEGER NOT NULL,
  exact              TEXT    NOT NULL,
  net_micro          INTEGER NOT NULL,
  tax_micro          INTEGER NOT NULL,
  gross_micro        INTEGER NOT NULL,
  overrun_micro      INTEGER NOT NULL,
  cost_micro         INTEGER NOT NULL,
  cost_currency      TEXT    NOT NULL,
  margin_micro       INTEGER NOT NULL,
  margin_currency    TEXT    NOT NULL,
  hold_position      INTEGER NOT NULL,
  book_position      INTEGER NOT NULL,
  emergency          INTEGER NOT NULL,
  package            TEXT    NOT NULL,
  package_s          INTEGER NOT NULL,
  late               INTEGER NOT NULL,
  offline            INTEGER NOT NULL,
  deck_currency      TEXT    NOT NULL,
  exchange_e12       INTEGER NOT NULL,
  -- company and account are the row's own party: the customer on leg 0, the
  -- vendor on the others. A partner sees the rows whose company is his.
  company            TEXT    NOT NULL,
  account            TEXT    NOT NULL,
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
  PRIMARY KEY (hour_us, direction, account, originator, terminator, prefix, destination, currency, company)
) WITHOUT ROWID;

-- totals are the day's sums by name; currency is '' for counts.
CREATE TABLE IF NOT EXISTS totals (
  name     TEXT    NOT NULL,
  currency TEXT    NOT NULL,
  value    INTEGER NOT NULL,
  PRIMARY KEY (name, currency)
) WITHOUT ROWID;
