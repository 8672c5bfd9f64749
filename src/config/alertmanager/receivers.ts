/** The receivers of an alertmanager.yml as integrations: each entry of each kind is one. */
import { isIP } from 'node:net';
import { type Fields, fieldsOf } from './fields.ts';
import { BY_APPRISE, KINDS, type Reading } from './kinds.ts';
import { type Variables, variableName } from './variables.ts';

/** What the routes have to know of a receiver. */
export interface Receiver {
  /** The integrations that it became. */
  notify: string[];
  /** Whether any of them wants to hear of the end. */
  tellsResolved: boolean;
}

export interface Integrations {
  written: Record<string, object>;
  receivers: Map<string, Receiver>;
  /** Hosts that egress has to allow. */
  allow: string[];
}

interface Told {
  note(text: string): void;
  problem(text: string): void;
  nameOf(name: string, taken: Iterable<string>): string;
  variables: Variables;
}

/** Shown for a secret by Alertmanager’s own API and by amtool: the value is not there to be brought over. */
const MASKED = '<secret>';

/** How messages are worded; what else a receiver says that has no counterpart is something to look at. */
const WORDING =
  /^(title|text|html|message|description|summary|subject|details|headers|color|fallback|pretext|title_link|fields|short_fields|footer|username|icon_emoji|icon_url|image_url|thumb_url|avatar_url|content|callback_id|link_names|mrkdwn_in|message_text|parse_mode|client|client_url|images|links)$/;

/** How the connection is made, which is Tocsin's own. */
const OF_NO_MATTER = /^http_config\.(follow_redirects|enable_http2)$/;

/**
 * Every receiver of the file `root`. An entry that has no channel here is left out and named; so is a receiver that is left
 * with nobody to tell.
 */
export function integrationsOf(root: Fields, told: Told): Integrations {
  const written = new Map<string, object>();
  const receivers = new Map<string, Receiver>();
  const allow = new Set<string>();
  const rest: string[] = [];
  const place = { global: root.within('global'), told, written, allow, rest };

  for (const one of root.list('receivers')) {
    const name = fieldsOf(one).text('name');
    if (name === undefined) told.problem('receivers: one has no name');
    else if (receivers.has(name)) told.problem(`receivers: there are two of the name ${JSON.stringify(name)}`);
    else receivers.set(name, readReceiver(name, one, place));
  }
  if (rest.some((field) => WORDING.test(field)))
    told.note('titles, texts and other wording of receivers are not brought over: Tocsin writes its own messages');
  return { written: Object.fromEntries(written), receivers, allow: [...allow] };
}

/** What all receivers are read into. */
interface Place {
  global: Fields;
  told: Told;
  written: Map<string, object>;
  allow: Set<string>;
  /** Names of fields that say something and have no counterpart. */
  rest: string[];
}

function readReceiver(name: string, value: unknown, { global, told, written, allow, rest }: Place): Receiver {
  const called = `receiver ${JSON.stringify(name)}`;
  const receiver = fieldsOf(value);
  const sections = Object.keys(Object(value)).filter((key) => key.endsWith('_configs'));
  const entries = sections.flatMap((section) => receiver.list(section).map((entry, at) => ({ section, entry, at })));
  const notify: string[] = [];
  const unwilling: string[] = [];
  for (const { section, entry, at } of entries) {
    const place = `${called}, ${section}[${at}]`;
    const kind = KINDS[section];
    if (kind === undefined) {
      const how = BY_APPRISE.has(section) ? ' (an Apprise server can reach it: type apprise)' : '';
      told.note(`${place} is left out: Tocsin has no channel for it${how}`);
      continue;
    }
    const word = section.replace(/_configs$/, '');
    const own = told.nameOf(entries.length === 1 ? name : `${name}-${word}`, written.keys());
    const fields = fieldsOf(entry);
    const sendsResolved = fields.flag('send_resolved') ?? kind.resolved;
    const read = kind.read(readingOf({ fields, global, sendsResolved, place, own, word, told, allow }));
    if (typeof read === 'string') {
      told.note(`${place} is left out: ${read}`);
      continue;
    }
    written.set(own, read);
    notify.push(own);
    if (!sendsResolved && !('send_resolved' in read)) unwilling.push(own);
    const unread = fields.rest().filter((field) => !OF_NO_MATTER.test(field));
    const lost = unread.filter((field) => !WORDING.test(field));
    if (lost.length > 0) told.note(`${place} became ${own} without ${lost.join(', ')}`);
    rest.push(...unread);
  }
  const tellsResolved = unwilling.length < notify.length || notify.length === 0;
  if (tellsResolved && unwilling.length > 0)
    told.note(`${called}: ${unwilling.join(', ')} will hear of the end too, which only whole routes can leave out`);
  if (entries.length > 0 && notify.length === 0)
    told.note(`${called} tells NOBODY now: its routes have nobody in notify`);
  return { notify, tellsResolved };
}

