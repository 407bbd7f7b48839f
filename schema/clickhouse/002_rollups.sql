-- rollups has hourly sums of the complete rows, as the embedded store has them: a
-- row is what is to be added to its hour, and sums of sums are the report.
CREATE TABLE IF NOT EXISTS $rollups$on_cluster (
  day String,
  hour_us Int64,
  direction String,
  company String,
  account String,
  originator String,
  terminator String,
  prefix String,
  destination String,
  currency String,
  margin_currency String,
  attempts Int64,
  answered Int64,
  effective Int64,
  raw_ms Int64,
  billed_s Int64,
  pdd_us Int64,
  pdd_count Int64,
  sell_micro Int64,
  tax_micro Int64,
  buy_micro Int64,
  margin_micro Int64
) ENGINE = $summing(rollups)
PARTITION BY substring(day, 1, 7)
ORDER BY (account, hour_us, day, direction, company, originator, terminator, prefix, destination, currency, margin_currency);
