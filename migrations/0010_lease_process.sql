-- The process that holds a lease, as the host it runs on knows it: where that host sees that it is gone, nobody has to wait for the
-- lease to run out. `lease_process` begins with the `lease_token` it belongs to: an older es-migrate changes the token alone, and
-- what stands here is then about somebody else. NULL: not known, as on hosts that can't tell.
ALTER TABLE batch_progress ADD COLUMN lease_process VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin NULL;
ALTER TABLE job_runs ADD COLUMN lease_process VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin NULL;
ALTER TABLE verify_runs ADD COLUMN lease_process VARCHAR(191) CHARACTER SET ascii COLLATE ascii_bin NULL;
