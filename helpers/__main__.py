"""The `course` command."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers import engine
from helpers.artefacts import CHAPTERS, data_dir
from helpers.runner import environment

FORMATS = ("html", "md", "pdf", "pptx")
STOPPED = 130  # exit status after Ctrl-C, as shells have it

Arguments = argparse.Namespace
Commands = Any  # what add_subparsers returns; argparse keeps its class private


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        environment.show_what_the_terminal_can()
        environment.make_folders_absolute()
        arguments = _parser().parse_args(argv)
        status = arguments.command(arguments) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader has seen enough: `course feed draft my.csv | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, RuntimeError, OSError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        where = f": {stop}" if str(stop) else ""
        print(f"course: stopped{where}", file=sys.stderr)
        print("course: run the same command again to go on", file=sys.stderr)
        gc.freeze()  # or Python searches all that was imported for garbage, for seconds
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course", description="Run, rerun and present the seven chapters."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _add_run,
        _add_shop,
        _add_data,
        _add_deck,
        _add_example,
        _add_recommend,
        _add_feed,
        _add_archive,
        _add_compare,
        _add_refresh,
        _add_doctor,
    ):
        add(commands)
    return parser


def _command(
    commands: Commands, name: str, function: Callable[[Arguments], int | None], text: str
) -> argparse.ArgumentParser:
    sub = commands.add_parser(name, help=text, description=text)
    sub.set_defaults(command=function)
    return sub


def _add_profile(sub: argparse.ArgumentParser, text: str | None = None) -> None:
    sub.add_argument("--profile", default="sample", help=text)


def _add_chapter(sub: argparse.ArgumentParser, option: str, text: str, **settings: Any) -> None:
    sub.add_argument(option, choices=list(CHAPTERS), metavar="NN", help=text, **settings)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def _settle_home() -> None:
    """For commands that start kernels or browsers, which all want a home folder."""
    note = environment.find_a_home()
    if note:
        print(f"course: {note}", file=sys.stderr)


def _add_run(commands: Commands) -> None:
    text = "run chapters with a profile and parameters; write reports, slides and the index"
    sub = _command(commands, "run", _run, text)
    _add_profile(sub)
    sub.add_argument("-p", dest="given", action="append", default=[], metavar="NOTEBOOK.KEY=VALUE")
    _add_chapter(sub, "--only", "this chapter alone")
    _add_chapter(sub, "--from", "from this chapter on", dest="first", default="01")
    _add_chapter(sub, "--until", "up to this chapter", dest="last", default="07")
    beside = min(2, os.cpu_count() or 1)
    sub.add_argument("--jobs", type=int, default=beside, help="chapters 03-06 run at once")
    sub.add_argument("--fresh", action="store_true", help="run again what is finished")
    sub.add_argument(
        "--engine",
        choices=engine.ENGINES,
        default="local",
        help="where pictures are fetched and encoded: here, or on a Ray cluster",
    )
    sub.add_argument(
        "--address", default="", help="of the Ray cluster, such as auto; none: one on this machine"
    )


def _run(arguments: Arguments) -> None:
    from helpers.runner import course, parameters

    engine.choose(arguments.engine, arguments.address)
    _settle_home()
    given = parameters.parse_assignments(arguments.given)
    course.run(arguments.profile, given, _chosen(arguments), arguments.jobs, _say, arguments.fresh)


def _chosen(arguments: Arguments) -> list[str]:
    """Numbers of the chapters that --only, --from and --until ask for."""
    if arguments.only:
        return [arguments.only]
    return [number for number in CHAPTERS if arguments.first <= number <= arguments.last]


def _add_shop(commands: Commands) -> None:
    text = "a profile for your own shop from its product feed and its order log"
    sub = _command(commands, "shop", _shop, text)
    sub.add_argument(
        "feeds",
        nargs="*",
        metavar="FEED",
        help="CSV or JSON files of products; none, if the order log itself holds their titles",
    )
    sub.add_argument("--orders", required=True, help="order log: CSV, Parquet or JSON lines")
    sub.add_argument("--name", default="my_shop", help="of the profile")
    sub.add_argument("--photos", default="", help="folder or tar of photos named by product id")
    sub.add_argument(
        "--columns",
        nargs="+",
        action="extend",  # the option may be given once for each column
        default=[],
        metavar="MEANING=COLUMN",
        help="columns of the log that are not recognized: customer=Kdnr item=ArtNr",
    )
    sub.add_argument(
        "--platforms",
        default="",
        metavar="COLUMN",
        help="catalogue column to cross: brand, category, gender or platform",
    )


def _shop(arguments: Arguments) -> None:
    from helpers.runner.shop import ShopFiles, make_shop

    columns = {}
    for text in arguments.columns:
        meaning, equals, column = text.partition("=")
        if not (equals and column):
            raise ValueError(f"--columns {text!r}: wants MEANING=COLUMN, such as customer=Kdnr")
        columns[meaning.strip()] = column.strip()
    files = ShopFiles(
        feeds=tuple(arguments.feeds),
        orders=arguments.orders,
        name=arguments.name,
        photos=arguments.photos,
        columns=columns,
        platforms=arguments.platforms,
    )
    print(make_shop(files))


def _add_data(commands: Commands) -> None:
    text = "published data that a profile needs, from its authors' archive, checked"
    sub = _command(commands, "data", _data, text)
    sub.add_argument("name", help="online-retail: a gift shop's orders, for the profile orders")
    sub.add_argument("--file", default="", help="the archive's CSV, if you downloaded it yourself")


def _data(arguments: Arguments) -> None:
    from helpers.runner.data import get_data

    get_data(arguments.name, print, arguments.file)


def _add_deck(commands: Commands) -> None:
    sub = _command(commands, "deck", _deck, "slides of chapters that were run, and the overview")
    _add_profile(sub)
    decks = ["overview", *CHAPTERS]
    sub.add_argument("--only", choices=decks, metavar="DECK", help=f"one of {', '.join(decks)}")
    sub.add_argument("--format", default="html", help="html, md, pdf, pptx, with commas between")
    sub.add_argument("--theme", default="light", choices=["light", "dark"])
    sub.add_argument(
        "--watch", action="store_true", help="write again whenever a result or the theme changes"
    )


def _deck(arguments: Arguments) -> None:
    from helpers.runner import decks

    formats = arguments.format.split(",")
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise ValueError(f"no format {', '.join(unknown)}: there are {', '.join(FORMATS)}")
    _settle_home()
    wish = decks.Wish(
        profile=arguments.profile,
        only=arguments.only,
        formats=tuple(formats),
        dark=arguments.theme == "dark",
    )
    if arguments.watch:
        decks.watch(wish, _say)
    else:
        print(decks.write(wish))


def _add_example(commands: Commands) -> None:
    text = "copy a finished run to reports/example, which is kept in git"
    sub = _command(commands, "example", _example, text)
    _add_profile(sub)


def _example(arguments: Arguments) -> None:
    from helpers.runner.example import make_example

    _settle_home()
    print(make_example(arguments.profile))


def _add_recommend(commands: Commands) -> None:
    sub = _command(commands, "recommend", _recommend, "recommendations for a shopper's own list")
    sub.add_argument(
        "--history", required=True, help="CSV: title; if you like, image (path or URL) and rating"
    )
    sub.add_argument(
        "--profile", "--catalog", dest="profile", default="sample", help="whose catalog"
    )
    sub.add_argument("--k", type=int, default=12)
    sub.add_argument(
        "--explain",
        action="store_true",
        help="the JSON also says which liked item and attributes each comes from",
    )
    sub.add_argument("--platform", help="products of this shop alone")
    sub.add_argument(
        "--gender", help="garments for women, men, … or all; by default as the list itself tells"
    )
    sub.add_argument("--max-price", type=float, metavar="DOLLARS")
    sub.add_argument("--in-stock", action="store_true", help="only what is in stock in some size")
    sub.add_argument("--out", default="recommendations.html")


def _recommend(arguments: Arguments) -> None:
    from helpers.serving.page import write_recommendations
    from helpers.serving.service import Filters

    filters = Filters(
        platform=arguments.platform,
        gender=arguments.gender,
        max_price=arguments.max_price,
        in_stock=arguments.in_stock,
    )
    done = write_recommendations(
        arguments.history,
        arguments.profile,
        arguments.k,
        arguments.out,
        explain=arguments.explain,
        filters=filters,
    )
    print(done)


def _add_feed(commands: Commands) -> None:
    text = "what a shop's feed would give; a first YAML for an unknown shop"
    sub = _command(commands, "feed", _feed, text)
    sub.add_argument("action", choices=["check", "draft"])
    sub.add_argument("files", nargs="+", help="check SPEC FILE, or draft FILE")


def _feed(arguments: Arguments) -> None:
    from helpers import feeds

    if arguments.action == "draft":
        if len(arguments.files) != 1:
            raise ValueError("course feed draft takes one FILE")
        print(feeds.draft_spec(arguments.files[0]))
        return
    if len(arguments.files) != 2:
        raise ValueError("course feed check takes SPEC and FILE")
    print(feeds.check_feed(*arguments.files))


def _add_archive(commands: Commands) -> None:
    text = "pack a profile's pictures into a tar and take them out; put them back"
    sub = _command(commands, "archive", _archive, text)
    sub.add_argument("action", choices=["pack", "restore"])
    sub.add_argument("tar", help="a path, or a bucket's URL: s3://bucket/2026-spring.tar")
    _add_profile(sub, "whose pictures")
    sub.add_argument(
        "--store", help="a folder or URL that pictures were fetched to, in place of a profile's"
    )
    sub.add_argument("--before", metavar="DATE", help="pack only pictures fetched before then")


def _archive(arguments: Arguments) -> None:
    from helpers.locks import held
    from helpers.runner.evidence import accept_pictures

    folder = data_dir(arguments.profile)
    if arguments.store or not folder.is_dir():
        print(_moved(arguments, arguments.store or folder))
        return
    with held(arguments.profile):
        print(_moved(arguments, folder))
        accept_pictures(arguments.profile)


def _moved(arguments: Arguments, dest: str | Path) -> str:
    """Pack or restore pictures; returns what was done."""
    from helpers import images

    if arguments.action == "restore":
        rows = images.restore_images(dest, arguments.tar)
        done = "restored from"
    else:
        rows = images.archive_images(dest, arguments.tar, before=arguments.before)
        done = "packed into"
        if rows.empty:
            moment = arguments.before or "now"
            raise ValueError(f"nothing to pack: no picture in {dest} was fetched before {moment}")
    pictures = rows["image_path"].nunique()
    noun = "picture" if pictures == 1 else "pictures"
    return f"{pictures} {noun} {done} {arguments.tar}"


def _add_compare(commands: Commands) -> None:
    text = (
        "what changed between two runs; exit status 1 if a result moved beyond its interval, "
        "2 on an error"
    )
    sub = _command(commands, "compare", _compare, text)
    sub.add_argument(
        "runs", nargs=2, metavar="RUN", help="a metrics.json, a report's folder, or a profile"
    )
    sub.add_argument(
        "--all", action="store_true", help="also results that moved within their intervals"
    )


def _compare(arguments: Arguments) -> int:
    from helpers.runner.compare import compare_runs, printable

    try:
        found = compare_runs(*arguments.runs)
    except (ValueError, OSError) as error:
        print(f"course: {printable(str(error))}", file=sys.stderr)
        return 2
    print(found.text(arguments.all))
    return int(found.changed)


def _add_refresh(commands: Commands) -> None:
    text = "run the sample profile and store its outputs in the notebooks"
    sub = _command(commands, "refresh", _refresh, text)
    _add_chapter(sub, "--only", "this chapter alone")


def _refresh(arguments: Arguments) -> None:
    from helpers.runner.refresh import refresh

    _settle_home()
    chapters = [arguments.only] if arguments.only else list(CHAPTERS)
    changed = refresh(chapters, _say)
    print(f"stored anew: {', '.join(changed)}" if changed else "nothing changed")


def _add_doctor(commands: Commands) -> None:
    text = "what the course needs of this machine, and whether it is there"
    _command(commands, "doctor", _doctor, text)


def _doctor(arguments: Arguments) -> None:
    from helpers.runner.doctor import examine

    for there, found, remedy in examine():
        print(f"[ok]       {found}" if there else f"[missing]  {found}: {remedy}")


if __name__ == "__main__":
    sys.exit(main())
