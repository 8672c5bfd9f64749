"""Tocsin from Python: jobs whose start, progress and end are told, and new users. One file, the standard library only.

Copy this file into your project (Python 3.8 or newer). It reads from the environment:

    TOCSIN_URL            where Tocsin is, such as https://tocsin.example.com
    TOCSIN_API_KEY        a key of the scope ingest; or TOCSIN_API_KEY_FILE, a file that holds it
    TOCSIN_ENVIRONMENT    production, staging, ...; else ENVIRONMENT
    TOCSIN_WAIT           seconds that a job which has ended waits for a Tocsin that is away: 5
    TOCSIN_SPOOL          where events wait while Tocsin is away; else tocsin/spool in XDG_STATE_HOME (~/.local/state)

    from tocsin import run_with_slack
    run_with_slack(job_name="my_job", job_func=run_job, metadata={"key": "value"})

    python3 tocsin.py run --name my_job --stream -- ./my_job.sh

Whatever becomes of Tocsin, the job runs, and returns or raises what it would without this file.
"""

import argparse
import atexit
import json
import math
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from datetime import datetime, timezone

__all__ = ["Job", "current_job", "notify_user_registered", "run_with_slack"]

PROGRESS_EVERY_S = 10.0  # Chat channels take about a message a second; a thread that people read takes fewer.
WAIT_S, WAIT_MAX_S = 5.0, 30.0  # A job that has ended waits no longer for a Tocsin that is away.
ANSWER_S = 10.0  # A Tocsin that has not answered by then is away.
PAUSE_S, PAUSE_MAX_S = 0.5, 30.0  # Between attempts while it is away, doubling.
BATCH_MAX, BATCH_BYTES_MAX = 200, 1024 * 1024  # Of one request: POST /v1/events takes 1,000 and 5 MB.
SPOOL_BYTES_MAX = 20 * 1024 * 1024
LINES_MAX, WORDS_MAX, ERROR_MAX = 20, 2000, 1000  # What one message shows of the output.
NAME_MAX, LABEL_MAX, TITLE_MAX, VALUE_MAX, FACTS_BYTES_MAX = 128, 1024, 300, 500, 3072  # Within the limits of the door.
KEY_MIN = 8  # A shorter key is none of Tocsin's, and would take pieces out of other words.

