"""The personas: who stands in data/personas.yaml is who the chapters recommend to."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import yaml

from helpers.artefacts import ROOT
from helpers.interactions import Interactions, ItemFeatures
from helpers.recommenders import Content
from helpers.serving.personas import load_personas
from helpers.serving.service import Filters, Service

SHOP = ["red dress", "blue jeans", "green coat", "white shirt"]


class OneHot:
    """Knows four words for garments in texts; its pictures are all gray."""

    name, hash, dim = "toy", "toy", 4

    def encode_texts(self, texts):
        rows = [[float(word.split()[1] in text) for word in SHOP] for text in texts]
        return np.array(rows, np.float32)

    def encode_images(self, sources):
        return np.zeros((len(sources), 4), np.float32)


@pytest.fixture
def service():
    catalog = pd.DataFrame(
        {
            "image_key": [f"b/{number}" for number in range(4)],
            "platform": "b",
            "title": SHOP,
            "category": ["dresses", "jeans", "coats", "shirts"],
            "colour": ["red", "blue", "green", "white"],
            "gender": ["women", "women", "women", "men"],
            "price_usd": 20.0,
            "image_path": "there.webp",
            "url": "",
        }
    )
    vectors = np.tile(np.eye(4, dtype=np.float32), 2)
    items = ItemFeatures(vectors, catalog)
    train = Interactions(
        sp.csr_matrix(np.array([[5.0, 0, 0, 0]])), pd.Index(["u"]), pd.Index(catalog["image_key"])
    )
    image, text = np.split(vectors, 2, axis=1)
    return Service.of(catalog, image, text, OneHot(), Content().fit(train, items))


def written(folder, people):
    path = folder / "personas.yaml"
    path.write_text(yaml.safe_dump({"personas": people}), encoding="utf-8")
    return load_personas(path)


def best_of(service, persona):
    filters = persona.filters(service.catalog, "b")
    return service.recommend(persona.first(3), 1, filters).products["title"][0]


def test_editing_the_personas_changes_what_is_recommended(tmp_path, service):
    laura = {"name": "Laura", "about": "", "gender": "women", "liked": [{"title": "a dress"}]}
    assert best_of(service, written(tmp_path, [laura])["Laura"]) == "red dress"
    laura["liked"] = [{"title": "two jeans"}]
    assert best_of(service, written(tmp_path, [laura])["Laura"]) == "blue jeans"


def test_only_garments_for_the_person_are_shown(tmp_path, service):
    liked = [{"title": "a shirt"}]
    people = [
        {"name": "Matt", "gender": "men", "liked": liked},
        {"name": "Megan", "gender": "women", "liked": liked},
    ]
    found = written(tmp_path, people)
    assert best_of(service, found["Matt"]) == "white shirt"
    assert best_of(service, found["Megan"]) != "white shirt"


def test_a_catalogue_without_the_persons_gender_is_not_filtered_by_it(tmp_path, service):
    girl = written(tmp_path, [{"name": "Ida", "gender": "girls", "liked": [{"title": "a coat"}]}])
    assert girl["Ida"].filters(service.catalog).gender == "all"
    assert best_of(service, girl["Ida"]) == "green coat"


def test_a_shop_of_mens_clothes_or_a_part_of_a_shop_still_answers(tmp_path, service):
    laura = {"name": "Laura", "gender": "women", "liked": [{"title": "a dress"}]}
    laura = written(tmp_path, [laura])["Laura"]
    both = pd.concat([service.catalog, service.catalog.assign(platform="a", gender="men")])
    assert laura.filters(both, "b") == Filters(platform="b", gender="women")
    assert laura.filters(both, "a") == Filters(platform="a", gender="all")
    assert laura.filters(both, "a department") == Filters(gender="women")
    whole_shop = laura.filters(service.catalog, "a department")
    assert len(service.recommend(laura.history, 2, whole_shop).products) == 2


def test_a_history_may_be_cut_short(tmp_path):
    liked = [{"title": f"dress {number}"} for number in range(4)]
    persona = written(tmp_path, [{"name": "Ida", "liked": liked}])["Ida"]
    assert len(persona.history) == 4
    assert persona.first(2).items["title"].tolist() == ["dress 0", "dress 1"]


@pytest.mark.parametrize("liked", [[], [{"image": "a.webp"}]])
def test_a_person_without_a_title_is_named(tmp_path, liked):
    with pytest.raises(ValueError, match=r"personas.yaml: Ida needs at least one liked item"):
        written(tmp_path, [{"name": "Ida", "liked": liked}])


def test_the_four_have_three_to_six_items_and_some_have_pictures():
    people = load_personas()
    assert list(people) == ["Laura", "Matt", "Vivian", "Megan"]
    for person in people.values():
        pictures = [name for name in person.history.items["image"] if name]
        assert 3 <= len(person.history) <= 6
        assert 0 < len(pictures) < len(person.history)
        assert all((ROOT / "data" / path).is_file() for path in pictures)
        assert person.gender in ("women", "men")
