-- Claims of a batch whose end nobody told, or that broke off with an error nobody foresaw; the one under way counts. A batch
-- from a queue is given up by them: messages of the queue may be lost, or meet others' fate, before they are looked at.
ALTER TABLE batch_progress ADD COLUMN tries INT UNSIGNED NOT NULL DEFAULT 0;
