#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the agent says and returns, above all when something is wrong."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lab")]
from scene import DEADLINE_S, NOBODY, Scene, Signer, enter_namespace, wait_for
from tap import Tap

USAGE, CONFIG, CONSENT, PLAN, CLOCK = 2, 3, 4, 5, 6
UNREACHABLE, SPOOL, KEY = 7, 8, 9


def fails(tap, done, status, words, name):
    """The status is right, and one line on stderr has all the words."""
    lines = [x for x in done.stderr.splitlines() if x.startswith("<3>")]
    good = done.returncode == status and len(lines) == 1 and \
        all(w in lines[0] for w in words)
    tap.ok(good, name, f"status {done.returncode}, wanted {status} and "
           f"{words}\n{done.stderr}")


def usage(tap, s):
    tap.equal(s.run("version").stdout, "periplus 0.1.0\n", "version")
    done = s.run("--help")
    tap.ok(done.returncode == 0 and "check" in done.stdout and
           ".local/state/periplus" in done.stdout,
           "help names commands and places")
    fails(tap, s.run("chek"), USAGE, ["chek", "check"],
          "a misspelt command: the nearest is named")
    fails(tap, s.run("check", "--jsn"), USAGE, ["--jsn", "--json"],
          "a misspelt option: the nearest is named")
    fails(tap, s.run(), USAGE, ["no command"], "no command")
    fails(tap, s.run("check", "--family", "5"), USAGE, ["4 or 6"],
          "there is no IPv5")
    fails(tap, s.run("check", "--family", "7"), USAGE, ["--family 7"],
          "there is no IPv7")


def configuration(tap, s):
    bad = s.write("bad.conf", "# comment\nspol_max = 3M\n")
    fails(tap, s.run("check", "--config", bad), CONFIG,
          ["bad.conf:2", "spol_max", "spool_max"],
          "an unknown key: file, line, and what was meant")
    fails(tap, s.run("check", "--set", "spool_max=3"), CONFIG,
          ["spool_max = 3", "out of range"], "a value out of range")
    fails(tap, s.run("check", "--set", "upload=maybe"), CONFIG,
          ["upload", "maybe"], "neither yes nor no")
    fails(tap, s.run("check", "--config", "/nonexistent/x.conf"), CONFIG,
          ["/nonexistent/x.conf", "No such file"], "a missing file")
    fails(tap, s.run("check", "--set", "plan=/x.json"), CONFIG,
          ["plan_key"], "a plan without its key")
    fails(tap, s.run("check", "--set", "plan=ftp://x/y", "--set",
                     f"plan_key={s.signer.public_key}"), CONFIG,
          ["ftp://x/y", "http"], "a plan over FTP")
    fails(tap, s.run("check", "--set", "plan=/x", "--set", "plan_key=RWQx"),
          CONFIG, ["plan_key", "RWQx"], "a plan_key that is none")
    done = s.run("--check-config")
    tap.ok(done.returncode == 0 and "good" in done.stdout, "--check-config")
    printed = s.run("--print-config").stdout
    again = s.run("--print-config", "--config",
                  s.write("again.conf", printed)).stdout
    tap.equal(again, printed, "what --print-config prints is read back")


def default_places(tap, s):
    home = s.path("home")
    os.mkdir(home)
    os.chown(home, NOBODY, NOBODY)
    empty = s.write("empty.conf", "")
    env = {"HOME": home, "XDG_STATE_HOME": ""}
    done = s.run("consent", "--grant", "basic", "--config", empty, env=env)
    tap.ok(done.returncode == 0 and
           os.path.exists(home + "/.local/state/periplus/consent"),
           "an ordinary user's state lies under the home directory",
           done.stderr)
    env["XDG_STATE_HOME"] = home + "/xdg"
    s.run("consent", "--grant", "basic", "--config", empty, env=env)
    tap.ok(os.path.exists(home + "/xdg/periplus/consent"),
           "XDG_STATE_HOME is obeyed")
    fails(tap, s.run("status", "--config", empty,
                     env={"HOME": "", "XDG_STATE_HOME": ""}), CONFIG,
          ["state_dir"], "no home at all: state_dir is asked for")


