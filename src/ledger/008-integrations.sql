-- Integrations made through the API, beside those of the file.

create table integrations (
  name text primary key,
  type text not null,
  owner text,
  -- As written, so that a later version reads it by its own rules; what its channel calls secret is not in it.
  config jsonb not null default '{}',
  -- AES-256-GCM, bound to name and type: ledger/sealing.ts.
  secrets text,
  settings jsonb not null default '{}',
  made_at timestamptz not null default now(),
  made_by text not null,
  changed_at timestamptz not null default now(),
  changed_by text not null,
  revision integer not null default 1
);
