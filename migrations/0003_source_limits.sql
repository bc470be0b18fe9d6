-- Processes that ask Elasticsearch for less than their configuration allows, because it has too much to do: for status,
-- on whichever host. Renewed while it lasts; a row that ran out belongs to a process that died.
CREATE TABLE IF NOT EXISTS source_limits (
  token                CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  -- For people: host and process.
  owner                VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  -- Of what the configuration allows, above 0 and below 1; then most requests at once, and a second (0: no limit).
  share                DOUBLE NOT NULL,
  in_flight            INT UNSIGNED NOT NULL,
  requests_per_second  DOUBLE NOT NULL,
  reason               VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  since                DATETIME(3) NOT NULL,
  expires_at           DATETIME(6) NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