def consent(tap, s):
    s.fresh_state(consent=None)
    for command in ("check", "run"):
        fails(tap, s.run(command), CONSENT, ["consent --grant basic"],
              f"no consent, no {command}")
    tap.ok(not os.listdir(s.state()), "and nothing is left behind")
    done = s.run("consent", "--grant", "basic,noisy")
    with open(s.state("consent"), encoding="utf-8") as f:
        text = f.read()
    tap.ok(done.returncode == 0 and "classes = basic, noisy" in text and
           "date = 20" in text and "intrusion detection" in text,
           "the consent file says when, what, and what it means", text)
    tap.equal(s.status()["consent"]["classes"], ["basic", "noisy"],
              "status shows it")
    s.run("consent", "--grant", "tor_vpn")
    tap.equal(s.status()["consent"]["classes"], ["basic", "noisy", "tor_vpn"],
              "granting adds")
    fails(tap, s.run("check", "--classes", "inbound"), USAGE, ["inbound"],
          "a class that nobody consented to")
    fails(tap, s.run("consent", "--grant", "nosy"), USAGE, ["nosy", "noisy"],
          "an unknown class")
    fails(tap, s.run("consent", "--grant", "all", "--revoke"), USAGE,
          ["--revoke"], "not both at once")
    with open(s.state("consent"), "w", encoding="utf-8") as f:
        f.write("classes = everything\n")
    fails(tap, s.run("check"), CONSENT, ["everything", s.state("consent")],
          "a consent file that says nothing known")
    done = s.run("consent", "--revoke")
    tap.ok(done.returncode == 0 and not os.path.exists(s.state("consent")),
           "revoking removes the file")
    fails(tap, s.run("check"), CONSENT, ["consent"], "and ends it")
    with open(s.state("consent"), "w", encoding="utf-8") as f:
        f.write("classes = basic\n")
    tap.equal(s.status()["consent"]["classes"], ["basic"],
              "one line written by a person will do")


def key(tap, s):
    s.fresh_state()
    done = s.run("keygen")
    path = s.state("agent.key")
    tap.equal((done.returncode, stat.S_IMODE(os.stat(path).st_mode)),
              (0, 0o600), "keygen makes a key that nobody else can read")
    with open(path, encoding="ascii") as f:
        first = f.read()
    fails(tap, s.run("keygen"), KEY, [path, "--force"],
          "it does not replace one")
    with open(path, encoding="ascii") as f:
        tap.equal(f.read(), first, "really not")
    s.run("keygen", "--force")
    with open(path, encoding="ascii") as f:
        second = f.read()
    tap.ok(second != first, "unless forced")
    os.chmod(path, 0o644)
    fails(tap, s.run("check"), KEY, [path, "chmod"], "a key open to others")
    os.chmod(path, 0o600)
    with open(path, "w", encoding="ascii") as f:
        f.write(second.replace("secret ", "secret 0")[:-2] + "\n")
    fails(tap, s.run("check"), KEY, [path, "malformed"],
          "a key whose halves do not belong together")


# ---- plan -------------------------------------------------------------------


def refused_plans(tap, s, source, how):
    """Each plan is refused by check, with the reason and where it was."""
    other = Signer(s.path("keys"), "forger" + how)
    check = ("check", "--set", f"plan={source}", "--set",
             f"plan_key={s.signer.public_key}")

    def refused(words, name):
        s.fresh_state()
        fails(tap, s.run(*check), PLAN, [source, *words], f"{how}: {name}")
        tap.ok(not os.path.exists(s.state("plan.json")),
               f"{how}: {name}: it is not cached")

    s.plan(signer=other)
    refused(["refused", "key"], "a plan that somebody else signed")
    path = s.plan()
    with open(path, encoding="utf-8") as f:
        text = f.read()
    s.write("plan/plan.json", text.replace('"serial": 1', '"serial": 9'))
    refused(["refused"], "a plan that was changed afterwards")
    s.plan(days=-1)
    refused(["expired", "clock"], "an expired plan")
    s.plan(min_agent="99.0")
    refused(["99.0", "update"], "a plan for later agents")
    s.plan(format="periplus-plan/2")
    refused(["malformed"], "a plan of another format")
    s.plan(padding="x" * 300000)
    refused(["262144"], "an oversized plan")
    os.unlink(path + ".minisig")
    s.write("plan/plan.json", text)
    refused([".minisig"], "a plan without a signature")
    os.unlink(path)
    refused(["plan.json"], "no such plan")
    s.plan()
    s.fresh_state()
    fails(tap, s.run(*check, "--set", "allow_any_target=no"), PLAN,
          [source, "127.0.0.1"], f"{how}: a plan that names a loopback target")


