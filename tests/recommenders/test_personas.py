"""Chapter 04's newcomers: who stands in data/personas.yaml is who the report shows."""

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import scipy.sparse as sp
import yaml

from helpers.artefacts import ROOT
from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import Content

SHOP = ["red dress", "blue jeans", "green coat", "white shirt"]


class OneHot:
    """Knows four words for garments, in texts and in the names of picture files."""

    def encode_texts(self, texts):
        return np.array(
            [[float(word.split()[1] in text) for word in SHOP] for text in texts], np.float32
        )

    def encode_images(self, paths):
        return self.encode_texts([Path(path).stem if path else "" for path in paths])


def shown(folder, people):
    """What chapter 04's cell shows for these people, run on a shop of four garments."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "personas.yaml").write_text(yaml.safe_dump({"personas": people}))
    vectors = np.tile(np.eye(4, dtype=np.float32), 2)
    frame = pd.DataFrame({"category": SHOP, "title": SHOP})
    split = type("Split", (), {"candidates": np.arange(4)})
    split.train = Interactions(sp.csr_matrix((1, 4)), pd.Index(["u"]), pd.Index(SHOP))
    names = {
        "ROOT": folder,
        "encoder": OneHot(),
        "split": split,
        "items": ItemFeatures(vectors, frame),
        "paths": SHOP,
    }
    names |= {
        "yaml": yaml,
        "np": np,
        "pd": pd,
        "sp": sp,
        "Content": Content,
        "Histories": Histories,
    }
    cells = nbformat.read(ROOT / "notebooks" / "04_content.ipynb", as_version=4).cells
    exec(
        next(cell.source for cell in cells if cell.id == "c04-30"), names
    )  # the course's own notebook
    return names["best"]


def test_editing_the_personas_changes_what_the_report_shows(tmp_path):
    laura = {"name": "Laura", "about": "", "liked": [{"title": "a dress"}]}
    assert {name: titles[0] for name, titles in shown(tmp_path, [laura]).items()} == {
        "Laura": "red dress"
    }
    matt = {"name": "Matt", "about": "", "liked": [{"title": "one coat"}]}
    laura["liked"] = [{"title": "two jeans"}]
    found = {name: titles[0] for name, titles in shown(tmp_path, [laura, matt]).items()}
    assert found == {"Laura": "blue jeans", "Matt": "green coat"}


def test_a_picture_counts_beside_the_words(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "my shirt.png").touch()
    liked = {"title": "something for a dress party", "image": "my shirt.png"}
    words = shown(tmp_path, [{"name": "Megan", "about": "", "liked": [{"title": liked["title"]}]}])[
        "Megan"
    ]
    both = shown(tmp_path, [{"name": "Megan", "about": "", "liked": [liked]}])["Megan"]
    assert words[0] == "red dress" and words[1] != "white shirt"
    assert set(both[:2]) == {"red dress", "white shirt"}


def test_the_four_have_three_to_six_items_and_some_have_pictures():
    people = yaml.safe_load((ROOT / "data" / "personas.yaml").read_text(encoding="utf-8"))[
        "personas"
    ]
    assert [person["name"] for person in people] == ["Laura", "Matt", "Vivian", "Megan"]
    for person in people:
        pictures = [item["image"] for item in person["liked"] if "image" in item]
        assert 3 <= len(person["liked"]) <= 6 and 0 < len(pictures) < len(person["liked"])
        assert all((ROOT / "data" / path).is_file() for path in pictures)
        assert all(item["title"] for item in person["liked"])