# The same names as the TypeScript client writes (spool.ts): each sends what the other has left.
_SPOOLED = re.compile(r"^\d{15}-\d{6}-[\w.-]{1,80}\.json$", re.ASCII)
# Colours and cursor movements of a terminal (ECMA-48, CSI), lone surrogates, and what no event may hold.
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def _say(line):
    try:
        print(f"tocsin: {line}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        pass  # A job may have closed its stderr.


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None  # It would carry the key elsewhere.


_opener = urllib.request.build_opener(_NoRedirect)


def _settings():
    """(url, key, folder), or a sentence for people on what is missing; never with a value that could be secret."""
    url = os.environ.get("TOCSIN_URL", "").rstrip("/")
    parts = urllib.parse.urlsplit(url)
    if not url:
        return "TOCSIN_URL is not set, such as https://tocsin.example.com"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "TOCSIN_URL is not an http or https address"
    if "@" in parts.netloc:
        return "TOCSIN_URL holds a login: give the key in TOCSIN_API_KEY"
    key, path = os.environ.get("TOCSIN_API_KEY", ""), os.environ.get("TOCSIN_API_KEY_FILE", "")
    if not key and not path:
        return "neither TOCSIN_API_KEY nor TOCSIN_API_KEY_FILE is set"
    if not key:
        try:
            with open(path, encoding="utf-8") as file:
                key = file.read().strip()
        except (OSError, ValueError):
            return "the file in TOCSIN_API_KEY_FILE cannot be read"
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        return "the API key is empty, or holds a space or a character beyond ASCII"
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    root = os.environ.get("TOCSIN_SPOOL") or os.path.join(state, "tocsin", "spool")
    place = re.sub(r"[^\w.-]", "_", parts.netloc.lower() + parts.path, flags=re.ASCII)
    return url, key, os.path.join(root, place)


class _Post:
    """The spool and the thread that sends what waits in it, in order. Nothing here raises."""

    def __init__(self, url, key, folder):
        self._url, self._key, self._folder = url, key, folder
        self._host = urllib.parse.urlsplit(url).netloc
        self._said, self._last, self._count = set(), 0, 0
        self._lock, self._wake, self._ended = threading.RLock(), threading.Event(), threading.Event()
        self._until = math.inf
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            self._folder = tempfile.mkdtemp(prefix="tocsin-")
            self._say_once(f"no spool ({error.strerror}): what cannot be sent before the job ends is lost")
        threading.Thread(target=self._run, name="tocsin", daemon=True).start()

    def _say_once(self, line):
        if line not in self._said:
            self._said.add(line)
            _say(line)

    def tell(self, event):
        """On the disk when it returns; sent soon."""
        try:
            text = json.dumps(event, ensure_ascii=False, allow_nan=False)
            if len(self._key) >= KEY_MIN:
                text = text.replace(self._key, "•••")  # A job may print its environment.
            with self._lock:
                self._make_room(len(text))
                # A clock that is set back must not put the end of a job before its start.
                self._last = max(int(time.time() * 1000), self._last)
                name = f"{self._last:015d}-{self._count % 1000000:06d}-{os.getpid()}.json"
                self._count += 1
                path = os.path.join(self._folder, name)
                handle = os.open(path + ".part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(path + ".part", path)
                self._sync_folder()
        except (OSError, ValueError, TypeError, RecursionError) as error:
            self._say_once(f"an event cannot be kept: {type(error).__name__}")
        self._wake.set()

    def finish(self):
        """Waits until all is sent, at most WAIT_S; what is left waits for the next run."""
        self._until = time.monotonic() + _wait()
        self._ended.set()
        self._wake.set()
        while self._waiting() and time.monotonic() < self._until:
            time.sleep(0.02)
        left = len(self._waiting())
        if left:
            _say(f"{left} event{' waits' if left == 1 else 's wait'} in the spool; the next run sends them")

    def _waiting(self):
        try:
            return sorted(name for name in os.listdir(self._folder) if _SPOOLED.match(name))
        except OSError:
            return []

    def _remove(self, name):
        try:
            os.remove(os.path.join(self._folder, name))
        except OSError:
            pass  # Another process has sent it.

    def _read(self, name):
        try:
            with open(os.path.join(self._folder, name), encoding="utf-8") as file:
                event = json.load(file)
            return event if isinstance(event, dict) else None
        except (OSError, ValueError):
            return None

    def _make_room(self, size):
        """Progress goes first, the oldest of it; then the oldest of all."""
        sizes = {}
        for name in self._waiting():
            try:
                sizes[name] = os.path.getsize(os.path.join(self._folder, name))
            except OSError:
                continue
        total = size + sum(sizes.values())
        if total <= SPOOL_BYTES_MAX:
            return
        dropped = 0
        for name in sorted(sizes, key=lambda one: ((self._read(one) or {}).get("type") != "job_progress", one)):
            if total <= SPOOL_BYTES_MAX:
                break
            self._remove(name)
            total -= sizes[name]
            dropped += 1
        _say(f"the spool is full: dropped {dropped} events that waited longest")

    def _batch(self):
        batch, size = [], 0
        for name in self._waiting():
            event = self._read(name)
            if event is None:
                self._remove(name)  # Nobody could ever send it.
                continue
            size += len(json.dumps(event))
            if len(batch) == BATCH_MAX or (batch and size > BATCH_BYTES_MAX):
                break
            batch.append((name, event))
        return batch

    def _run(self):
        pause = PAUSE_S
        while time.monotonic() < self._until:
            self._wake.clear()
            batch = self._batch()
            if not batch and self._ended.is_set():
                return
            if not batch:
                self._wake.wait()
            elif self._send(batch):
                pause = PAUSE_S
            elif self._ended.is_set():
                time.sleep(PAUSE_S)
            else:
                self._ended.wait(pause)  # A server that has come back meanwhile is asked at the end, not after the pause.
                pause = min(2 * pause, PAUSE_MAX_S)

    def _sync_folder(self):
        """A rename is on the disk once its folder is (fsync(2)); Windows knows no such thing."""
        if os.name == "posix":
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _send(self, batch):
        """True when the server has had its word on all of the batch, so that none of it waits any more."""
        answer, detail = self._ask([event for _, event in batch])
        if answer == "away":
            self._say_once(f"{detail}; what is said meanwhile is kept and sent later")
            return False
        if answer == "refused" and len(batch) > 1:
            return all([self._send([one]) for one in batch])  # One bad event takes no other with it.
        refused = [(0, detail)] if answer == "refused" else detail
        for index, why in refused:
            self._say_once(f"Tocsin refuses the event {batch[index][1].get('id')}: {why}; it is dropped")
        for name, _ in batch:
            self._remove(name)
        return True

    def _ask(self, events):
        request = urllib.request.Request(
            self._url + "/v1/events",
            data=json.dumps(events).encode("utf-8"),
            headers={"authorization": f"Bearer {self._key}", "content-type": "application/json"},
            method="POST",
        )
        try:
            with _opener.open(request, timeout=ANSWER_S) as response:
                status, text = response.status, response.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode("utf-8", "replace")
        except Exception:  # Refused, silent, no such name, a broken answer: all the same to a job.
            return "away", f"Tocsin at {self._host} cannot be reached"
        try:
            body = json.loads(text)
        except ValueError:
            body = {}
        if status == 202:
            rejected = body.get("rejected", []) if isinstance(body, dict) else []
            return "taken", [(one["index"], f"{one['field']} {one['problem']}".strip()) for one in rejected]
        if status in (400, 413) and "urn:tocsin:problem:" in text:  # Only Tocsin's own word is final.
            first = (body.get("errors") or [{}])[0]
            return "refused", f"{first['field']} {first['problem']}" if first else body.get("detail", "")
        if status in (401, 403):
            return "away", f"Tocsin refuses the key ({status}): it needs the scope ingest"
        return "away", f"Tocsin answers {status}"


class Job:
    """One run of a job. `progress` is for the job; see current_job()."""

    def __init__(self, name, metadata=None, labels=None, environment=None, service=None):
        settings = _settings()
        self._post = None
        if isinstance(settings, str):
            _say(f"{settings}: the job runs, and nobody is told")
        else:
            self._post = _Post(*settings)
        self._began = time.monotonic()
        self._name = _clip(_one_line(name) or "job", NAME_MAX)
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
        self._run = f"{stamp}-{secrets.token_hex(5)}"  # A letter in it: a label that is a number would be a count.
        environment = environment or _environment()
        own = {"job": self._name, "run": self._run, **({"environment": environment} if environment else {})}
        given = [(name, value) for name, value in (labels or {}).items() if name][:60]
        self._labels = {_clip(_plain(k), NAME_MAX): _clip(_plain(v), LABEL_MAX) for k, v in [*given, *own.items()]}
        self._service = _clip(_plain(service or self._name), NAME_MAX)
        self._metadata = _within(metadata)
        self._known, self._lines, self._told, self._count = {}, deque(maxlen=LINES_MAX), -math.inf, 0
        self._lock = threading.RLock()
        self._timer = None
        self._tell("started", "job_started", f"{self._name} has started")

    def progress(self, facts=None, line=None, **more):
        """Says how far it is: progress(processed=10, total=100). Told at most every ten seconds."""
        try:
            with self._lock:
                self._known.update({**(facts or {}), **more})
                if line is not None:
                    self._lines.append(line)
                if self._timer is not None:
                    return
                wait = self._told + PROGRESS_EVERY_S - time.monotonic()
                if wait <= 0:
                    self._tell_progress()
                else:
                    self._timer = threading.Timer(wait, self._tell_later)
                    self._timer.daemon = True
                    self._timer.start()
        except Exception as error:  # The job is what counts.
            _say(f"progress cannot be told: {type(error).__name__}")

    def end(self, how, result=None, error="", exit_code=None):
        """Tells the end, 'completed', 'failed' or 'cancelled', and waits a little for it to be sent."""
        try:
            with self._lock:
                if self._timer is not None:
                    self._timer.cancel()
                if self._lines:
                    self._tell_progress()
            facts = {**self._known, **(result if isinstance(result, dict) else {})}
            context = {"duration_s": round(time.monotonic() - self._began, 3), **_sorted(facts)}
            body = _last_words(str(error).split("\n"))
            if exit_code is not None and exit_code >= 0:
                context["exit_code"] = exit_code
            if how == "completed":
                self._tell("ended", "job_completed", f"{self._name} has completed", context, status="resolved")
            elif how == "cancelled":
                title = f"{self._name} was cancelled"
                self._tell("ended", "job_cancelled", title, context, severity="warning", body=body)
            else:
                context["error"] = body[-ERROR_MAX:]
                title = f"{self._name} has failed"
                self._tell("ended", "job_failed", title, context, severity="error", body=body)
            if self._post:
                self._post.finish()
        except Exception as problem:  # The job is what counts.
            _say(f"the end cannot be told: {type(problem).__name__}")

    def _tell_later(self):
        with self._lock:
            if self._timer is not None:
                self._tell_progress()

    def _tell_progress(self):
        self._timer = None
        self._told = time.monotonic()
        self._count += 1
        body = _last_words(list(self._lines))
        self._lines.clear()
        said = _in_words(self._known)
        title = f"{self._name}: {said}" if said else f"{self._name} goes on"
        self._tell(f"p{self._count}", "job_progress", title, _sorted(self._known), body=body)

    def _tell(self, mark, kind, title, context=None, **more):
        if self._post is None:
            return
        self._post.tell(
            {
                "id": f"{self._run}-{mark}",
                "source": "jobs",
                "type": kind,
                "title": _clip(_one_line(title), TITLE_MAX),
                "service": self._service,
                "labels": self._labels,
                "dedup_key": f"{self._name}/{self._run}",
                "occurred_at": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "context": {**({"metadata": self._metadata} if self._metadata else {}), **(context or {})},
                **{name: value for name, value in more.items() if value},
            }
        )


_current = threading.local()


def current_job():
    """The job that runs in this thread, for current_job().progress(processed=10, total=100); None outside of one."""
    return getattr(_current, "job", None)


def run_with_slack(job_name, job_func, metadata=None):
    """Runs job_func() and tells its story in one thread: start, end, duration, and the dict it returns as the summary.

    Returns what job_func returns and raises what it raises; the error is told. Ctrl-C is a cancelled job, and so is SIGTERM
    (a container that is stopped) unless the program handles it itself.
    """
    try:
        job = Job(job_name, metadata)
    except Exception as error:  # The job is what counts.
        _say(f"the job cannot be told: {type(error).__name__}")
        return job_func()
    before, _current.job = current_job(), job
    forget = _tell_if_terminated(job)
    try:
        result = job_func()
    except KeyboardInterrupt:
        job.end("cancelled", error="KeyboardInterrupt")
        raise
    except SystemExit as stop:
        good = stop.code is None or stop.code == 0
        job.end("completed" if good else "failed", error="" if good else f"exit: {stop.code}")
        raise
    except BaseException as error:
        last = traceback.format_exception(type(error), error, error.__traceback__)
        job.end("failed", error="".join(last))
        raise
    finally:
        _current.job = before
        forget()
    job.end("completed", result)
    return result


def _tell_if_terminated(job):
    """SIGTERM tells the end, then ends the process as it would have; returns how to take that back."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return lambda: None

    def forget():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def terminated(number, _frame):
        forget()
        job.end("cancelled", error="ended by SIGTERM")
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, terminated)
    return forget


def notify_user_registered(email, display_name, user_id, total_users, environment=None):
    """Tells of a new user. True when it is sent or kept to be sent; never raises."""
    settings = _settings()
    if isinstance(settings, str):
        _say(f"{settings}: nobody is told")
        return False
    try:
        environment = environment or _environment()
        user = {"email": email, "display_name": display_name, "user_id": user_id, "total_users": total_users}
        _shared_post(settings).tell(
            {
                "id": f"user-{secrets.token_hex(10)}",
                "source": "users",
                "type": "user_registered",
                "title": "New user",  # Whoever may not see personal data is shown this and no more.
                "labels": {"environment": _clip(_plain(environment), LABEL_MAX)} if environment else {},
                "context": {"user": _within(user)},
            }
        )
        return True
    except Exception as error:  # A sign-in must not fail for it.
        _say(f"the new user cannot be told: {type(error).__name__}")
        return False


_shared = {}


def _shared_post(settings):
    """One for the whole process: a sign-in waits for nobody. A forked child has none of its parent's threads."""
    at = (os.getpid(), settings)
    if at not in _shared:
        _shared[at] = _Post(*settings)
        atexit.register(_shared[at].finish)
    return _shared[at]


def _wait():
    try:
        wait = float(os.environ.get("TOCSIN_WAIT") or WAIT_S)
    except ValueError:
        wait = WAIT_S
    return min(wait, WAIT_MAX_S) if wait >= 0 else WAIT_S


def _environment():
    return os.environ.get("TOCSIN_ENVIRONMENT") or os.environ.get("ENVIRONMENT") or ""


def _plain(value):
    return _TERMINAL.sub("", str(value))


def _one_line(value):
    return " ".join(_plain(value).split())


def _clip(text, limit):
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_count(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _within(facts):
    """As many of the facts as an event takes: texts are cut, what is nested is written as JSON."""
    kept, size = {}, 0
    for name, value in (facts or {}).items():
        if value is None:
            continue
        if not (isinstance(value, bool) or _is_count(value)):
            nested = isinstance(value, (dict, list, tuple))
            value = _clip(_plain(json.dumps(value, default=str, ensure_ascii=False) if nested else value), VALUE_MAX)
        name = _clip(_plain(name), NAME_MAX)
        size += len(json.dumps([name, value]))
        if size > FACTS_BYTES_MAX:
            break
        kept[name] = value
    return kept


def _sorted(facts):
    """Numbers are counts, everything else that a job says is a statistic of its own."""
    counts = _within({name: value for name, value in facts.items() if _is_count(value)})
    stats = _within({name: value for name, value in facts.items() if not _is_count(value)})
    return {**({"counts": counts} if counts else {}), **({"stats": stats} if stats else {})}


def _in_words(facts):
    """`10 of 100 (10%)` where a job says processed and total; else its numbers by name."""
    numbers = {name: value for name, value in facts.items() if _is_count(value)}
    said = []
    if numbers.get("total", 0) > 0 and "processed" in numbers:
        processed, total = numbers.pop("processed"), numbers.pop("total")
        said.append(f"{processed} of {total} ({math.floor(100 * processed / total)}%)")
    return ", ".join([*said, *(f"{name} {value}" for name, value in numbers.items())])


def _last_words(lines):
    text = _plain("\n".join(str(line).rstrip("\n") for line in list(lines)[-3 * LINES_MAX :])).strip()
    text = "\n".join(text.split("\n")[-LINES_MAX:])
    return text if len(text) <= WORDS_MAX else "…" + text[1 - WORDS_MAX :]


_SAID = re.compile(r"^\s*tocsin:\s*(\S.*)$")
_FRACTION = re.compile(r"^(\d{1,15})\s*/\s*(\d{1,15})\s*$", re.ASCII)


def _facts_in(line):
    """What a line says of the job: `tocsin: {"processed": 10, "total": 100}`, or `tocsin: 10/100`; None for any other."""
    said = _SAID.match(line)
    if not said:
        return None
    fraction = _FRACTION.match(said.group(1))
    if fraction:
        return {"processed": int(fraction.group(1)), "total": int(fraction.group(2))}
    try:
        facts = json.loads(said.group(1))
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None


def _copy(source, target, hear):
    """Copies a stream as it comes and gives `hear` its lines, none of them longer than WORDS_MAX."""
    rest = b""
    while True:
        chunk = os.read(source.fileno(), 65536)
        if not chunk:
            break
        try:
            target.buffer.write(chunk)
            target.buffer.flush()
        except (OSError, ValueError):
            break  # Nobody reads our output any more: the command learns it as it would without us.
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[:WORDS_MAX]
        for line in lines:
            hear(line.decode("utf-8", "replace").rstrip("\r").split("\r")[-1][:WORDS_MAX])
    if rest:
        hear(rest.decode("utf-8", "replace"))
    source.close()


def _run_command(asked, command):
    """Runs the command and tells its story; its exit code, 128 + n where signal n ended it, 126 and 127 as a shell says."""
    job = Job(asked.name, dict(asked.metadata), dict(asked.label), asked.environment, asked.service)
    last = deque(maxlen=LINES_MAX)

    def hear(line):
        facts = _facts_in(line)
        if facts is not None:
            job.progress(facts)
        elif asked.stream and line.strip():
            job.progress(line=line)
        return facts

    def hear_error(line):
        if hear(line) is None:
            last.append(line)

    stopped, child = [], None

    def pass_on(number, _frame):
        stopped.append(number)
        if child and (number != signal.SIGINT or not (sys.stdin and sys.stdin.isatty())):
            child.send_signal(number)  # Ctrl-C in a terminal reaches the command by itself.

    # Before there is a command: it may be asked to stop as soon as it begins.
    asks = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
    before = {one: signal.signal(one, pass_on) for one in asks if signal.getsignal(one) != signal.SIG_IGN}  # nohup(1)
    pipe = subprocess.PIPE if asked.stream or asked.progress else None
    try:
        child = subprocess.Popen(command, stdout=pipe, stderr=subprocess.PIPE)
    except OSError as error:
        why = f"{command[0]}: {error.strerror}"
        _say(why)
        job.end("failed", error=why)
        return 127 if isinstance(error, FileNotFoundError) else 126
    for number in list(stopped):
        child.send_signal(number)
    copies = [threading.Thread(target=_copy, args=(child.stderr, sys.stderr, hear_error), daemon=True)]
    if pipe is not None:
        copies.append(threading.Thread(target=_copy, args=(child.stdout, sys.stdout, hear), daemon=True))
    for copy in copies:
        copy.start()
    code = child.wait()
    for copy in copies:
        copy.join(2.0)  # What the command has left running may hold its output open.
    for number, handler in before.items():
        signal.signal(number, handler)
    ended = -code if code < 0 else None
    if code == 0 and not stopped:
        job.end("completed")
    else:
        why = f"ended by {_signal_name(ended)}" if ended else f"exit code {code}"
        how = "cancelled" if stopped or ended in asks else "failed"
        job.end(how, error="\n".join([*last, why]), exit_code=code)
    return code if ended is None else 128 + ended


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # Some real-time signals have no name.


def _pair(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text}: it is written NAME=VALUE")
    return name, value


def main(argv):
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tocsin.py", description="Runs a job and tells Tocsin its story.")
    run = parser.add_subparsers(dest="command", required=True).add_parser(
        "run", usage="tocsin.py run --name NAME [options] -- COMMAND [ARGUMENT ...]"
    )
    run.add_argument("--name", required=True, help="which job it is")
    run.add_argument("--label", type=_pair, action="append", default=[], help="NAME=VALUE, a label of every event")
    run.add_argument("--metadata", type=_pair, action="append", default=[], help="NAME=VALUE, shown with the start")
    run.add_argument("--environment", help="else TOCSIN_ENVIRONMENT or ENVIRONMENT")
    run.add_argument("--service", help="else the job's name")
    run.add_argument("--stream", action="store_true", help="tell the last lines of the output, at most every 10 s")
    run.add_argument("--progress", action="store_true", help='hear lines such as tocsin: {"processed": 10, "total": 100}')
    at = argv.index("--") if "--" in argv else len(argv)
    asked = parser.parse_args(argv[:at])
    if not argv[at + 1 :]:
        run.error("no command: it stands after --")
    return _run_command(asked, argv[at + 1 :])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