def older_plans(tap, s, source, how):
    s.fresh_state()
    s.plan(serial=7)
    tap.equal(s.run("check").returncode, 0, f"{how}: plan 7 is used")
    s.plan(serial=6)
    done = s.run("check")
    tap.ok(done.returncode == 0 and "older" in done.stderr and
           json.loads(s.run("status", "--json").stdout)["plan"]["serial"] == 7,
           f"{how}: an older plan is refused, the cached one goes on",
           done.stderr)
    os.unlink(s.state("plan.json"))
    fails(tap, s.run("check"), PLAN, [source, "6", "7", "older"],
          f"{how}: the highest serial survives the loss of the cached plan")


def plan_files(tap, s):
    source = s.path("plan", "plan.json")
    fails(tap, s.run("check"), PLAN, ["plan_key"], "no plan is configured")
    refused_plans(tap, s, source, "file")
    s.configure(source, s.signer.public_key)
    older_plans(tap, s, source, "file")


def successor(tap, s):
    """A plan signed with the next key is good once the old key named it."""
    heir = Signer(s.path("keys"), "heir")
    s.fresh_state()
    s.plan(serial=2, signer=heir)
    fails(tap, s.run("check"), PLAN, ["refused"],
          "a successor that nobody named")
    s.plan(serial=3, next_key=heir.public_key)
    tap.equal(s.run("check").returncode, 0, "the key names its successor")
    s.plan(serial=4, signer=heir)
    done = s.run("check")
    tap.ok(done.returncode == 0 and s.status()["plan"]["serial"] == 4,
           "whose plan is then used", done.stderr)
    other = Signer(s.path("keys"), "stranger")
    s.plan(serial=5, signer=other)
    s.run("check", "--set", f"plan_key={other.public_key}")
    tap.equal(json.loads(s.run(
        "status", "--json", "--set",
        f"plan_key={other.public_key}").stdout)["plan"]["serial"], 5,
        "another plan_key begins anew")


def plan_over_http(tap, s):
    web = s.web()
    source = web.url + "/plan.json"
    web.etag = None
    refused_plans(tap, s, source, "http")
    s.configure(source, s.signer.public_key)
    older_plans(tap, s, source, "http")
    s.fresh_state()
    s.plan(serial=10)
    web.etag = '"ten"'
    web.log.clear()
    tap.equal([s.run("check").returncode for _ in range(2)], [0, 0],
              "http: fetched, then asked again")
    tap.equal(web.log, [("/plan.json", 200), ("/plan.json.minisig", 200),
                        ("/plan.json", 304)],
              "http: the second time only whether it changed")
    s.plan(serial=11)
    web.etag = '"eleven"'
    s.run("check")
    tap.equal(s.status()["plan"]["serial"], 11, "http: a new plan is noticed")
    bad_servers(tap, s, web)
    web.close()
    s.webs.remove(web)
    done = s.run("check")
    tap.ok(done.returncode == 0 and source in done.stderr,
           "http: with the server gone the cached plan is used, and said so",
           done.stderr)
    s.fresh_state()
    fails(tap, s.run("check"), PLAN, [source],
          "http: with the server gone and no cache there is no plan")
    done = s.run("check", "--set",
                 f"plan={source} {s.path('plan', 'plan.json')}")
    tap.equal(done.returncode, 0, "http: the next source is tried")


