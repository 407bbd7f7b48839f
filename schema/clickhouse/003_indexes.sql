-- needs 21.8
-- What servers of our day have: a call is found without its account, and a batch
-- that is sent twice within the windows is taken once.
ALTER TABLE $cdrs$on_cluster ADD INDEX IF NOT EXISTS cdrs_call call TYPE bloom_filter(0.01) GRANULARITY 4;
ALTER TABLE $cdrs$on_cluster ADD INDEX IF NOT EXISTS cdrs_started started_us TYPE minmax GRANULARITY 4;
ALTER TABLE $cdrs$on_cluster MODIFY SETTING $window = 1000;
ALTER TABLE $rollups$on_cluster MODIFY SETTING $window = 1000;
