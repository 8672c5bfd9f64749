-- The audit as a chain. Rows are sealed after they are committed, in a table of their own: an audit row itself is never touched.

create table audit_seals (number bigint primary key, seq bigint not null unique, hash text not null);

-- Signed now and then, and told to the log: what comes before a head that somebody kept cannot be rewritten unnoticed.
create table audit_heads (
  number bigint not null,
  at timestamptz not null,
  hash text not null,
  key text,
  signature text,
  primary key (number, at)
);

-- Rows that went when their time was over: the numbers, and the hash that the next row was chained to.
create table audit_tombstones (
  first_number bigint primary key,
  last_number bigint not null unique,
  hash text not null,
  at timestamptz not null,
  key text,
  signature text
);

-- What waits for its seal. A row appears here with its own commit, however late that is, so none is passed over.
create table audit_unsealed (seq bigint primary key);
insert into audit_unsealed select seq from audit;
create function audit_awaits_seal() returns trigger language plpgsql as $$
begin
  insert into audit_unsealed values (new.seq);
  return null;
end $$;
create trigger audit_awaits_seal after insert on audit for each row execute function audit_awaits_seal();

-- A row may go only after the tombstone that speaks for it stands.
create or replace function audit_is_append_only() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and tg_table_name = 'audit' then
    if exists (select 1 from audit_seals s join audit_tombstones t on s.number between t.first_number and t.last_number where s.seq = old.seq) then
      return old;
    end if;
  elsif tg_op = 'DELETE' and tg_table_name in ('audit_seals', 'audit_heads') then
    if exists (select 1 from audit_tombstones t where old.number between t.first_number and t.last_number) then
      return old;
    end if;
  end if;
  raise exception 'audit rows are never changed or deleted';
end $$;
create trigger audit_seals_append_only before update or delete on audit_seals for each row execute function audit_is_append_only();
create trigger audit_heads_append_only before update or delete on audit_heads for each row execute function audit_is_append_only();
create trigger audit_tombstones_append_only before update or delete on audit_tombstones for each row execute function audit_is_append_only();
create trigger audit_never_emptied before truncate on audit for each statement execute function audit_is_append_only();
create trigger audit_seals_never_emptied before truncate on audit_seals for each statement execute function audit_is_append_only();
create trigger audit_heads_never_emptied before truncate on audit_heads for each statement execute function audit_is_append_only();
create trigger audit_tombstones_never_emptied before truncate on audit_tombstones for each statement execute function audit_is_append_only();

-- The role that owns these tables is the application's: it gives up the right to change them, too. A superuser keeps it.
revoke update, delete, truncate on audit, audit_seals, audit_heads, audit_tombstones from current_user;

-- The one way by which rows leave. Owned by the tables' owner, it takes the right for as long as it runs.
create function audit_forget(from_number bigint, to_number bigint) returns bigint language plpgsql security definer set search_path from current as $$
declare
  gone bigint;
begin
  if not exists (select 1 from audit_tombstones where first_number = from_number and last_number = to_number) then
    raise exception 'audit rows go only with their tombstone';
  end if;
  grant delete on audit, audit_seals, audit_heads to current_user;
  delete from audit where seq in (select seq from audit_seals where number between from_number and to_number);
  get diagnostics gone = row_count;
  delete from audit_seals where number between from_number and to_number;
  delete from audit_heads where number between from_number and to_number;
  revoke delete on audit, audit_seals, audit_heads from current_user;
  return gone;
end $$;
revoke execute on function audit_forget(bigint, bigint) from public;