def bad_servers(tap, s, web):
    def cached(words, name):
        done = s.run("check")
        tap.ok(done.returncode == 0 and
               all(w in done.stderr for w in words) and
               s.status()["plan"]["serial"] == 11, f"http: {name}",
               done.stderr)

    answers = web.answers
    web.etag = None
    answers["/plan.json"] = (404, {}, b"gone")
    cached(["404"], "a plan that is gone leaves the cached one in force")
    answers["/plan.json"] = (200, {}, b"<html>log in first</html>")
    cached(["refused"], "so does a captive portal")
    answers["/plan.json"] = (200, {"Transfer-Encoding": "chunked"},
                             b"40000\r\n" + b"x" * 0x40000 + b"\r\n"
                             b"40000\r\n" + b"x" * 0x40000 + b"\r\n0\r\n\r\n")
    cached(["longer"], "so does a body without an end")
    answers["/plan.json"] = (302, {"Location": "file:///etc/passwd"}, b"")
    cached([web.url], "a redirection to a file is not followed")
    answers["/plan.json"] = (302, {"Location": web.url + "/plan.json"}, b"")
    cached(["redirect"], "a redirection in circles ends")
    answers["/plan.json"] = (302, {"Location": web.url.replace(
        "127.0.0.1", "127.0.0.2") + "/plan.json"}, b"")
    cached(["not public"], "a redirection into the home is not followed")
    answers["/plan.json"] = (200, {f"X-{i}": "x" * 1000 for i in range(90)},
                             b"{}")
    cached(["longer than"], "headers without end are cut off")
    answers["/plan.json"] = (302, {"Location": web.url + "/new.json"}, b"")
    answers["/plan.json.minisig"] = (302, {
        "Location": web.url + "/new.json.minisig"}, b"")
    s.plan(serial=11, name="new.json")
    done = s.run("check")
    tap.equal((done.returncode, done.stderr), (0, ""),
              "http: a redirection to another page is")
    answers.clear()


# ---- measuring --------------------------------------------------------------


def measuring(tap, s):
    s.configure(s.plan(serial=1), s.signer.public_key)
    s.fresh_state(consent="basic,noisy")
    done = s.run("check", "--json")
    check = json.loads(done.stdout)
    tap.ok(done.returncode == 0 and check["format"] == "periplus-check/1",
           "check --json prints one JSON document", done.stderr)
    tap.equal((check["upload"]["stored"], check["upload"]["waiting"]), (0, 1),
              "what is not sent waits in the spool")
    status = s.status()
    tap.equal((status["spool"]["runs"], status["last_run"]["reflector"],
               status["last_run"]["open"]), (1, "here", 4), "status knows it")
    done = s.run("check", "--json", "--no-upload", "--classes", "basic")
    tap.equal((done.returncode, json.loads(done.stdout)["upload"],
               s.status()["spool"]["runs"]), (0, None, 1),
              "--no-upload neither sends nor spools")
    tap.equal(s.status()["last_run"]["open"], 3, "--classes asks for less")
    done = s.run("check", "--no-upload")
    tap.ok(done.returncode == 0 and "open" in done.stdout,
           "check prints a table", done.stdout + done.stderr)
    fails(tap, s.run("check", "--reflector", "nowhere"), UNREACHABLE,
          ["nowhere"], "an unknown reflector")
    fails(tap, s.run("check", "--family", "6"), UNREACHABLE, ["IPv6"],
          "a family that no reflector has")
    ports = json.loads(s.run("ports", "--json").stdout)
    asked = [(p["transport"], p["port"]) for p in ports["ports"]
             if p["in_plan"]]
    tap.equal(asked, [("tcp", 22), ("tcp", 25), ("tcp", 445), ("udp", 123)],
              "ports says what the plan asks about")
    tap.ok("25/tcp" in s.run("ports").stdout, "also as a table")
    done = s.run("check", "--no-upload", user=0)
    tap.ok(done.returncode == 0 and done.stderr.count("root") == 1,
           "root is told once that it is not needed", done.stderr)
    tap.equal({os.stat(s.state(f)).st_uid for f in os.listdir(s.state())},
              {NOBODY}, "and leaves only files of the state's owner")


def no_reflector(tap, s, reflector):
    s.end(reflector)
    s.configure(s.plan(serial=2), s.signer.public_key)
    s.fresh_state()
    done = s.run("check", "--no-upload", "--json")
    fails(tap, done, UNREACHABLE, ["reached"],
          "no reflector: nothing was measured")
    run = json.loads(done.stdout)
    tap.ok(run, "the report is there all the same")
    s.configure(s.plan(serial=3, reflectors=[
        {"name": "far", "ipv4": "192.0.2.1", "control_ports": [443]}]),
        s.signer.public_key)
    fails(tap, s.run("check"), UNREACHABLE, ["no route"],
          "a computer without a network")


