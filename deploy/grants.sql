-- The least that es-migrate needs in MySQL 8.0+ or MariaDB 10.6+, for two accounts:
--
--   es_migrate_owner  makes and changes the tables: only "es-migrate db migrate" is run with it, once and after an update;
--   es_migrate        does everything else, on hosts and in functions.
--
-- Both are let in over TLS only (REQUIRE SSL). An account that exists already is left as it is: ALTER USER … REQUIRE SSL.
-- One account for both is simpler: give es_migrate both lists. Replace each <…> by a password in single quotes (until then nothing
-- of this runs), and '%' by the addresses of your hosts.
-- Run it as an administrator: mysql -h HOST -u admin -p < grants.sql

CREATE USER IF NOT EXISTS 'es_migrate_owner'@'%' IDENTIFIED BY <password of the owner> REQUIRE SSL;
CREATE USER IF NOT EXISTS 'es_migrate'@'%' IDENTIFIED BY <password of the worker> REQUIRE SSL;

CREATE DATABASE IF NOT EXISTS es_migrate CHARACTER SET utf8mb4;
GRANT SELECT, INSERT, UPDATE, CREATE, ALTER ON es_migrate.* TO 'es_migrate_owner'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON es_migrate.* TO 'es_migrate'@'%';

-- To take everything away again when the migration is over:
-- DROP USER 'es_migrate'@'%', 'es_migrate_owner'@'%'; DROP DATABASE es_migrate;
