"""What chapter 07 says of real shops, on made-up studies."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from helpers.report.figures import shops

HYBRID = 0.30
FLOOR = 0.20


def row(shop, exam, name, n=3, control=False, value=FLOOR, **others) -> dict:
    """One result as bench/real.py writes it; its interval is 0.02 wide on each side."""
    gain = value - FLOOR
    return {
        "shop": shop,
        "exam": exam,
        "control": control,
        "n_history": n,
        "recommender": name,
        "value": value,
        "low": value - 0.02,
        "high": value + 0.02,
        "gain": gain,
        "gain_low": gain - 0.02,
        "gain_high": gain + 0.02,
        "n_users": 500,
        "folds": "11 12",
    } | others


def study_of(path, rows) -> pd.DataFrame:
    pd.DataFrame(rows).to_csv(path, index=False)
    return shops.read_shops(path)


@pytest.fixture
def study(tmp_path):
    """In films Hybrid is ahead, in fashion behind, with gifts it was not run; articles were only
    examined in-shop.
    """
    films = "action to other, n up to 5"
    rows = [
        row("movielens", films, "Popularity"),
        row("movielens", films, "ItemKNN", value=0.302),
        row("movielens", films, "implicit ALS", value=0.25),
        row("movielens", films, "Hybrid", value=HYBRID),
        row("movielens", films, "Hybrid", value=0.21, control=True),
        row("movielens", films, "Popularity", value=0.21, control=True),
        row("movielens", "action to other, n up to 10", "Hybrid", n=10, value=0.4),
        row("fashion", "Ladieswear to Divided, n up to 5", "Popularity"),
        row("fashion", "Ladieswear to Divided, n up to 5", "Content", value=0.19),
        row("fashion", "Ladieswear to Divided, n up to 5", "Hybrid", value=0.15),
        row("gifts", "across 100 %", "Popularity"),
        row("gifts", "across 20 %", "Bridge", value=0.25),
        row("citeulike", "in-shop", "Hybrid", value=0.9),
    ]
    return study_of(tmp_path / "real.csv", rows)


def test_only_exams_between_two_platforms_are_shown_shop_by_shop(study):
    assert list(dict.fromkeys(study["exam"])) == [
        "gift shop, 20% on both",
        "gift shop, 100% on both",
        "films",
        "fashion",
    ]


def test_results_are_counted_as_they_are(study):
    assert shops.count_results(study) == {
        "shops": 2,
        "all": 3,  # films with three and ten items, fashion
        "above": 2,
        "below": 1,
        "compared": 2,  # nobody else had ten items
        "level": 1,  # 0.300 and 0.302 are level; 0.15 is behind 0.19
    }


def test_a_shop_without_a_clear_gain_is_named(study):
    assert shops.shops_without_gain(study) == ["fashion"]


def test_the_results_in_which_the_blend_is_behind_are_named(study, tmp_path):
    assert shops.further_behind(study) == "fashion with three known items (0.0400 behind Content)"
    path = tmp_path / "within.csv"
    rows = [
        row("fashion", "new items", "Hybrid", n=None, value=0.10),
        row("fashion", "new items", "WordWalk", n=None, value=0.12),
    ]
    study_of(path, rows)
    within = shops.read_within(path)
    assert shops.further_behind(within) == "fashion, new items (0.0200 behind WordWalk)"
    level = within.assign(value=0.12)
    assert shops.further_behind(level) == "nowhere"


def test_the_best_single_method_is_no_blend_and_no_floor(study):
    best = shops.best_single(study).set_index("exam")["recommender"]
    assert best["films"] == "ItemKNN"
    assert best["fashion"] == "Content"


def test_the_table_names_every_method_control_and_number_of_deals(study):
    table = shops.shop_table(study, 3)
    assert table["films"]["Hybrid"] == "0.300 ± 0.020"
    assert table["films"]["Hybrid, shuffled log"] == "0.210 ± 0.020"
    assert table["fashion"]["Hybrid, shuffled log"] == "–"
    assert table["films"]["implicit ALS"] == "0.250 ± 0.020"
    assert table["gift shop, 20% on both"]["Hybrid"] == "–"
    assert table["fashion"]["deals or folds"] == "2"
    assert table["films"]["strangers"] == "500"


def test_the_course_s_table_has_its_methods_by_exam_and_length_and_no_others(study):
    table = shops.course_table(study, (1, 3, 10))
    assert list(table.columns) == [
        ("gift shop, 20% on both", 3),
        ("films", 3),
        ("films", 10),
        ("fashion", 3),
    ]
    assert list(table.index) == ["Popularity", "ItemKNN", "Content", "Bridge", "Hybrid"]
    assert table["films", 3]["Hybrid"] == "0.300"
    assert table["films", 10]["ItemKNN"] == "–"


def test_the_course_s_table_calls_methods_as_the_chapters_do(tmp_path):
    names = ("TwoTower", "NeuralCF-bce", "Random", "RandomWalk", "Popularity")
    rows = [row("gifts", "across 20 %", name) for name in names]
    table = shops.course_table(study_of(tmp_path / "real.csv", rows), [3])
    assert list(table.index) == ["Popularity", "NeuralCF", "TwoTower"]


def test_the_best_single_methods_are_named_with_their_shops(tmp_path, study):
    # of the gift shop, the exam with 20% on both is shown
    assert shops.winners(study, 3) == "Bridge (gift shop); ItemKNN (films); Content (fashion)"
    both = [
        row("gifts", "across 20 %", "Bridge"),
        row("groceries", "across 20 %", "Bridge"),
        row("groceries", "across 100 %", "EASE"),
    ]
    study = study_of(tmp_path / "two.csv", both)
    assert shops.winners(study, 3) == "Bridge (gift shop and groceries)"
    network = [row("gifts", "across 20 %", "NeuralCF-bce")]
    assert shops.winners(study_of(tmp_path / "one.csv", network), 3) == "NeuralCF (gift shop)"


def test_exams_within_one_shop_have_a_table_of_their_own(tmp_path):
    path = tmp_path / "real.csv"
    rows = [
        row("movielens", "in-shop", "Hybrid", value=0.25),
        row("movielens", "in-shop", "Hybrid", n=10, value=0.35),
        row("movielens", "warm", "Hybrid", n=None, value=0.45),
        row("fashion", "new items", "Content", n=None, value=0.15),
        row("gifts", "across 20 %", "Hybrid"),
    ]
    study_of(path, rows)
    table = shops.shop_table(shops.read_within(path), 3)
    assert list(table.columns) == [
        "films, known customers",
        "films, same shop",
        "fashion, new items",
    ]
    assert table.loc["Hybrid"].tolist() == ["0.450 ± 0.020", "0.250 ± 0.020", "–"]
    assert table["fashion, new items"]["Content"] == "0.150 ± 0.020"


def labels_of(figure) -> list[str]:
    """What stands below the figure's groups."""
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


