"""A small shop's error comes before the run: no kernel starts, nothing is written."""

import pytest

from helpers.artefacts import data_dir
from helpers.runner import course, parameters
from helpers.runner.before import CatalogueTooSmall, check_before

ALL = list(parameters.CHAPTERS)


def checked(profile: str, *given: str, chapters=ALL) -> None:
    """Check a profile with the real notebooks' parameters."""
    settings = parameters.resolve(profile, parameters.parse_assignments(list(given)))
    check_before(profile, list(chapters), settings)


@pytest.mark.parametrize("profile", ["seed", "sample", "full"])
def test_the_profiles_of_the_course_are_large_enough(course_dirs, profile):
    checked(profile)
    assert not data_dir(profile).exists()


def test_too_few_drawn_products_are_refused(course_dirs):
    with pytest.raises(
        CatalogueTooSmall, match=r"profile seed, 29 products: of \d+ drawn shoppers"
    ):
        checked("seed", "01.n_asos=8", "02.n_liked=10")
    with pytest.raises(CatalogueTooSmall, match=r"lists of 10, and myntra has 5 products"):
        checked("seed", "01.n_myntra=5")
    checked("seed", "01.n_myntra=5", "04.k=5", "06.k=5", "07.k=5", "02.n_liked=3")


def feed(path, n: int) -> None:
    """A feed of `n` dresses with the columns that data/feeds/asos.yaml reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        f"Harlow dress {i},{20 + i},Red,A dress,\"['http://a.test/{204351106 + i}-1-red']\",Asos"
        for i in range(n)
    ]
    path.write_text("name,price,color,description,images,category\n" + "\n".join(rows) + "\n")


def test_one_own_shop_has_no_second_platform(course_dirs):
    feed(course_dirs / "feeds" / "asos.csv", 12)
    given = ["01.source=feeds", f"01.photos_dir={course_dirs / 'feeds'}"]
    with pytest.raises(CatalogueTooSmall) as error:
        checked("sample", *given)
    assert "target platform 'myntra' is not in the catalogue, which has ['asos']" in str(
        error.value
    )
    assert "Nothing was run" in str(error.value)
    with pytest.raises(CatalogueTooSmall):  # the runner asks before it starts a kernel
        course.run("sample", parameters.parse_assignments(given), ALL, 1, lambda _: None)
    assert not list(data_dir("sample").glob("*.parquet"))


def test_a_feed_without_a_yaml_is_said_at_once(course_dirs):
    feed(course_dirs / "feeds" / "nobody.csv", 3)
    with pytest.raises(ValueError, match=r"nobody\.yaml: write it with `course feed draft`"):
        checked(
            "sample", "01.source=feeds", f"01.photos_dir={course_dirs / 'feeds'}", chapters=["01"]
        )


def test_feeds_that_are_not_there_are_said_at_once(course_dirs):
    with pytest.raises(FileNotFoundError, match="no feeds in"):
        checked("sample", "01.source=feeds", f"01.photos_dir={course_dirs}", chapters=["01"])