def wrong_clock(tap, s):
    """Five years ago; the agent's real clock only."""
    library = s.path("midnight.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library,
                    os.path.join(HERE, "..", "reflector", "midnight.c")],
                   check=True)
    env = {"LD_PRELOAD": library, "MIDNIGHT_SHIFT_S": str(-5 * 365 * 86400),
           "ASAN_OPTIONS": "verify_asan_link_order=0"}
    s.configure(s.plan(serial=20), s.signer.public_key)
    s.fresh_state()
    fails(tap, s.run("check", env=env), CLOCK, ["clock", "set"],
          "a clock from before the release")
    child = s.start("run", env=env)
    wait_for(lambda: "waiting for the clock" in s.log(),
             "the service says what it waits for")
    tap.ok(s.end(child) == 0 and s.log().count("waiting") == 1,
           "the service waits for the clock, and says so once", s.log())


def slow_clock(tap, s):
    """An hour behind: said, and corrected."""
    library = s.path("midnight.so")
    env = {"LD_PRELOAD": library, "MIDNIGHT_SHIFT_S": "-3600",
           "ASAN_OPTIONS": "verify_asan_link_order=0"}
    s.configure(s.plan(serial=21), s.signer.public_key)
    s.fresh_state()
    done = s.run("check", "--json", env=env)
    tap.ok(done.returncode == 0 and "60 minutes behind" in done.stderr,
           "a clock an hour behind is said, and measuring goes on",
           done.stderr)


def full_disk(tap, s):
    s.configure(s.plan(serial=30), s.signer.public_key)
    s.fresh_state()
    s.run("check", "--no-upload")
    spool = s.state("spool")
    os.makedirs(spool, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o",
                    f"size=64k,uid={NOBODY},gid={NOBODY}", "none", spool],
                   check=True)
    s.mounts.append(spool)
    os.mkdir(spool + "/rejected")
    os.chown(spool + "/rejected", NOBODY, NOBODY)
    with open(spool + "/ballast", "wb") as f:
        try:
            f.write(b"x" * 65536)
        except OSError:
            pass
    done = s.run("check")
    tap.ok(done.returncode == SPOOL and "No space left" in done.stderr and
           "lost" in done.stderr and "open" in done.stdout,
           "a full disk: the result is shown, the status says what is wrong",
           f"{done.returncode}\n{done.stderr}")
    peer, entry = s.peer(7401, "stored")
    s.plan(serial=31, collectors=[entry])
    done = s.run("check", "--set", "upload=yes")
    tap.ok(done.returncode == SPOOL and "1 run stored" in done.stdout and
           "lost" not in done.stderr,
           "a full disk and a collector: the run is sent from memory",
           f"{done.returncode}\n{done.stdout}\n{done.stderr}")
    s.end(peer)
    subprocess.run(["umount", spool], check=True)
    s.mounts.remove(spool)


def in_shell(s, command, *args):
    """Run the agent where "$@" stands in a shell's command."""
    return subprocess.run(["sh", "-c", command, "sh", *s.argv(*args)],
                          text=True, capture_output=True, check=False,
                          timeout=DEADLINE_S)