def test_the_figure_shows_the_exams_in_which_the_method_stands(study):
    figure = shops.shops_figure(study)
    assert labels_of(figure) == ["films", "fashion"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["Hybrid", "best single method", "Hybrid, shuffled log"]
    plt.close(figure)


def test_of_many_exams_one_stands_for_a_dealt_shop(tmp_path):
    rows = []
    for shop in ("gifts", "citeulike", "groceries"):
        for share in (0, 20, 100):
            for name in ("Popularity", "Hybrid", "Bridge"):
                rows.append(row(shop, f"across {share} %", name))
    figure = shops.shops_figure(study_of(tmp_path / "real.csv", rows))
    names = ["gift shop", "scientific articles", "groceries"]
    assert labels_of(figure) == [f"{name}\n20% on both" for name in names]
    plt.close(figure)


def test_a_study_without_controls_or_single_methods_can_be_shown(tmp_path):
    rows = [row("gifts", "across 0 %", name) for name in ("Popularity", "Hybrid")]
    study = study_of(tmp_path / "real.csv", rows)
    assert labels_of(shops.shops_figure(study)) == ["gift shop\n0% on both"]
    assert shops.count_results(study)["compared"] == 0
    assert "Hybrid" in shops.shop_table(study, 3).index
    plt.close("all")


def test_methods_clearly_behind_popularity_are_those_of_the_exam_in_the_table(tmp_path):
    rows = [
        row("groceries", "across 20 %", "Popularity", n=10),
        row("groceries", "across 20 %", "Taste", n=10, value=0.15),
        row("groceries", "across 20 %", "TwoTower", n=10, value=0.19),  # its interval holds 0
        row("groceries", "across 100 %", "EASE", n=10, value=0.1),
        row("gifts", "across 20 %", "ItemKNN", n=10, value=0.1),
    ]
    study = study_of(tmp_path / "real.csv", rows)
    assert shops.clearly_behind(study, "groceries", 10) == ["Taste"]
    assert shops.clearly_behind(study, "groceries", 3) == []
