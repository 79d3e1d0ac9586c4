"""A person who leaves is in no table, model, result, notebook or report; what is learnt again never
knew them.
"""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.artefacts import data_dir, reports_dir
from helpers.interactions import Interactions, cross_platform
from helpers.interactions.orders import read_orders
from helpers.interactions.privacy import admit, hash_ids, traces
from helpers.locks import ProfileBusy, held
from helpers.recommenders import EASE, ItemKNN, MatrixCompletion, UserKNN
from helpers.simulator import forget, load_market, save_market

KEY = "a key of this test only, long enough"
ROSA = "Rosa Lindqvist"


@pytest.fixture
def shop(course_dirs, monkeypatch, market):
    """An order history of thirty named shoppers as the market of profile "shop", and its file."""
    monkeypatch.setenv("COURSE_USER_KEY", KEY)
    rng = np.random.default_rng(0)
    names = [ROSA, *(f"Ann Bell {number}" for number in range(29))]
    pairs = pd.MultiIndex.from_product([names, market.items[::3]]).to_frame(
        index=False, name=["user", "item"]
    )
    orders = pairs[rng.random(len(pairs)) < 0.3].assign(
        rating=lambda frame: rng.integers(1, 6, len(frame))
    )
    orders.to_csv(course_dirs / "orders.csv", index=False)
    platform = [name.split("/")[0] for name in market.items]
    catalog = pd.DataFrame(
        {
            "image_key": market.items,
            "product_id": market.items,
            "title": market.items,
            "platform": platform,
        }
    )
    return course_dirs / "orders.csv", catalog


def learn(market):
    """What chapters 02-07 leave, in small: the log, models, results, a run notebook and reports
    that name everyone.
    """
    market = save_market("shop", market)
    data, reports, everyone = data_dir("shop"), reports_dir("shop"), " ".join(market.train_users)
    split = cross_platform(market, market.items)
    for model in (ItemKNN(), UserKNN(), EASE(), MatrixCompletion(rank=2)):
        model.fit(split.train).save(data / "models" / type(model).__name__)
    for name in (
        data / "models" / "users.json",
        data / "results" / "03_collaborative.json",
        data / ".finished" / "02_interactions.json",
        reports / "notebooks" / "05_completion.ipynb",
        reports / "notebooks" / "solution-05_completion.ipynb",
        reports / "02_interactions.html",
        reports / "decks" / "02_interactions.html",
        reports / "metrics.json",
        reports / "index.html",
    ):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_text(everyone)
    return {path.name: path.read_bytes() for path in (data / "models").iterdir()}


def test_nothing_is_left_and_nothing_learnt_again_knew_them(shop, market):
    path, catalog = shop
    rosa = hash_ids([ROSA], KEY.encode())[0]
    with_her = learn(market.with_ratings(read_orders(path, catalog, KEY.encode()).log))
    for kept in (data_dir("shop") / "catalog.parquet", reports_dir("shop") / "01_augment.html"):
        kept.write_text("made before anyone rated anything")
    assert (
        len(traces(data_dir("shop"), [rosa])) == 4 and len(traces(reports_dir("shop"), [rosa])) == 6
    )
    n_hers = int((pd.read_csv(path)["user"] == ROSA).sum())

    assert forget(rosa, "shop") == {
        "ratings": n_hers,
        "files": 17,
    }  # 4 x 2 of models, and the 9 that name everyone
    assert (
        traces(data_dir("shop"), [rosa, "Rosa", "Lindqvist"])
        == traces(reports_dir("shop"), [rosa])
        == []
    )
    assert not list((data_dir("shop") / "models").iterdir())
    assert (data_dir("shop") / "catalog.parquet").exists() and (
        reports_dir("shop") / "01_augment.html"
    ).exists()

    again = learn(
        market.with_ratings(read_orders(path, catalog, KEY.encode()).log)
    )  # her rows are still in the file
    assert (
        rosa not in set(load_market("shop").train_users) and traces(data_dir("shop"), [rosa]) == []
    )
    pd.read_csv(path).query("user != @ROSA").to_csv(path, index=False)
    (data_dir("shop") / "forgotten.json").unlink()
    never = learn(market.with_ratings(read_orders(path, catalog, KEY.encode()).log))
    assert again == never != with_her


def test_simulated_shoppers_can_leave_too(course_dirs, market):
    save_market("toy", market)
    leaver = market.train_users[5]
    n_ratings = int((market.interactions()["user"] == leaver).sum())
    assert forget(leaver, "toy") == {"ratings": n_ratings, "files": 0}
    assert load_market("toy").log == {}  # the simulator's own record of who rated what went too
    back = save_market("toy", market)  # chapter 02 once more
    assert leaver not in set(back.train_users) and len(back.train_users) == 299
    assert (load_market("toy").train != back.train).nnz == 0
    rest = market.interactions().query("user != @leaver")
    expected = Interactions.from_frame(rest, market.items)
    assert (load_market("toy").train != expected.ratings).nnz == 0


def test_nobody_is_forgotten_while_a_run_may_write_of_them_again(shop, market):
    path, catalog = shop
    learn(market.with_ratings(read_orders(path, catalog, KEY.encode()).log))
    rosa = hash_ids([ROSA], KEY.encode())[0]
    with held("shop"), pytest.raises(ProfileBusy):
        forget(rosa, "shop")
    assert rosa in set(load_market("shop").train_users)


def test_strangers_and_copies_are_reported(shop, market):
    path, catalog = shop
    learn(market.with_ratings(read_orders(path, catalog, KEY.encode()).log))
    with pytest.raises(KeyError, match="give the pseudonym, not the name"):
        forget(ROSA, "shop")
    rosa = hash_ids([ROSA], KEY.encode())[0]
    copy = data_dir("shop") / "my copy.csv"
    copy.write_text(f"user\n{rosa}\n")
    with pytest.raises(RuntimeError, match=r"my copy\.csv"):
        forget(rosa, "shop")
    copy.unlink()
    assert forget(rosa, "shop") == {"ratings": 0, "files": 0}  # already gone: now nothing is left
    assert json.loads((data_dir("shop") / "forgotten.json").read_text()) != [rosa]


def test_words_of_the_row_s_own_person_leave_free_text():
    orders = pd.DataFrame(
        {
            "user": ["Rose Hill", "Tom Ash"],
            "street": ["3 Mill Lane", "9 Quay Road"],
            "email": ["a@example.org", "b@example.org"],
            "note": ["for Rose, leave at Mill Lane", "a rose print from the mill, example.org"],
        }
    )
    kept, report = admit(orders, key=b"k" * 16)
    assert kept["note"].tolist() == [
        "for [removed], leave at [removed] [removed]",
        orders["note"][1],
    ]
    assert report["own name or address in note blanked"] == 1
