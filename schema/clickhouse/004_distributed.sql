-- needs cluster
-- Each account's rows lie on one shard.
CREATE TABLE IF NOT EXISTS $all(cdrs)$on_cluster AS $cdrs ENGINE = $distributed(cdrs, account);
CREATE TABLE IF NOT EXISTS $all(rollups)$on_cluster AS $rollups ENGINE = $distributed(rollups, account);
