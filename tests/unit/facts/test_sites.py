from __future__ import annotations

from pathlib import Path as LocalPath
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Command, Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.php_fpm import PoolUser, ReadPoolUsers
from soleil_remediate.facts.sites import (
    Beside,
    FoundApplication,
    LookBeside,
    ReadServers,
    Server,
    read_applications,
)
from tests.unit.facts.answers import complaint, record, run_here, said, see
from tests.unit.facts.sites import LOG, POOL_USERS, ROOT, SITE, lines


def servers(text: str) -> tuple[Server, ...]:
    found: tuple[Server, ...] = ReadServers().answer(said(lines(text)))
    return found


def found(
    text: str = SITE,
    *more: tuple[str, Output | FactError],
    pools: str | FactError = POOL_USERS,
    log: str = f"{LOG}\0",
    beside: Output | FactError | None = None,
) -> tuple[FoundApplication, ...]:
    """Return what is found where nginx says *text*: one artisan, which is the application's."""
    seen: tuple[FoundApplication, ...] = see(
        read_applications(Reader()),
        ("look-beside", beside or FactError("no answer")),
        ("/etc/nginx", said(lines(text))),
        ("/etc/php", said(pools) if isinstance(pools, str) else pools),
        *more,
        ("realpath", said(log)),
        (f"{ROOT}/artisan", said(record(f"{ROOT}/artisan"))),
        ("/artisan", said(status=1, stderr=complaint("artisan"))),
    )
    return seen


def test_a_server_is_told_by_its_own_lines() -> None:
    (one,) = servers(SITE)
    assert one == Server(
        roots=("/srv/soleil/current/public",),
        names=("_",),
        listens=(("80", "default_server"),),
        passes=("/run/php/php8.2-fpm.sock",),
    )


def test_servers_are_told_apart_however_they_are_written() -> None:
    one, two, three = servers(
        "root /srv/all/public;\nupstream php { server 127.0.0.1:9000; }\n"
        'server { listen 80; server_name a.example "b.example"; root "/srv/a/public"; } # server_name c;\n'
        "server\n{\nlisten 443 ssl;\nlisten [::]:443 ssl;\n}\nserver{\nfastcgi_pass 127.0.0.1:9000;\nroot\n;}"
    )
    assert (one.roots, one.names) == (("/srv/a/public",), ("a.example", "b.example"))
    assert two.listens == (("443", "ssl"), ("[::]:443", "ssl"))
    assert (three.roots, three.passes) == ((), ("127.0.0.1:9000",))


def test_only_what_nginx_includes_counts() -> None:
    places = ["sites-enabled/one", "conf.d/two.conf", "conf.d/three.conf.off", "sites-enabled/deeper/four"]
    text = "".join(lines(f"server {{ server_name {place}; }}", f"/etc/nginx/{place}") for place in places)
    assert {one.names for one in ReadServers().answer(said(text))} == {("conf.d/two.conf",), ("sites-enabled/one",)}


def test_a_host_without_nginx_has_no_server() -> None:
    missing = "grep: /etc/nginx/sites-enabled: No such file or directory\n"
    assert ReadServers().answer(said(status=1)) == ()
    assert ReadServers().answer(said(status=2, stderr=missing)) == ()
    assert ReadServers().answer(said(lines(SITE), status=2, stderr=missing)) == servers(SITE)
    with pytest.raises(FactError, match="needs root"):
        ReadServers().answer(said(status=2, stderr="grep: /etc/nginx/sites-enabled/a: Permission denied\n"))
    with pytest.raises(FactError, match="a line of no file of nginx's"):
        ReadServers().answer(said("server {\n"))


def test_grep_itself_follows_links_and_tells_no_comment(tmp_path: LocalPath) -> None:
    """What Debian has in sites-enabled are links; a link that leads nowhere is one that nginx would refuse."""
    enabled, available = tmp_path / "sites-enabled", tmp_path / "soleil"
    enabled.mkdir()
    available.write_text(SITE)
    (enabled / "soleil").symlink_to(available)
    (enabled / "gone").symlink_to(tmp_path / "nowhere")
    *words, _, _ = ReadServers().command.words
    said_of_it = run_here(Command((*words, str(enabled))))
    moved = Output(
        exit_status=said_of_it.exit_status,
        stdout=said_of_it.stdout.replace(str(tmp_path).encode(), b"/etc/nginx"),
        stderr=said_of_it.stderr,
    )
    assert ReadServers().answer(moved) == servers(SITE)
    assert b"old" not in said_of_it.stdout


