-- How many uploads processes have in flight: for status, on whichever host. Renewed while a process uploads; a row that ran out
-- belongs to a process that died.
CREATE TABLE IF NOT EXISTS upload_limits (
  token       CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  -- For people: host and process.
  owner       VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  -- In flight when the row was written; then how many may be at present, and how many at most by the configuration.
  in_flight   INT UNSIGNED NOT NULL,
  allowed     INT UNSIGNED NOT NULL,
  most        INT UNSIGNED NOT NULL,
  -- The target's code that made it allow fewer the last time, such as SlowDown; NULL where it never did.
  reason      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  expires_at  DATETIME(6) NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
