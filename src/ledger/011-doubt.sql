-- What an attempt that failed leaves in doubt: `lost`, no answer came; `unsure`, the provider said that it failed and may be wrong.
alter table attempts add column doubt text;