def looked_beside(folder: LocalPath, configuration: str) -> Output:
    """Return what the real tools say where nginx is configured so."""
    (folder / "sites-enabled").mkdir()
    (folder / "conf.d").mkdir()
    (folder / "conf.d/site.conf").write_text(configuration)
    *words, _, _ = LookBeside().command.words
    return run_here(Command((*words, str(folder / "sites-enabled"), str(folder / "conf.d"))))


def test_what_lies_beside_the_folders_that_nginx_names_is_told_with_them(tmp_path: LocalPath) -> None:
    for name in ("releases/1/storage", "shared/logs", "blog", "folder/artisan", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    (tmp_path / "current/storage/logs").symlink_to("../../../shared/logs")
    for name in ("current", "blog"):
        (tmp_path / name / "artisan").touch()
    named = [tmp_path / name / "public" for name in ("current", "folder", "other", "gone", "current", "with space")]
    text = "".join(f"server {{\n\troot {name};\n}}\n" for name in named)
    said_of_it = looked_beside(tmp_path, f"{text}root {tmp_path}/blog/public/ ;\nroot {tmp_path}/blog/public/;\n")
    assert LookBeside().answer(said_of_it) == {
        Path(tmp_path / "current"): Beside(has_artisan=True, log=Path(tmp_path / "shared/logs/laravel.log")),
        Path(tmp_path / "folder"): Beside(has_artisan=False, log=Path(tmp_path / "folder/storage/logs/laravel.log")),
        Path(tmp_path / "blog"): Beside(has_artisan=True, log=Path(tmp_path / "blog/storage/logs/laravel.log")),
    }, "of what is not there nothing is said"


def test_an_application_is_found_in_one_round_trip_and_what_was_not_looked_at_is_asked_about() -> None:
    beside = ("look-beside", said(f"{ROOT}\0f\0{LOG}\0"))
    rules = beside, ("/etc/nginx", said(lines(SITE))), ("/etc/php", said(POOL_USERS))
    assert see(read_applications(Reader()), *rules, most_rounds=1) == (
        FoundApplication(root=ROOT, log=LOG, user="www-data"),
    )
    two = SITE + "server { root /srv/blog/public; }"
    blog = ("/srv/blog/artisan", said(record("/srv/blog/artisan")))
    assert [one.root for one in found(two, blog, beside=beside[1])] == [ROOT, Path("/srv/blog")]
    assert found(beside=said(f"{ROOT}\0d\0{LOG}\0")) == ()
    elsewhere = said(f"{ROOT}\0f\0{LOG}\0/srv/other\0f\0{LOG}\0")
    assert [one.root for one in found(beside=elsewhere)] == [ROOT], "nginx does not serve it"


@pytest.mark.parametrize("text", ["/srv/x\0f\0", "srv/x\0f\0/log\0", "/srv/x\0ff\0/log\0", "/srv/x\0f\0log\0"])
def test_what_says_something_else_lies_there_is_no_answer(text: str) -> None:
    with pytest.raises(FactError):
        LookBeside().answer(said(text))


def test_an_application_is_a_folder_public_with_artisan_beside_it() -> None:
    assert found() == (FoundApplication(root=ROOT, log=LOG, user="www-data"),)
    assert found("server { root /var/www/html; }") == ()
    assert found("server { root /srv/other/public; }") == ()
    folder = (f"{ROOT}/artisan", said(record(f"{ROOT}/artisan", kind="d")))
    assert found(SITE, folder) == ()


@pytest.mark.parametrize(
    "root",
    [
        "srv/soleil/public",
        "/srv/../etc/public",
        "/srv/$host/public",
        "//srv/soleil/public",
        "/public",
        "/srv/soleil/public_html",
        "/srv/so\\x1b[31mleil/public",
        "/srv/so\x1b[31mleil/public",
    ],
)
def test_what_is_no_plain_absolute_path_is_asked_about_nowhere(root: str, tmp_path: LocalPath) -> None:
    says = said(lines(f"server {{ root {root}; }}"))
    rules = ("look-beside", said()), ("/etc/nginx", says), ("/etc/php", said(POOL_USERS))
    assert see(read_applications(Reader()), *rules, most_rounds=1) == ()
    told = looked_beside(tmp_path, f"root {root};\n")
    assert told == said()


def test_several_applications_are_all_told_and_too_many_are_none() -> None:
    two = SITE + "server { root /srv/blog/public; }\nserver { root /srv/blog/public; }"
    blog = ("/srv/blog/artisan", said(record("/srv/blog/artisan")))
    assert [one.root for one in found(two, blog)] == [ROOT, Path("/srv/blog")]
    many = "".join(f"server {{ root /srv/{number}/public; }}\n" for number in range(21))
    with pytest.raises(FactError, match="21 folders"):
        found(many)


def test_where_one_cannot_be_looked_at_nobody_can_say_which_is_meant() -> None:
    hidden = ("/srv/blog/artisan", said(status=1, stderr=complaint("/srv/blog/artisan", "Permission denied")))
    with pytest.raises(FactError, match=r"/srv/blog/artisan.*: needs root"):
        found(SITE + "server { root /srv/blog/public; }", hidden)


@pytest.mark.parametrize(
    "passes, pools, user",
    [
        ("unix:/run/php/php8.2-fpm.sock", POOL_USERS, "www-data"),
        ("127.0.0.1:9000", POOL_USERS, "blog"),
        ("php", POOL_USERS, None),  # either of two
        ("php", POOL_USERS.replace("$pool", "www-data"), "www-data"),
        ("127.0.0.1:9000", POOL_USERS.replace("$pool", "root"), None),
        ("127.0.0.1:9000", "", None),
        ("127.0.0.1:9000", FactError("needs root"), None),
    ],
)
def test_the_user_is_whom_its_pool_runs_as_and_never_root(
    passes: str, pools: str | FactError, user: str | None
) -> None:
    if pools == "":
        pools = POOL_USERS.partition("\n")[0] + "\n"
    (one,) = found(SITE.replace("unix:/run/php/php8.2-fpm.sock", passes), pools=pools)
    assert one.user == user


def test_pools_are_told_by_whom_they_run_as() -> None:
    www, blog = ReadPoolUsers().answer(said(POOL_USERS))
    assert www == PoolUser(user="www-data", listens="/run/php/php8.2-fpm.sock")
    assert blog == PoolUser(user="blog", listens="9000")


@pytest.mark.parametrize(
    "says, url, origin",
    [
        ("", None, None),
        ("listen 80; server_name _ *.soleil.example ~^x$;", None, None),
        ("server_name .soleil.example;", "http://soleil.example/", None),
        ("listen 80; server_name _ soleil.example;", "http://soleil.example/", None),
        ("listen 80; listen [::]:443 ssl http2; server_name soleil.example;", "https://soleil.example/", None),
        ("listen 8080; listen [::]:80; server_name soleil.example;", "http://soleil.example/", None),
        ("listen 8080;", "http://localhost:8080/", None),
        ("listen *:8443 ssl;", "https://localhost:8443/", None),
        ("listen 127.0.0.1;", None, None),
        ("listen 10.0.0.5:80; server_name a.example;", "http://a.example/", "http://10.0.0.5:80"),
        ("listen 10.0.0.5; listen [2001:db8::5]:80;", "http://localhost/", "http://10.0.0.5:80"),
        ("listen unix:/run/nginx.sock; listen [2001:db8::5]:80;", None, None),
    ],
)
def test_nginx_is_asked_as_it_listens(says: str, url: str | None, origin: str | None) -> None:
    (one,) = found(f"server {{ root {ROOT}/public; {says} }}")
    assert (one.url, one.origin) == (url, origin)


def test_a_log_that_cannot_be_resolved_is_not_told() -> None:
    (one,) = found(SITE, ("realpath", FactError("no answer")))
    assert one.log is None
