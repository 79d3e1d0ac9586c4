"""The `course` command."""

import argparse
import os
import sys
import time

from helpers.artefacts import CHAPTERS, MissingArtefact, data_dir, reports_dir
from helpers.runner import environment


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    environment.show_what_the_terminal_can()
    environment.make_folders_absolute()
    arguments = _parser().parse_args(argv)
    try:
        status = arguments.command(arguments) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader has seen enough: `course feed draft my.csv | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, RuntimeError, OSError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("course: stopped; run the same command again to go on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course", description="Run, rerun and present the seven chapters."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        return sub

    run = command(
        "run",
        _run,
        "run chapters with a profile and parameters; write reports, slides and the index",
    )
    run.add_argument("--profile", default="sample")
    run.add_argument("-p", dest="given", action="append", default=[], metavar="NOTEBOOK.KEY=VALUE")
    run.add_argument("--only", choices=CHAPTERS, metavar="NN", help="this chapter alone")
    run.add_argument(
        "--from",
        dest="first",
        choices=CHAPTERS,
        default="01",
        metavar="NN",
        help="from this chapter on",
    )
    run.add_argument(
        "--until",
        dest="last",
        choices=CHAPTERS,
        default="07",
        metavar="NN",
        help="up to this chapter",
    )
    run.add_argument(
        "--jobs", type=int, default=min(2, os.cpu_count() or 1), help="chapters 03-06 run at once"
    )
    run.add_argument("--fresh", action="store_true", help="run again what is finished")

    deck = command("deck", _deck, "slides of chapters that were run")
    deck.add_argument("--profile", default="sample")
    deck.add_argument("--format", default="html", help="html, md, pdf, pptx, with commas between")

    recommend = command("recommend", _recommend, "recommendations for a shopper's own list")
    recommend.add_argument(
        "--history", required=True, help="CSV: title; if you like, image (path or URL) and rating"
    )
    recommend.add_argument(
        "--profile", "--catalog", dest="profile", default="sample", help="whose catalogue"
    )
    recommend.add_argument("--k", type=int, default=12)
    recommend.add_argument(
        "--explain", action="store_true", help="say which liked item and attributes each comes from"
    )
    recommend.add_argument("--platform", help="products of this shop alone")
    recommend.add_argument(
        "--gender", help="garments for women, men, … or all; by default as the list itself tells"
    )
    recommend.add_argument("--max-price", type=float, metavar="DOLLARS")
    recommend.add_argument(
        "--in-stock", action="store_true", help="only what is in stock in some size"
    )
    recommend.add_argument("--out", default="recommendations.html")

    feed = command("feed", _feed, "what a shop's feed would give; a first YAML for an unknown shop")
    feed.add_argument("action", choices=["check", "draft"])
    feed.add_argument("files", nargs="+", help="check SPEC FILE, or draft FILE")

    archive = command(
        "archive", _archive, "pack a profile's pictures into a tar and take them out; put them back"
    )
    archive.add_argument("action", choices=["pack", "restore"])
    archive.add_argument("tar", help="a path, or a bucket's URL: s3://bucket/2026-spring.tar")
    archive.add_argument("--profile", default="sample", help="whose pictures")
    archive.add_argument(
        "--store", help="a folder or URL that pictures were fetched to, in place of a profile's"
    )
    archive.add_argument("--before", metavar="DATE", help="pack only pictures fetched before then")

    compare = command(
        "compare",
        _compare,
        "what changed between two runs; exit status 1 if a result moved beyond its interval, 2 on an error",
    )
    compare.add_argument(
        "runs", nargs=2, metavar="RUN", help="a metrics.json, a report's folder, or a profile"
    )
    compare.add_argument(
        "--all", action="store_true", help="also results that moved within their intervals"
    )

    refresh = command(
        "refresh", _refresh, "run the sample profile and store its outputs in the notebooks"
    )
    refresh.add_argument("--only", choices=CHAPTERS, metavar="NN", help="this chapter alone")

    command("doctor", _doctor, "what the course needs of this machine, and whether it is there")
    return parser


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def _settle_home() -> None:
    """For commands that start kernels or browsers, which all want a home folder."""
    note = environment.find_a_home()
    if note:
        print(f"course: {note}", file=sys.stderr)


def _run(arguments) -> None:
    from helpers.runner import course, parameters

    _settle_home()
    numbers = list(CHAPTERS)
    chosen = numbers[numbers.index(arguments.first) : numbers.index(arguments.last) + 1]
    chosen = [arguments.only] if arguments.only else chosen
    given = parameters.parse_assignments(arguments.given)
    course.run(arguments.profile, given, chosen, arguments.jobs, _say, arguments.fresh)


def _deck(arguments) -> int:
    from helpers.report.slides import render_decks
    from helpers.runner.course import executed_path

    formats = arguments.format.split(",")
    unknown = set(formats) - {"html", "md", "pdf", "pptx"}
    if unknown:
        raise ValueError(f"no format {', '.join(sorted(unknown))}: there are html, md, pdf, pptx")
    executed = {
        c: executed_path(arguments.profile, c)
        for c in CHAPTERS
        if executed_path(arguments.profile, c).exists()
    }
    if not executed:
        raise MissingArtefact(
            f"no chapter of {arguments.profile} was run. Run:  course run --profile {arguments.profile}"
        )
    _settle_home()
    folder = reports_dir(arguments.profile) / "decks"
    problem = render_decks(executed, folder, formats)
    print(f"{len(executed)} decks in {folder}")
    if problem:
        raise RuntimeError(problem)


def _recommend(arguments) -> None:
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


def _feed(arguments) -> int:
    from helpers import feeds

    if arguments.action == "draft":
        if len(arguments.files) != 1:
            raise ValueError("course feed draft takes one FILE")
        print(feeds.draft_spec(arguments.files[0]))
        return 0
    if len(arguments.files) != 2:
        raise ValueError("course feed check takes SPEC and FILE")
    print(feeds.check_feed(*arguments.files))
    return 0


def _archive(arguments) -> None:
    from helpers import images

    dest = arguments.store or data_dir(arguments.profile)
    if arguments.action == "restore":
        rows, done = images.restore_images(dest, arguments.tar), "restored from"
    else:
        rows, done = (
            images.archive_images(dest, arguments.tar, before=arguments.before),
            "packed into",
        )
        if rows.empty:
            raise ValueError(
                f"nothing to pack: no picture in {dest} was fetched before {arguments.before or 'now'}"
            )
    pictures = rows["image_path"].nunique()
    print(f"{pictures} picture{'s' * (pictures != 1)} {done} {arguments.tar}")


def _compare(arguments) -> int:
    from helpers.runner.compare import compare_runs

    try:
        found = compare_runs(*arguments.runs)
    except (ValueError, OSError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 2
    print(found.text(arguments.all))
    return int(found.changed)


def _refresh(arguments) -> None:
    from helpers.runner.refresh import refresh

    _settle_home()
    changed = refresh([arguments.only] if arguments.only else list(CHAPTERS), _say)
    print(f"stored anew: {', '.join(changed)}" if changed else "nothing changed")


def _doctor(arguments) -> None:
    from helpers.runner.doctor import examine

    for there, found, remedy in examine():
        print(f"[ok]       {found}" if there else f"[missing]  {found}: {remedy}")


if __name__ == "__main__":
    sys.exit(main())