function readingOf(given: {
  fields: Fields;
  global: Fields;
  sendsResolved: boolean;
  place: string;
  own: string;
  word: string;
  told: Told;
  allow: Set<string>;
}): Reading {
  const { fields, global, place, own, word, told, allow } = given;
  const isUsable = (value: string | undefined): value is string =>
    value !== undefined && value !== MASKED && !value.includes('{{');
  const isAddress = (value: string | undefined): value is string => isUsable(value) && /^https?:/i.test(value);
  const reaches = (address: string): void => {
    const host = hostToAllow(address);
    if (host !== undefined) allow.add(host);
  };
  const variable: Reading['variable'] = (field, { value, file, about }) => {
    const wanted = { value: isUsable(value) ? value : undefined, file, about: `${place}: ${aboutOf(about, value)}` };
    return told.variables.take(variableName(word, own, field), wanted);
  };
  return {
    fields,
    global,
    sendsResolved: given.sendsResolved,
    http: fields.has('http_config') ? fields.within('http_config') : global.within('http_config'),
    note: (text) => told.note(`${place}: ${text}`),
    reaches,
    variable,
    plain: (field, value) =>
      value.includes('{{') ? variable(field, { about: `${field} was a template, ${value}` }) : value,
    secret: (field, name, globalName) => {
      const value = fields.text(name);
      const file = fields.text(`${name}_file`);
      if (value !== undefined || file !== undefined) {
        if (isAddress(value)) reaches(value);
        return variable(field, { value, file, about: name });
      }
      if (globalName === undefined) return undefined;
      const shared = global.text(globalName);
      const sharedFile = global.text(`${globalName}_file`);
      if (shared === undefined && sharedFile === undefined) return undefined;
      if (isAddress(shared)) reaches(shared);
      return told.variables.take(globalName.toUpperCase(), {
        value: isUsable(shared) ? shared : undefined,
        file: sharedFile,
        about: aboutOf(`global.${globalName}`, shared),
      });
    },
  };
}

const aboutOf = (about: string, value: string | undefined): string =>
  value === MASKED ? `${about}, which was masked` : value?.includes('{{') ? `${about}, which was a template` : about;

/**
 * The host that egress would refuse to call unless it is allowed; undefined where it may be called as it is. Names that
 * only an inside resolver knows (one word, or RFC 6762 and its like) lead to private addresses.
 */
function hostToAllow(address: string): string | undefined {
  const url = /^https?:\/\//i.test(address) ? URL.parse(address) : undefined;
  if (url === null) return undefined;
  const host = (url?.hostname ?? address).replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (!/^[\w.:-]+$/.test(host)) return undefined;
  const isInside =
    isIP(host) !== 0 || !host.includes('.') || /\.(local|localhost|internal|lan|svc|cluster|home|corp)$/.test(host);
  const isUnusual = url?.protocol === 'http:' || (url !== undefined && url.port !== '' && url.port !== '8443');
  return isInside || isUnusual ? host : undefined;
}
