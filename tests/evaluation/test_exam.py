"""The exam of a profile: real customers and simulated shoppers through the same calls, never
mixed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from helpers.artefacts import data_dir, write_json, write_parquet
from helpers.evaluation import NobodyToExamine, evaluate, lengths_for, load_exam, summarise
from helpers.interactions import Interactions, LogFacts, read_orders, save_orders
from helpers.interactions.loading import DEALT, load_facts
from helpers.interactions.privacy import hash_ids
from helpers.recommenders import ItemKNN, Popularity
from helpers.simulator import forget

KEY = b"a key of this test only"
N_ITEMS = 80
FACTS = LogFacts("real", "A", "B", DEALT, 0.2, 3, "words")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Profile "shop": 80 products with vectors, and an order log beside them."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COURSE_REPORTS", str(tmp_path / "reports"))
    catalog = pd.DataFrame({"product_id": [f"p{n}" for n in range(N_ITEMS)], "platform": "shop"})
    catalog["image_key"] = "shop/" + catalog["product_id"]
    catalog = catalog.assign(title="thing", description="", category="other", price_usd=1.0)
    write_parquet(catalog, data_dir("shop") / "catalog.parquet")
    vectors = np.eye(N_ITEMS, dtype=np.float32)
    save_file({"image": 0 * vectors, "text": vectors}, data_dir("shop") / "embeddings.safetensors")
    write_json({"encoder": "words", "hash": "ab"}, data_dir("shop") / "embeddings.json")
    rng = np.random.default_rng(0)
    rows = []
    for customer in range(300):
        half = rng.permutation(np.arange(customer % 2, N_ITEMS, 2))  # each buys of one half
        for day, item in enumerate(half[:24]):
            rows.append((f"Ann {customer}", f"p{item}", f"2024-01-{1 + day}"))
    path = tmp_path / "orders.csv"
    pd.DataFrame(rows, columns=["customer", "item", "date"]).to_csv(path, index=False)
    return path


def saved(path):
    catalog = pd.read_parquet(data_dir("shop") / "catalog.parquet")
    return save_orders("shop", read_orders(path, catalog, KEY), FACTS)


def test_real_customers_sit_the_exam_without_a_market(folder):
    saved(folder)
    exam = load_exam("shop")
    assert exam.is_real and exam.market is None
    assert exam.judged_by == "observed"
    assert exam.title == "real customers, products dealt to two platforms"
    assert exam.place == "platform"
    by_column = replace(exam, facts=replace(exam.facts, platforms="brand", target="Divided"))
    assert by_column.title_of_figure == "Real customers, A → Divided"  # names stay as they are
    assert set(exam.log["platform"]) == {"A", "B"}
    split = exam.cross_platform()
    assert (split.shoppers, exam.interactions.shoppers) == ("real", "real")
    assert list(split.histories) == [0, 1, 2, 3, 5, 10] == list(exam.lengths)
    assert list(split.relevant) == ["observed"]
    assert not set(split.histories[3].users) & set(split.train.users)
    assert exam.warm_by_time().shoppers == "real"
    told = json.loads((data_dir("shop") / "interactions.json").read_text())
    assert (told["shoppers"], told["platforms"], told["overlap"]) == ("real", "dealt", 0.2)


def test_the_control_takes_what_is_personal(folder):
    saved(folder)
    exam = load_exam("shop")
    values = {}
    for name, split in {"log": exam.cross_platform(), "control": exam.control()}.items():
        model = ItemKNN().fit(split.train, exam.items)
        measured = summarise(evaluate({"x": model}, split, ks=(10,), metrics=("ndcg",)))
        values[name] = measured.query("metric == 'ndcg' and n_history == 3")["value"].item()
    assert values["log"] > 1.5 * values["control"]


def test_lengths_stop_where_too_few_customers_are_left(folder):
    saved(folder)
    exam = load_exam("shop")
    few = exam.log[exam.log.groupby("user").cumcount() < 7]
    few = Interactions.from_frame(few, exam.names, shoppers="real")
    assert lengths_for(few, exam.items, "A", "B", exam.facts.seed) == (0, 1, 2, 3)
    alone = Interactions.from_frame(exam.log.groupby("user").head(1), exam.names, shoppers="real")
    with pytest.raises(NobodyToExamine, match="300 customers, 0 of them on both"):
        lengths_for(alone, exam.items, "A", "B", exam.facts.seed)


def test_simulated_shoppers_sit_the_same_exam(folder, market):
    from helpers.simulator import save_market

    save_market("shop", market)
    assert load_facts("shop").shoppers == "simulated"
    catalog = pd.DataFrame({"image_key": market.items, "platform": market.platform})
    catalog = catalog.assign(title="thing", description="", category="x", price_usd=1.0)
    write_parquet(catalog, data_dir("shop") / "catalog.parquet")
    vectors = np.ones((len(catalog), 2), np.float32)
    save_file({"image": vectors, "text": vectors}, data_dir("shop") / "embeddings.safetensors")
    exam = load_exam("shop")
    assert (exam.shoppers, exam.judged_by, exam.title) == (
        "simulated",
        "complete",
        "simulated shoppers",
    )
    split = exam.cross_platform()
    assert set(split.relevant) == {"complete", "observed"}
    assert split.shoppers == "simulated"


def test_what_simulated_shoppers_left_goes_when_real_orders_come(folder, market):
    from helpers.simulator import save_market

    save_market("shop", market)
    saved(folder)
    assert not (data_dir("shop") / "market.json").exists()
    assert not (data_dir("shop") / "market.safetensors").exists()


def test_a_real_customer_can_be_forgotten(folder):
    log = saved(folder)
    ann = hash_ids(["Ann 5"], KEY)[0]
    model = data_dir("shop") / "models" / "Popularity.json"
    write_json([ann], model)
    assert forget(ann, "shop") == {"ratings": 24, "files": 1}
    assert ann not in set(load_exam("shop").log["user"])
    assert not model.exists()
    again = saved(folder)  # the same file, her rows and all
    assert len(again) == len(log) - 24
    assert load_facts("shop").shoppers == "real"
    Popularity().fit(load_exam("shop").cross_platform().train)