def surroundings(tap, s):
    """Whoever starts it, and however its output is treated."""
    s.configure(s.plan(serial=35), s.signer.public_key)
    s.fresh_state()
    done = in_shell(s, '"$@" <&- >&-', "check")
    status = s.status()
    tap.equal((done.returncode, status["spool"]["runs"],
               status["last_run"]["failed"], status["last_run"]["open"]),
              (0, 1, 0, 3), "without standard output nothing else takes "
              "its place")
    run = s.state("spool", status["last_run"]["run"] + ".json")
    with open(run, encoding="utf-8") as f:
        tap.equal(json.load(f)["run"], status["last_run"]["run"],
                  "and the run is whole")
    done = in_shell(s, '"$@" >/dev/full', "ports")
    fails(tap, done, 1, ["output"], "output that cannot be written is said")
    done = in_shell(s, '("$@"; echo status $? >&2) | true', "check")
    tap.equal((done.stderr, s.status()["spool"]["runs"]), ("status 1\n", 2),
              "a reader that is gone ends no measurement")
    subprocess.run(["nft", "-f", "-"], text=True, check=True, input="""
        table inet filter { chain in { type filter hook input priority 0;
          tcp dport { 22, 25 } drop; udp dport 123 drop; }; }""")
    s.run("check")
    tap.equal(s.status()["last_run"]["failed"], 3, "three ports are blocked")
    in_shell(s, 'ulimit -Sn 12; exec "$@"', "check")
    tap.equal(s.status()["last_run"]["failed"], 3,
              "also where few descriptors are allowed at first")
    child = s.start("check")
    wait_for(lambda: os.path.exists(f"/proc/{child.pid}/fd/12"),
             "the probes are under way")
    status = s.end(child, signal.SIGINT)
    tap.equal((status, s.log()), (1, "<3>interrupted\n"),
              "an interrupted check says so")
    left = [x for x in os.listdir(s.state()) + os.listdir(s.state("spool"))
            if ".tmp-" in x or ".new-" in x]
    tap.equal(left, [], "and leaves nothing half done")
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    os.chmod(s.state(), 0o770)
    fails(tap, s.run("check"), 1, ["written by others", "chmod"],
          "a state directory that others can write to")
    os.chmod(s.state(), 0o755)
    tap.equal(s.run("check").returncode, 0, "they may look at it")
    os.chown(s.state(), 1, 1)
    fails(tap, s.run("check"), 1, ["another user"],
          "a state directory of somebody else's")
    s.fresh_state()
    modes = {}
    s.run("check")
    for where, directories, files in os.walk(s.state()):
        for name in directories + files:
            mode = os.stat(os.path.join(where, name)).st_mode & 0o777
            modes.setdefault(oct(mode), []).append(name)
    modes.pop("0o700", None)
    modes.pop("0o600", None)
    tap.equal(modes, {"0o644": ["consent"]}, "only the consent is for all")


def damaged_state(tap, s):
    s.configure(s.plan(serial=40), s.signer.public_key)
    s.fresh_state()
    s.run("check")
    spool = s.state("spool")
    good = [f for f in os.listdir(spool) if f.endswith(".json")][0]
    shutil.copy(f"{spool}/{good}",
                f"{spool}/ffffffff-ffff-7fff-bfff-ffffffffffff.json")
    for name, text in (("eeeeeeee-eeee-7eee-beee-eeeeeeeeeeee.json", "{"),
                       ("shopping.json", "milk")):
        with open(f"{spool}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
    for name in ("status.json", "plan-seen.json"):
        with open(s.state(name), "w", encoding="utf-8") as f:
            f.write("{\x00")
    peer, entry = s.peer(7402, "stored")
    s.plan(serial=41, collectors=[entry])
    done = s.run("check", "--set", "upload=yes")
    tap.ok(done.returncode == 0 and len(s.peer_runs(7402)) == 2 and
           "status.json" in done.stderr and "plan-seen.json" in done.stderr,
           "damaged files are set aside, and do not stop the others",
           done.stdout + done.stderr)
    kept = sorted(os.listdir(spool + "/rejected"))
    tap.equal((len(kept), s.status()["spool"]["rejected_kept"]), (6, 3),
              "they are kept, each beside the reason")
    tap.ok(s.run("check").stderr == "", "and said once")
    s.end(peer)


def main():
    enter_namespace()
    with Tap() as tap, Scene() as s:
        usage(tap, s)
        configuration(tap, s)
        default_places(tap, s)
        consent(tap, s)
        key(tap, s)
        reflector = s.reflector()
        s.fresh_state()
        plan_files(tap, s)
        successor(tap, s)
        plan_over_http(tap, s)
        measuring(tap, s)
        wrong_clock(tap, s)
        slow_clock(tap, s)
        full_disk(tap, s)
        damaged_state(tap, s)
        surroundings(tap, s)
        no_reflector(tap, s, reflector)


main()
