"""Content-based filtering against arithmetic that can be seen."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_similarity

from helpers.interactions import Histories, Interactions, ItemFeatures
from helpers.recommenders import Content
from helpers.recommenders.content import mmr, tastes

# two halves of two numbers: image | text
VECTORS = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1], [0, 0, 1, 0]], dtype=np.float32)
FRAME = pd.DataFrame(
    {
        "image_key": list("abcd"),
        "platform": "x",
        "category": "c",
        "price_usd": [10.0, 10.0, 40.0, 160.0],
    }
)
TRAIN = Interactions(
    sp.csr_matrix([[5, 4, 2, 0]], dtype=np.float32), pd.Index(["u"]), pd.Index(list("abcd"))
)


def fitted(**settings):
    return Content(**settings).fit(TRAIN, ItemFeatures(VECTORS, FRAME))


def history(*ratings, vectors=VECTORS, columns=range(4)):
    return Histories(
        sp.csr_matrix(np.array([ratings], dtype=np.float32)), np.array(columns), vectors
    )


def test_mean_of_liked_vectors_and_cosine():
    # liked: a and b, so v = (1, 1, 1, 1) / 2 · 1/2; the 2 for c does not count
    expected = cosine_similarity([(VECTORS[0] + VECTORS[1]) / 2], VECTORS)[0]
    np.testing.assert_allclose(fitted().score(history(5, 4, 2, 0))[0], expected, atol=1e-6)
    assert expected == pytest.approx([1 / np.sqrt(2), 1 / np.sqrt(2), 1 / np.sqrt(2), 1 / 2])


def test_rating_weights_count_dislikes_against():
    # (5 - 3) a + (2 - 3) c = (1, 0, 2, -1): length √6
    scores = fitted(weighting="rating").score(history(5, 0, 2, 0))[0]
    np.testing.assert_allclose(
        scores, [3 / np.sqrt(12), -1 / np.sqrt(12), 0, 2 / np.sqrt(6)], atol=1e-6
    )


def test_recency_halves_an_older_like_with_every_half_life():
    # b was liked 60 days after a: with a half-life of 30 it weighs four times as much, v ∝ a + 4 b
    # = (1, 4, 1, 4)
    times = sp.csr_matrix(np.array([[100.0, 160, 0, 0]]))
    liked = history(5, 4, 2, 0)
    with_times = Histories(liked.ratings, liked.columns, liked.vectors, times=times)
    scores = fitted(weighting="recency", half_life=30).score(with_times[:1])[0]
    np.testing.assert_allclose(scores, cosine_similarity([[1, 4, 1, 4]], VECTORS)[0], atol=1e-6)
    with pytest.raises(ValueError, match="times"):
        fitted(weighting="recency").score(liked)


def test_late_fusion_weighs_the_halves():
    # liked a: image (1, 0), text (1, 0). c agrees in the image alone, d in the text alone
    assert fitted(image_weight=0.7).score(history(5, 0, 0, 0))[0] == pytest.approx([1, 0, 0.7, 0.3])


@pytest.mark.parametrize(("half", "expected"), [("image", 1.0), ("text", 0.0)])
def test_the_fusion_weight_is_learned_from_what_was_liked_among_the_seen(half, expected):
    """Shoppers like what lies on their side of the one half; the other half is noise, and gets next
    to no weight.
    """
    rng = np.random.default_rng(7)
    angle, noise = rng.uniform(0, 2 * np.pi, (2, 60))
    told, other = (np.stack([np.cos(a), np.sin(a)], axis=1) for a in (angle, noise))
    vectors = np.concatenate([told, other] if half == "image" else [other, told], axis=1).astype(
        np.float32
    )
    tastes = rng.normal(size=(40, 2))
    train = Interactions(
        sp.csr_matrix(np.where(tastes @ told.T > 0, 5.0, 2.0)), pd.RangeIndex(40), pd.RangeIndex(60)
    )
    model = Content(image_weight="learned").fit(
        train, ItemFeatures(vectors, pd.DataFrame(index=range(60)))
    )
    assert model.image_weight_ == pytest.approx(expected, abs=0.05)
    assert model.parameters()["image_weight"] == "learned"


def test_item_from_elsewhere_is_known_by_its_vector():
    outside = history(5, vectors=VECTORS[[1]], columns=[-1])
    np.testing.assert_allclose(
        fitted().score(outside), fitted().score(history(0, 5, 0, 0)), atol=1e-6
    )


def test_vectors_of_another_encoder_are_refused():
    with pytest.raises(ValueError, match="3 numbers, the catalog's 4"):
        fitted().score(history(5, vectors=np.ones((1, 3), np.float32), columns=[-1]))


def test_two_tastes_beat_their_average():
    # a and b share nothing: with one centre c, half like both, ties them; with two, a and b come
    # first
    one, two = (fitted(n_centroids=n).score(history(5, 5, 0, 0))[0] for n in (1, 2))
    assert (
        one[2] == pytest.approx(one[0])
        and two[0] == pytest.approx(1)
        and two[2] == pytest.approx(0.5)
    )


def test_centres_of_two_obvious_groups():
    angles = np.array([0.0, 0.1, 1.5, 1.6])
    centres = tastes(np.stack([np.cos(angles), np.sin(angles)], axis=1), np.ones(4), 2)
    assert np.sort(np.arctan2(centres[:, 1], centres[:, 0])) == pytest.approx([0.05, 1.55])


def test_price_fit_takes_off_the_distance_in_log_price():
    logs = np.log(FRAME["price_usd"])
    gap = np.abs(logs - logs[0]) / logs.std(ddof=0)
    plain, priced = (
        fitted().score(history(5, 0, 0, 0))[0],
        fitted(price_weight=0.5).score(history(5, 0, 0, 0))[0],
    )
    np.testing.assert_allclose(plain - priced, 0.5 * gap, atol=1e-4)


def test_mmr_by_hand():
    # 0 first; then 1 would cost a copy: 0.5 · 0.9 - 0.5 · 1 = -0.05, while 2 gives 0.5 · 0.5 - 0 =
    # 0.25 the second shopper can't have the last item
    vectors = np.array([[[1.0, 0], [1, 0], [0, 1]]] * 2)
    chosen = mmr(np.array([[1.0, 0.9, 0.5], [1.0, 0.9, -np.inf]]), vectors, 3, diversity=0.5)
    assert chosen.tolist() == [[0, 2, 1], [0, 1, -1]]


def test_diverse_recommendations_start_with_the_best_and_leave_out_what_was_seen():
    ids, _ = fitted(diversity=0.6).recommend(history(5, 0, 0, 0), k=4)
    assert ids[0, 0] == fitted().recommend(history(5, 0, 0, 0), k=1)[0][0, 0]
    assert sorted(ids[0]) == [-1, 1, 2, 3]


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="'median'"):
        Content(weighting="median")
    with pytest.raises(ValueError, match="'auto'"):
        Content(image_weight="auto")
    with pytest.raises(ValueError, match=r"fit\(train, items\)"):
        Content().fit(TRAIN)


def test_a_list_without_pictures_does_not_favour_items_without_pictures():
    """Text alone: cos = 0.6 for the first item whatever its picture, 0.8 for the second; image-less
    is no bonus.
    """
    vectors = np.array([[0, 0, 0.6, 0.8], [1, 0, 0.8, 0.6]], np.float32)
    train = Interactions(
        sp.csr_matrix((1, 2), dtype=np.float32), pd.Index(["u"]), pd.Index(["bare", "pictured"])
    )
    frame = pd.DataFrame(
        {"image_key": train.items, "platform": "a", "category": "tops", "price_usd": [10.0, 10.0]}
    )
    model = Content().fit(train, ItemFeatures(vectors, frame))
    words = np.array([[0, 0, 1, 0]], np.float32)
    np.testing.assert_allclose(
        model.score(Histories(sp.csr_matrix([[5.0]]), [-1], words)), [[0.6, 0.8]], atol=1e-6
    )
