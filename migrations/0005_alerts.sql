-- What an alert has been sent for, so that of many hosts one sends it. Renewed while it lasts; a row that ran out is over.
CREATE TABLE IF NOT EXISTS alert_episodes (
  name        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  -- Of the process that has sent it.
  token       CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  expires_at  DATETIME(6) NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
